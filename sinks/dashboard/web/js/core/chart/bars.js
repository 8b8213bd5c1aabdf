// @ts-check
/** Amounts beside each other: as rows, or as parts of one whole. Plain elements. */
import { h, replace } from "../dom.js";
import { number, percent } from "../format.js";
import { frame, legend } from "./frame.js";

/** @typedef {{label: string, value: number, tone?: string, href?: string, note?: string}} Item */

/**
 * Rows with a bar each, longest possible bar = `max` or the largest value.
 * @param {{label: string, items: Item[], unit?: string, max?: number, format?: (value: number) => string, showLabel?: boolean, bare?: boolean}} options `bare`: without frame, inside a card that says what it is
 * @returns {{element: HTMLElement, update: (items: Item[]) => void}}
 */
export function barChart({ label, items, unit = "", max, format = number, showLabel = true, bare = false }) {
  let now = items;
  const rows = h("div", { class: "bars", role: "list", "aria-label": `${label}${unit ? `, ${unit}` : ""}` });
  const draw = () => {
    const most = max ?? Math.max(0, ...now.map((item) => item.value));
    replace(rows, now.map((item) => row(item, most)));
  };
  /** @param {Item} item @param {number} most */
  const row = (item, most) => h("div", { class: "bars-row", role: "listitem" },
    item.href ? h("a", { class: "bars-label", href: item.href, title: item.label }, item.label) : h("span", { class: "bars-label", title: item.label }, item.label),
    h("span", { class: `bars-track${item.tone ? ` tone-${item.tone}` : ""}`, "aria-hidden": "true" }, h("span", { class: `bars-fill${item.value ? "" : " nothing"}`, css: { "--share": most ? Math.min(1, item.value / most) : 0 } })),
    h("span", { class: "bars-value", title: item.note ?? null }, format(item.value), unit ? h("span", { class: "chart-unit" }, ` ${unit}`) : null));
  draw();
  if (bare) return { element: rows, update: (next) => void ((now = next), draw()) };
  const around = frame({ label, unit, drawing: rows, showLabel, numbers: () => ({ columns: [{ key: "label", label: "What", head: true }, { key: "value", label: "Value", unit, align: "right", render: (item) => format(item.value) }], rows: now }) });
  around.say(`Bar chart, ${label}. ${now.length} rows.`);
  return {
    element: around.element,
    update(next) {
      now = next;
      draw();
      around.refresh();
    },
  };
}

/**
 * Parts of one whole, each with its word and number beneath.
 * @param {{label: string, parts: {label: string, value: number, tone?: string, colour?: string, href?: string}[], legend?: boolean}} options
 * @returns {{element: HTMLElement, update: (parts: any[]) => void}}
 */
export function stackedBar({ label, parts, legend: withLegend = true }) {
  const element = h("div", { class: "stacked-box" });
  const draw = (/** @type {typeof parts} */ given) => {
    const whole = given.reduce((sum, part) => sum + part.value, 0);
    const said = given.map((part) => `${part.label} ${number(part.value)}${whole ? ` (${percent(part.value / whole)})` : ""}`).join(", ");
    const bar = h("div", { class: "stacked", role: "img", "aria-label": `${label}: ${said}` }, given.filter((part) => part.value > 0).map((part) =>
      h("span", { class: `stacked-part${part.tone ? ` tone-${part.tone}` : ""}`, title: `${part.label} ${number(part.value)}`, css: { "--weight": part.value, ...(part.colour ? { "--tone-fill": part.colour } : {}) } })));
    replace(element, bar, withLegend ? legend(given.map((part) => ({ name: part.label, value: number(part.value), tone: part.tone, colour: part.colour, href: part.href, square: true }))) : null);
  };
  draw(parts);
  return { element, update: draw };
}
