// @ts-check
/** Rows as they came: a grid by pages, and a chart of them. */
import { h, replace } from "../../core/dom.js";
import { number, time } from "../../core/format.js";
import { empty, pager, table, tabs } from "../../core/parts.js";
import { plot } from "./plot.js";

/** @typedef {{columns: {name: string, type: string}[], rows: any[][], row_count: number, truncated: boolean, took_ms: number}} Answer */
const PAGE = 100;

/** @param {import("../../core/router.js").Context} ctx @param {Answer} answer */
export function resultOf(ctx, answer) {
  if (!answer.columns.length || !answer.row_count) return empty({ title: "No rows", hint: "The question ran, and nothing fits it. Look at the range of time and the conditions." });
  return tabs([{ id: "rows", label: "Rows", make: () => grid(answer) }, { id: "chart", label: "Chart", make: () => plot(answer) }], { ctx, name: "view", label: "How the answer is shown" });
}

/** @param {string} type of Arrow */
export const isNumeric = (type) => /^(u?int\d+|float|double|halffloat|decimal)/.test(type);
/** @param {string} type of Arrow */
export const isTime = (type) => /^(timestamp|date)/.test(type);

/** @param {Answer} answer */
function grid(answer) {
  const every = answer.rows.map((row, at) => ({ at, ...Object.fromEntries(row.map((value, place) => [`c${place}`, value])) }));
  let rows = every;
  let from = 0;
  const foot = h("div");
  const shown = table({
    caption: "Rows of the answer", compact: true, stickyHead: true, rows: [], keyOf: (row) => row.at,
    columns: answer.columns.map(({ name, type }, place) => ({ key: `c${place}`, label: name, title: type, sort: true, align: isNumeric(type) ? /** @type {"right"} */ ("right") : undefined, render: (/** @type {any} */ row) => cell(row[`c${place}`], type) })),
    onSort: ({ key, order }) => {
      rows = sorted(every, key, order === "asc" ? 1 : -1, isNumeric(answer.columns[Number(key.slice(1))]?.type ?? ""));
      from = 0;
      draw();
    },
  });
  function draw() {
    shown.update(rows.slice(from, from + PAGE));
    const to = Math.min(from + PAGE, rows.length);
    replace(foot, rows.length > PAGE ? pager({ from: from + 1, to, total: rows.length, what: "rows", onPrev: from ? () => step(-PAGE) : null, onNext: to < rows.length ? () => step(PAGE) : null }) : null);
  }
  /** @param {number} by */
  function step(by) {
    from += by;
    draw();
    shown.element.scrollTop = 0;
  }
  draw();
  return h("div", { class: "sql-grid" }, shown.element, foot);
}

/** @param {any} value @param {string} type */
function cell(value, type) {
  if (value === null) return h("span", { class: "muted" }, "null");
  if (/^timestamp/.test(type)) return h("span", { class: "nowrap" }, time(value, { long: true }));
  if (typeof value === "number") return figure(value);
  if (isNumeric(type) && isWhole(value)) return BigInt(value).toLocaleString("en-GB");
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? h("span", { class: "truncate", css: { "--most": "48ch" }, title: text.slice(0, 2_000) }, text) : text;
}

/** Six places, whatever stands before the point: who asks in SQL wants what is there. @param {number} value */
function figure(value) {
  if (Number.isInteger(value)) return number(value);
  return value.toLocaleString("en-GB", Math.abs(value) < 1 ? { maximumSignificantDigits: 6 } : { maximumFractionDigits: 6 });
}

/** A number too long for a number here, as text. @param {any} value */
export const isWhole = (value) => typeof value === "string" && /^-?\d+$/.test(value);

/** @param {any[]} rows @param {string} key @param {number} turn @param {boolean} numeric */
function sorted(rows, key, turn, numeric) {
  return [...rows].sort((one, other) => {
    const [a, b] = [one[key], other[key]];
    if (a === b) return one.at - other.at;
    if (a === null) return 1;
    if (b === null) return -1;
    return (numeric ? Number(a) - Number(b) : String(a).localeCompare(String(b))) * turn;
  });
}
