// @ts-check
/** An answer about a trend: its lines, and what each group comes to. */
import { h } from "../../core/dom.js";
import { millis, number, timeText } from "../../core/format.js";
import { ZOOM_HINT, lineChart, sparkline } from "../../core/chart.js";
import { badge, card, empty, table } from "../../core/parts.js";
import { STATS, byWord, changeOf, groupHref, unitWord, valueText, widthText } from "./words.js";

/** @typedef {{group: string | null, total: number | null, previous: number | null, rows: number, values: (number | null)[], min: (number | null)[], max: (number | null)[]}} Line */
/** @typedef {{metric: string, label: string, unit: string, stat: string, by: string, from: string, to: string, bucket_s: number, source: string, at: string[], lines: Line[], others: Line | null, groups: number, took_ms: number}} Answer */

/**
 * @param {Answer} told
 * @param {import("./words.js").Measure | undefined} measure
 * @param {(range: {from: number, to: number}) => void} onBrush
 */
export function answered(told, measure, onBrush) {
  if (!told.lines.length) return card({ children: empty({ title: "Nothing in this range", hint: "Nothing of this kind came in. Try a longer range, or another measure." }) });
  const title = `${told.label}, ${STATS[told.stat] ?? told.stat}${told.by ? ` by ${byWord(told.by)}` : ""}`;
  return h("div", { class: "stack" },
    card({ title, note: sourceText(told), children: [chart(told, onBrush), h("p", { class: "small quiet zoom-hint" }, ZOOM_HINT)] }),
    card({ title: told.by ? `By ${byWord(told.by)}` : "In all", note: told.by ? groupsText(told) : undefined, flush: true, children: groups(told, measure) }));
}

/** Where axes of a unit end. */
const BOUNDS = /** @type {Record<string, [number, number]>} */ ({ percent: [0, 100], "0 to 1": [0, 1] });

/** @param {string} word */
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** @param {Answer} told */
function sourceText(told) {
  const made = told.source === "raw" ? "from raw rows" : `from ${told.source} roll-ups`;
  return `one point every ${widthText(told.bucket_s)}, ${made}, ${number(told.took_ms, 0)} ms`;
}

/** @param {Answer} told */
const groupsText = (told) => (told.groups > told.lines.length ? `${number(told.lines.length)} of ${number(told.groups)} groups, the others together` : `${number(told.groups)} ${told.groups === 1 ? "group" : "groups"}`);

/** @param {Answer} told @param {(range: {from: number, to: number}) => void} onBrush */
function chart(told, onBrush) {
  const at = told.at.map((each) => /** @type {number} */ (millis(each)));
  const all = [...told.lines, ...(told.others ? [told.others] : [])];
  const series = all.map((line) => ({
    name: line === told.others ? "others" : groupName(told, line),
    points: gaps(told, at, line.values),
    ...(line === told.others ? { dash: /** @type {"dashed"} */ ("dashed") } : {}),
  }));
  return lineChart({ label: told.label, showLabel: false, unit: unitWord(told.unit), series, range: { from: told.from, to: told.to }, height: 300, onBrush, format: (value) => valueText(value, told.unit), ...(told.stat === "count" ? { min: 0 } : {}), ...(BOUNDS[told.unit] ? { bounds: BOUNDS[told.unit] } : {}) }).element;
}

/** Where a bucket has nothing, a count is 0 and a value is a gap. @param {Answer} told @param {number[]} at @param {(number | null)[]} values @returns {[number, number | null][]} */
function gaps(told, at, values) {
  const width_ms = told.bucket_s * 1000;
  const nothing = told.stat === "count" ? 0 : null;
  /** @type {[number, number | null][]} */
  const points = [];
  at.forEach((each, index) => {
    const before = at[index - 1];
    if (before !== undefined && each - before > width_ms * 1.5) {
      points.push([before + width_ms, nothing]);
      if (each - before > width_ms * 2.5) points.push([each - width_ms, nothing]);
    }
    points.push([each, values[index] ?? nothing]);
  });
  return told.stat === "count" ? fromZero(told, points, width_ms) : points;
}

/** A count is 0 before the first bucket that has anything, and after the last. @param {Answer} told @param {[number, number | null][]} points @param {number} width_ms @returns {[number, number | null][]} */
function fromZero(told, points, width_ms) {
  const [from, to] = [/** @type {number} */ (millis(told.from)), /** @type {number} */ (millis(told.to))];
  const [first, last] = [points[0]?.[0] ?? to, points.at(-1)?.[0] ?? from];
  /** @type {[number, number | null][]} */
  const before = first - width_ms > from ? [[from, 0], [first - width_ms, 0]] : [];
  /** @type {[number, number | null][]} */
  const after = last + 2 * width_ms < to ? [[last + width_ms, 0], [to, 0]] : [];
  return [...before, ...points, ...after];
}

/** @param {Answer} told @param {Line} line */
const groupName = (told, line) => line.group ?? (told.by ? "not known" : told.label);

/** @param {Answer} told @param {import("./words.js").Measure | undefined} measure */
function groups(told, measure) {
  const unit = unitWord(told.unit);
  const rows = [...told.lines, ...(told.others ? [{ ...told.others, others: true }] : [])];
  return table({
    caption: `${told.label} ${told.by ? `by ${byWord(told.by)}` : ""} from ${timeText(told.from)} to ${timeText(told.to)}`,
    rows,
    columns: [
      { key: "group", label: told.by ? capital(byWord(told.by)) : "Measure", head: true, render: (row) => named(told, row) },
      { key: "total", label: capital(STATS[told.stat] ?? told.stat), unit, align: "right", sort: true, render: (row) => valueText(row.total, told.unit) },
      { key: "previous", label: "Range before", unit, align: "right", sort: true, render: (row) => valueText(row.previous, told.unit) },
      { key: "change", label: "Change", align: "right", render: (row) => change(row, measure) },
      { key: "rows", label: "Rows", align: "right", sort: true, render: (row) => number(row.rows) },
      { key: "course", label: "Course", render: (row) => sparkline(row.values.map((/** @type {number | null} */ value) => value ?? 0), { label: `course of ${groupName(told, row)}` }) },
    ],
    cards: true,
  }).element;
}

/** @param {Answer} told @param {any} row */
function named(told, row) {
  if (row.others) return h("span", { class: "quiet" }, `others (${number(told.groups - told.lines.length)})`);
  const href = groupHref(told.metric, told.by, row.group);
  const name = groupName(told, row);
  return href ? h("a", { href, class: "wrap-anywhere" }, name) : h("span", { class: "wrap-anywhere" }, name);
}

/** @param {any} row @param {import("./words.js").Measure | undefined} measure */
function change(row, measure) {
  const found = changeOf(row.total, row.previous, measure?.better ?? "neither");
  return found ? badge(found.text, /** @type {any} */ (found.tone)) : h("span", { class: "muted" }, "–");
}
