// @ts-check
/** What a text changes of another, line by line: shown before it is saved. */
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";

/** @typedef {{kind: "same" | "out" | "in", text: string, line: number}} Line `line`: of the new text, of what is taken out of the old one; from 1 */

const AROUND = 2;
/** Lines of both texts multiplied: above that what lies between the first and the last change is told as replaced. */
const MOST_COMPARED = 4_000_000;

/**
 * The lines of both, in order. The longest common subsequence, by the table of lengths (Wagner and Fischer 1974).
 * @param {string} before @param {string} after @returns {Line[]}
 */
export function changes(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let [first, oldEnd, nowEnd] = [0, old.length, now.length];
  while (first < oldEnd && first < nowEnd && old[first] === now[first]) first += 1;
  while (oldEnd > first && nowEnd > first && old[oldEnd - 1] === now[nowEnd - 1]) [oldEnd, nowEnd] = [oldEnd - 1, nowEnd - 1];
  const same = (/** @type {number} */ from, /** @type {number} */ to) => now.slice(from, to).map((text, at) => /** @type {Line} */ ({ kind: "same", text, line: from + at + 1 }));
  return [...same(0, first), ...between(old.slice(first, oldEnd), now.slice(first, nowEnd), first), ...same(nowEnd, now.length)];
}

/** @param {string[]} old @param {string[]} now @param {number} offset lines before both @returns {Line[]} */
function between(old, now, offset) {
  const out = (/** @type {number} */ at) => /** @type {Line} */ ({ kind: "out", text: old[at], line: offset + at + 1 });
  const into = (/** @type {number} */ at) => /** @type {Line} */ ({ kind: "in", text: now[at], line: offset + at + 1 });
  if (old.length * now.length > MOST_COMPARED) return [...old.map((_, at) => out(at)), ...now.map((_, at) => into(at))];
  const wide = now.length + 1;
  const common = new Uint32Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i -= 1) for (let k = now.length - 1; k >= 0; k -= 1) {
    common[i * wide + k] = old[i] === now[k] ? common[(i + 1) * wide + k + 1] + 1 : Math.max(common[(i + 1) * wide + k], common[i * wide + k + 1]);
  }
  /** @type {Line[]} */
  const found = [];
  let [i, k] = [0, 0];
  while (i < old.length || k < now.length) {
    if (i < old.length && k < now.length && old[i] === now[k]) found.push({ ...into(k), kind: "same" }), (i += 1), (k += 1);
    else if (k >= now.length || (i < old.length && common[(i + 1) * wide + k] >= common[i * wide + k + 1])) found.push(out(i)), (i += 1);
    else found.push(into(k)), (k += 1);
  }
  return found;
}

/** The changes with some lines around each. @param {string} before @param {string} after */
export function changesShown(before, after) {
  const all = changes(before, after);
  const near = new Set(all.flatMap((line, at) => (line.kind === "same" ? [] : Array.from({ length: 2 * AROUND + 1 }, (_, step) => at - AROUND + step))));
  const count = (/** @type {string} */ kind) => number(all.filter((line) => line.kind === kind).length);
  /** @type {HTMLElement[]} */
  const rows = [];
  all.forEach((line, at) => {
    if (!near.has(at)) return;
    if (rows.length && !near.has(at - 1)) rows.push(h("div", { class: "change change-gap", "aria-hidden": "true" }, "⋯"));
    rows.push(shown(line));
  });
  return h("div", { class: "stack-tight" },
    h("p", { class: "small quiet" }, `Lines: ${count("in")} in, ${count("out")} out.`),
    h("div", { class: "changes", tabindex: "0", role: "group", "aria-label": "Changes, line by line" }, rows));
}

const SIGNS = { same: " ", out: "−", in: "+" };
const SAID = { same: "", out: "goes out: ", in: "comes in: " };

/** @param {Line} line */
function shown({ kind, text, line }) {
  return h("div", { class: `change change-${kind}` }, h("span", { class: "change-line", "aria-hidden": "true" }, String(line)), h("span", { class: "change-sign", "aria-hidden": "true" }, SIGNS[kind]),
    h("span", { class: "visually-hidden" }, SAID[kind]), h("span", { class: "change-text" }, text || " "));
}
