// @ts-check
/** What every chart has around it: a name, words for who does not see it, and its numbers as a table. */
import { h, newId, replace } from "../dom.js";
import { button } from "../parts/buttons.js";
import { table } from "../parts/table.js";

/** @typedef {import("../dom.js").Child} Child */
/** @typedef {{columns: import("../parts/table.js").Column[], rows: any[]}} Numbers */

/** Series colours of the theme, by number. @param {number} at */
export const seriesColour = (at) => `var(--c${(at % 8) + 1})`;

/**
 * @param {{label: string, unit?: string, height?: number, drawing: Element, numbers: () => Numbers, showLabel?: boolean, foot?: Child}} options
 * @returns {{element: HTMLElement, say: (summary: string) => void, refresh: () => void}}
 */
export function frame({ label, unit, height = 220, drawing, numbers, showLabel = true, foot }) {
  const id = newId("chart");
  const said = h("p", { class: "visually-hidden" });
  const grid = h("div", { class: "chart-table", hidden: true });
  const press = button("Show as table", { kind: "quiet", small: true, icon: "table", onClick: () => turn() });
  press.setAttribute("aria-pressed", "false");
  const name = h("figcaption", { class: showLabel ? "chart-title" : "visually-hidden", id }, label, unit ? h("span", { class: "chart-unit" }, ` ${unit}`) : null);
  const element = h("figure", { class: `chart${showLabel ? "" : " chart-unlabelled"}`, "aria-labelledby": id, css: { "--height": height } },
    h("div", { class: "chart-head" }, name, h("div", { class: "chart-tools" }, press)), said, drawing, grid, foot ?? null);
  const fill = () => {
    const { columns, rows } = numbers();
    replace(grid, table({ caption: `${label}, numbers`, columns, rows, compact: true, empty: "No numbers in this range." }).element);
  };
  function turn() {
    const shown = grid.hidden;
    grid.hidden = !shown;
    /** @type {HTMLElement} */ (drawing).hidden = shown;
    press.setAttribute("aria-pressed", String(shown));
    replace(/** @type {Element} */ (press.lastElementChild), shown ? "Show as chart" : "Show as table");
    if (shown) fill();
  }
  return { element, say: (summary) => replace(said, summary), refresh: () => grid.hidden || fill() };
}

/** @param {{name: string, colour?: string, tone?: string, square?: boolean, diamond?: boolean, value?: Child, dash?: string, href?: string}[]} items */
export function legend(items) {
  return h("ul", { class: "legend" }, items.map((item) => {
    const mark = h("span", { class: `legend-mark${item.square ? " square" : item.diamond ? " square diamond" : ""}${item.dash && item.dash !== "solid" ? ` ${item.dash}` : ""}`, css: item.colour ? { "--mark": item.colour } : {}, "aria-hidden": "true" });
    const text = [mark, item.name, item.value === undefined ? null : h("strong", {}, item.value)];
    return h("li", { class: item.tone ? `tone-${item.tone}` : null }, item.href ? h("a", { class: "legend-item", href: item.href }, text) : h("span", { class: "legend-item" }, text));
  }));
}
