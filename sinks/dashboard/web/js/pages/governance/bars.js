// @ts-check
/** Violations over time as stacked bars by severity: each part has its own height, and all of it is a table, too. */
import { legend } from "../../core/chart.js";
import { h, replace, svg } from "../../core/dom.js";
import { duration_s, number, timeText } from "../../core/format.js";
import { button, table, toneOfSeverity } from "../../core/parts.js";

const ORDER = ["low", "medium", "high", "critical"];
const HEIGHT = 132;

/** @param {{bucket_s: number, at: string[], by_severity: Record<string, number[]>}} bars */
export function violationBars(bars) {
  const sums = bars.at.map((_, at) => ORDER.reduce((sum, word) => sum + bars.by_severity[word][at], 0));
  const whole = sums.reduce((sum, each) => sum + each, 0);
  if (!whole) return h("p", { class: "quiet" }, "No violation in this time.");
  const picture = h("div", {}, drawing(bars, sums, whole), axis(bars, sums));
  const numbers = h("div", { hidden: true });
  const press = button("Show as table", { kind: "quiet", small: true, icon: "table", onClick: () => {
    numbers.hidden = !numbers.hidden;
    picture.hidden = !numbers.hidden;
    if (!numbers.hidden) replace(numbers, asTable(bars, sums));
    replace(/** @type {Element} */ (press.lastElementChild), numbers.hidden ? "Show as table" : "Show as chart");
  } });
  const keys = [...ORDER].reverse().map((word) => ({ name: word, tone: toneOfSeverity(word), square: true, value: number(bars.by_severity[word].reduce((sum, each) => sum + each, 0)) }));
  return h("figure", { class: "governance-bars" }, h("div", { class: "spread" }, legend(keys), press), picture, numbers);
}

/** @param {any} bars @param {number[]} sums @param {number} whole */
function drawing(bars, sums, whole) {
  const most = Math.max(...sums);
  const wide = 1000 / sums.length;
  const groups = sums.map((sum, at) => {
    let top = HEIGHT;
    const parts = ORDER.filter((word) => bars.by_severity[word][at]).map((word) => {
      const tall = (bars.by_severity[word][at] / most) * (HEIGHT - 4);
      top -= tall;
      return svg("rect", { class: `governance-bar tone-${toneOfSeverity(word)}`, x: (at * wide + wide * 0.1).toFixed(1), y: top.toFixed(1), width: (wide * 0.8).toFixed(1), height: tall.toFixed(1) });
    });
    return sum ? svg("g", {}, svg("title", {}, `${timeText(bars.at[at])}: ${number(sum)}, ${told(bars, at)}`), parts) : null;
  });
  const said = `Violations over time: ${number(whole)} in all, at most ${number(most)} within ${duration_s(bars.bucket_s)}`;
  return svg("svg", { class: "governance-picture", viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said }, groups);
}

/** @param {any} bars @param {number} at */
const told = (bars, at) => [...ORDER].reverse().filter((word) => bars.by_severity[word][at]).map((word) => `${bars.by_severity[word][at]} ${word}`).join(", ");

/** @param {any} bars @param {number[]} sums */
function axis(bars, sums) {
  return h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, timeText(bars.at[0])), h("span", {}, `at most ${number(Math.max(...sums))} in ${duration_s(bars.bucket_s)}`), h("span", {}, timeText(bars.at[bars.at.length - 1])));
}

/** @param {any} bars @param {number[]} sums */
function asTable(bars, sums) {
  const rows = bars.at.map((/** @type {string} */ when, /** @type {number} */ at) => ({ when, sum: sums[at], ...Object.fromEntries(ORDER.map((word) => [word, bars.by_severity[word][at]])) })).filter((/** @type {any} */ row) => row.sum).reverse();
  const counts = [...ORDER].reverse().map((word) => ({ key: word, label: word.charAt(0).toUpperCase() + word.slice(1), align: /** @type {"right"} */ ("right"), render: (/** @type {any} */ row) => number(row[word]) }));
  return table({ caption: "Violations over time, numbers", compact: true, rows, columns: [{ key: "when", label: "From", head: true, render: (row) => timeText(row.when, { long: true }) }, ...counts] }).element;
}
