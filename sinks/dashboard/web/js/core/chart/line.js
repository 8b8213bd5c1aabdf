// @ts-check
/** Values over time as lines, with the band that was expected, points that stood out, and limits. */
import { clear, h, replace } from "../dom.js";
import { number, timeText } from "../format.js";
import { frame, legend, seriesColour } from "./frame.js";
import { DASHES, optionOf } from "./option.js";
import { surface } from "./surface.js";
import { zoomProps } from "./zoom.js";

/** @typedef {[number, number | null]} Point milliseconds, value; null: a gap */
/** @typedef {{at: number, value: number, text: string}} Flag */
/** @typedef {{name: string, points: Point[], band?: [number, number | null, number | null][], flags?: Flag[], tone?: string, dash?: "solid" | "dashed" | "dotted"}} Series */
/**
 * @typedef {object} LineOptions
 * @property {string} label
 * @property {string} [unit]
 * @property {Series[]} series
 * @property {{from: number | string, to: number | string} | null} [range] of the axis, else what the points span
 * @property {{value: number, label: string, tone?: string}[]} [thresholds]
 * @property {((range: {from: number, to: number}) => void) | null} [onBrush] a span was drawn, or reached by keys, in milliseconds; needs `range`
 * @property {number} [height] pixels
 * @property {boolean} [showLabel]
 * @property {number | null} [min] of the value axis; default: it fits the values
 * @property {[number, number]} [bounds] what such a value can be: the axis and the band end there, unless values go beyond
 * @property {number | null} [max]
 * @property {(value: number) => string} [format]
 */

const MOST_ROWS = 500;

/**
 * @param {LineOptions} options
 * @returns {{element: HTMLElement, update: (changes: Partial<LineOptions>) => void}}
 */
export function lineChart(options) {
  let now = options;
  const canvas = h("div", { class: "chart-canvas", ...(options.onBrush ? zoomProps(() => now) : {}) });
  const keys = h("div");
  const drawing = h("div", {}, canvas, keys);
  const around = frame({ label: options.label, unit: options.unit, height: options.height ?? 220, drawing, numbers: () => numbers(now), showLabel: options.showLabel });
  const drawn = surface(canvas, (colours) => optionOf(now, colours), () => now.onBrush ?? null);

  function draw() {
    const some = now.series.some((each) => each.points.some(([, value]) => value !== null));
    around.say(summary(now));
    around.refresh();
    if (now.series.length > 1 || now.series.some((each) => each.band?.length || each.flags?.length)) replace(keys, legend(marks(now)));
    else clear(keys);
    drawn.draw(some ? null : "Nothing was measured in this range.");
  }
  draw();
  return {
    element: around.element,
    update(changes) {
      now = { ...now, ...changes };
      draw();
    },
  };
}

/** @param {LineOptions} options */
function marks({ series }) {
  const lines = series.map((each, at) => ({ name: each.name, colour: each.tone ? undefined : seriesColour(at), tone: each.tone, dash: each.dash ?? DASHES[at % DASHES.length] }));
  const flags = series.reduce((count, each) => count + (each.flags?.length ?? 0), 0);
  return [...lines, ...(series.some((each) => each.band?.length) ? [{ name: "expected", square: true, colour: "color-mix(in srgb, var(--c1) 25%, transparent)" }] : []),
    ...(flags ? [{ name: "stood out", tone: "bad", diamond: true, value: number(flags) }] : [])];
}

/** @param {LineOptions} options */
function summary({ label, unit = "", series, format = number }) {
  const told = series.map((each) => {
    const values = /** @type {number[]} */ (each.points.map(([, value]) => value).filter((value) => value !== null && Number.isFinite(value)));
    if (!values.length) return `${each.name}: no values`;
    const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    const flagged = each.flags?.length ? `, ${each.flags.length} points stood out` : "";
    return `${each.name}: latest ${format(values[values.length - 1])}, lowest ${format(low)}, highest ${format(high)} ${unit}${flagged}`;
  });
  return `Line chart, ${label}. ${told.join(". ")}.`;
}

/** @param {LineOptions} options @returns {import("./frame.js").Numbers} */
function numbers({ series, unit, format = number }) {
  /** @type {Map<number, Record<string, any>>} */
  const rows = new Map();
  series.forEach((each, at) => {
    for (const [when, value] of each.points) rows.set(when, { ...(rows.get(when) ?? { when }), [`s${at}`]: value });
  });
  const sorted = [...rows.values()].sort((a, b) => b.when - a.when).slice(0, MOST_ROWS);
  const columns = [{ key: "when", label: "Time", head: true, render: (/** @type {any} */ row) => timeText(row.when, { long: true }) },
    ...series.map((each, at) => ({ key: `s${at}`, label: each.name, unit, align: /** @type {"right"} */ ("right"), render: (/** @type {any} */ row) => (row[`s${at}`] === undefined || row[`s${at}`] === null ? "–" : format(row[`s${at}`])) }))];
  return { columns, rows: sorted };
}
