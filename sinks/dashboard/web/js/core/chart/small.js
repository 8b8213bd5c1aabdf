// @ts-check
/** Charts of one line's height, as SVG. */
import { h, svg } from "../dom.js";
import { duration_s, millis, number, timeText } from "../format.js";
import { toneOfStatus } from "../parts/badges.js";

/**
 * @param {(number | null)[] | [number, number | null][]} points values in order, or [ms, value]
 * @param {{label?: string, tone?: string}} [options] without `label` it is decoration
 */
export function sparkline(points, { label, tone } = {}) {
  const values = points.map((each) => (Array.isArray(each) ? each[1] : each));
  const known = /** @type {number[]} */ (values.filter((value) => value !== null && Number.isFinite(value)));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const place = (/** @type {number} */ value) => (high === low ? 12 : 22 - ((value - low) / (high - low)) * 20);
  let path = "";
  let pen = "M";
  values.forEach((value, at) => {
    if (value === null || !Number.isFinite(value)) pen = "M";
    else {
      path += `${pen}${((at / Math.max(1, values.length - 1)) * 96).toFixed(1)} ${place(value).toFixed(1)}`;
      pen = "L";
    }
  });
  const told = label ? { role: "img", "aria-label": known.length ? `${label}: from ${number(known[0])} to ${number(known[known.length - 1])}` : `${label}: no values` } : { "aria-hidden": "true" };
  return svg("svg", { class: `spark${tone ? ` tone-${tone}` : ""}`, viewBox: "0 0 96 24", preserveAspectRatio: "none", ...told }, svg("path", { d: path || "M0 0" }));
}

/**
 * States one after the other on a line of time; other than by colour they differ by their strokes, and by the list.
 * @param {{label: string, spans: {from: string | number, to: string | number, word: string}[], range?: {from: string | number, to: string | number}, toneOf?: (word: string) => string}} options
 */
export function timelineBand({ label, spans, range, toneOf = toneOfStatus }) {
  const known = spans.map((span) => ({ ...span, begin: millis(span.from) ?? 0, end: millis(span.to) ?? 0 })).filter((span) => span.end > span.begin);
  const first = (range && millis(range.from)) ?? Math.min(...known.map((span) => span.begin));
  const last = (range && millis(range.to)) ?? Math.max(...known.map((span) => span.end));
  const long = Math.max(1, last - first);
  const at = (/** @type {number} */ when) => (Math.max(0, Math.min(1, (when - first) / long)) * 1000).toFixed(2);
  const picture = svg("svg", { class: "band", viewBox: "0 0 1000 28", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${said(known)}` }, known.map((span) => {
    const [left, right] = [Number(at(span.begin)), Number(at(span.end))];
    const box = svg("rect", { x: left, y: 0, width: Math.max(0.8, right - left), height: 28 });
    const hint = svg("title", {}, `${span.word}, ${timeText(span.begin)} to ${timeText(span.end)} (${duration_s((span.end - span.begin) / 1000)})`);
    return svg("g", { class: `tone-${toneOf(span.word)}` }, hint, box, toneOf(span.word) === "ok" ? null : svg("path", { class: "hatch", d: hatch(left, right), "vector-effect": "non-scaling-stroke" }));
  }));
  return h("div", { class: "band-box" }, picture, h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, Number.isFinite(first) ? timeText(first) : ""), h("span", {}, Number.isFinite(last) ? timeText(last) : "")));
}

/** @param {number} left @param {number} right */
function hatch(left, right) {
  let path = "";
  for (let x = left + 6; x < right; x += 14) path += `M${x} 28L${Math.min(right, x + 8)} 0`;
  return path || "M0 0";
}

/** @param {{word: string, begin: number, end: number}[]} spans */
function said(spans) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const span of spans) sums.set(span.word, (sums.get(span.word) ?? 0) + (span.end - span.begin) / 1000);
  return [...sums].map(([word, seconds]) => `${word} ${duration_s(seconds)}`).join(", ") || "nothing known";
}
