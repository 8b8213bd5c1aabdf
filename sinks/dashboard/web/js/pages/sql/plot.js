// @ts-check
/** A chart of an answer: over time as lines, by name as bars; what is drawn is guessed, and can be chosen. */
import { barChart, lineChart } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { millis, number } from "../../core/format.js";
import { empty, field, filterBar, select } from "../../core/parts.js";
import { isNumeric, isTime, isWhole } from "./result.js";

const MOST_BARS = 30;
const MOST_LINES = 8;
const MOST_POINTS = 5_000;

/** @param {import("./result.js").Answer} answer */
export function plot(answer) {
  const numeric = answer.columns.flatMap((column, place) => (isNumeric(column.type) ? [place] : []));
  if (!numeric.length) return empty({ title: "Nothing to draw", hint: "A chart needs a column of numbers: count, avg or sum something." });
  const times = answer.columns.flatMap((column, place) => (isTime(column.type) ? [place] : []));
  const words = answer.columns.flatMap((column, place) => (isNumeric(column.type) || isTime(column.type) ? [] : [place]));
  const chosen = { x: times[0] ?? words[0] ?? -1, y: numeric.find((place) => place !== times[0]) ?? numeric[0], by: times.length && words.length ? words[0] : -1 };
  const drawing = h("div");
  const names = (/** @type {number[]} */ places) => places.map((place) => /** @type {[string, string]} */ ([String(place), answer.columns[place].name]));
  const draw = () => void replace(drawing, drawn(answer, chosen, times.includes(chosen.x)));
  /** @param {"x" | "y" | "by"} what @param {string} label @param {[string, string][]} options */
  const choice = (what, label, options) => field({ label, control: select({ options, value: String(chosen[what]), onChange: (value) => {
    chosen[what] = Number(value);
    draw();
  } }) });
  draw();
  return h("div", { class: "stack" }, filterBar(
    choice("x", "Along", [...names([...times, ...words]), ["-1", "row by row"]]),
    choice("y", "Values", names(numeric)),
    words.length && times.length ? choice("by", "A line for each", [["-1", "one line"], ...names(words)]) : null), drawing);
}

/** @param {import("./result.js").Answer} answer @param {{x: number, y: number, by: number}} chosen @param {boolean} overTime */
function drawn(answer, chosen, overTime) {
  const label = answer.columns[chosen.y].name;
  if (overTime) return lines(answer, chosen, label);
  const items = answer.rows.slice(0, MOST_BARS).map((row, at) => ({ label: chosen.x < 0 ? `row ${at + 1}` : text(row[chosen.x]), value: amount(row[chosen.y]) ?? 0 }));
  const note = answer.row_count > MOST_BARS ? h("p", { class: "small quiet" }, `The first ${MOST_BARS} of ${number(answer.row_count)} rows. Order them in the question to choose which.`) : null;
  return h("div", { class: "stack-tight" }, barChart({ label, items }).element, note);
}

/** @param {import("./result.js").Answer} answer @param {{x: number, y: number, by: number}} chosen @param {string} label */
function lines(answer, chosen, label) {
  /** @type {Map<string, [number, number | null][]>} */
  const series = new Map();
  for (const row of answer.rows.slice(0, MOST_POINTS)) {
    const at = millis(row[chosen.x]);
    const name = chosen.by < 0 ? label : text(row[chosen.by]);
    if (at === null) continue;
    if (!series.has(name)) series.set(name, []);
    series.get(name)?.push([at, amount(row[chosen.y])]);
  }
  const told = [...series].slice(0, MOST_LINES).map(([name, points]) => ({ name, points: points.sort((one, other) => one[0] - other[0]) }));
  const note = series.size > MOST_LINES ? h("p", { class: "small quiet" }, `The first ${MOST_LINES} of ${number(series.size)} lines.`) : null;
  return h("div", { class: "stack-tight" }, lineChart({ label, series: told, height: 280 }).element, note);
}

/** @param {any} value */
const amount = (value) => (typeof value === "number" ? value : isWhole(value) ? Number(value) : null);

/** @param {any} value */
const text = (value) => (value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));
