// @ts-check
/** How values spread: equal bins between two ends; a bin may be pressed. */
import { h, replace } from "../dom.js";
import { number } from "../format.js";
import { frame } from "./frame.js";

/**
 * @typedef {object} HistogramOptions
 * @property {string} label
 * @property {number[]} bins counts, from the lowest bin on
 * @property {number} from
 * @property {number} to
 * @property {((bin: {at: number, from: number, to: number, count: number}) => void) | null} [onBin]
 * @property {(value: number) => string} [format] of the ends
 * @property {(from: number, to: number) => string | null} [tone] of a bin
 * @property {string} [what] what is counted
 * @property {number} [height]
 * @property {boolean} [showLabel]
 */

/**
 * @param {HistogramOptions} options
 * @returns {{element: HTMLElement, update: (bins: number[]) => void}}
 */
export function histogram({ label, bins, from, to, onBin = null, format = number, tone = () => null, what = "agents", height = 120, showLabel = true }) {
  let now = bins;
  const bars = h("div", { class: "histogram", role: onBin ? "group" : "img", css: { "--height": height } });
  const drawing = h("div", {}, bars, h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, format(from)), h("span", {}, format((from + to) / 2)), h("span", {}, format(to))));
  const edge = (/** @type {number} */ at) => from + ((to - from) * at) / now.length;
  const spans = () => now.map((count, at) => ({ at, from: edge(at), to: edge(at + 1), count }));
  const around = frame({ label, height: height + 24, drawing, showLabel, numbers: () => ({
    columns: [{ key: "from", label: "From", head: true, render: (row) => `${format(row.from)} to ${format(row.to)}` }, { key: "count", label: what, align: "right", render: (row) => number(row.count) }],
    rows: spans(),
  }) });
  const draw = () => {
    const most = Math.max(1, ...now);
    const whole = now.reduce((sum, count) => sum + count, 0);
    bars.setAttribute("aria-label", `${label}: ${number(whole)} ${what}`);
    around.say(`Histogram, ${label}. ${spans().filter((bin) => bin.count).map((bin) => `${format(bin.from)} to ${format(bin.to)}: ${bin.count}`).join(", ")}.`);
    around.refresh();
    replace(bars, spans().map((bin) => {
      const said = `${format(bin.from)} to ${format(bin.to)}: ${number(bin.count)} ${what}`;
      const name = tone(bin.from, bin.to);
      const fill = h("span", { class: `histogram-fill${bin.count ? " some" : ""}`, css: { "--share": bin.count / most } });
      const props = { class: `histogram-bin${name ? ` tone-${name}` : ""}`, title: said };
      return onBin ? h("button", { ...props, type: "button", "aria-label": said, on: { click: () => onBin(bin) } }, fill) : h("span", props, fill);
    }));
  };
  draw();
  return {
    element: around.element,
    update(next) {
      now = next;
      draw();
    },
  };
}
