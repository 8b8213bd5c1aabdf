// @ts-check
/** Panels of which one is shown; each is made when first shown. */
import { h, newId, replace } from "../dom.js";

const NEIGHBOUR_PX = 28;

/**
 * Arrows move between tabs. With `ctx` the choice is kept in the address as `name`.
 * @param {{id: string, label: string, make: () => import("../dom.js").Child, count?: import("../dom.js").Child}[]} items
 * @param {{label?: string, ctx?: any, name?: string, selected?: string}} [options]
 * @returns {HTMLElement & {select: (id: string) => void}}
 */
export function tabs(items, { label = "Views", ctx, name = "tab", selected } = {}) {
  const stem = newId("tabs");
  const panel = h("div", { class: "tab-panel", role: "tabpanel", id: `${stem}-panel`, tabindex: "0" });
  const buttons = items.map((item) => h("button", { type: "button", role: "tab", class: "tab", id: `${stem}-${item.id}`, "aria-controls": `${stem}-panel`, on: { click: () => select(item.id) } }, item.label, item.count ? h("span", { class: "tab-count" }, item.count) : null));
  const list = h("div", { class: "tab-list", role: "tablist", "aria-label": label }, buttons);
  const root = /** @type {HTMLElement & {select: (id: string) => void}} */ (h("div", { class: "tabs" }, list, panel));
  /** @type {Map<string, import("../dom.js").Child>} */
  const made = new Map();
  let shown = "";

  /** @param {string} id @param {boolean} [keep] */
  function select(id, keep = true) {
    const at = Math.max(0, items.findIndex((item) => item.id === id));
    const item = items[at];
    if (!item || item.id === shown) return;
    shown = item.id;
    buttons.forEach((each, index) => {
      each.setAttribute("aria-selected", String(index === at));
      each.tabIndex = index === at ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[at].id);
    if (!made.has(item.id)) made.set(item.id, item.make());
    replace(panel, made.get(item.id));
    if (keep && ctx) ctx.setQuery({ [name]: at === 0 ? null : item.id });
    bring(buttons[at]);
  }

  /** Where not all tabs have room, the one that is shown is in sight, with a bit of its neighbours. @param {HTMLElement} tab */
  function bring(tab) {
    const [around, own] = [list.getBoundingClientRect(), tab.getBoundingClientRect()];
    const cut = Math.min(0, own.left - around.left - NEIGHBOUR_PX) || Math.max(0, own.right - around.right + NEIGHBOUR_PX);
    if (cut) list.scrollLeft += cut;
  }
  new ResizeObserver(() => bring(buttons[items.findIndex((item) => item.id === shown)])).observe(list);

  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[/** @type {KeyboardEvent} */ (event).key];
    const at = items.findIndex((item) => item.id === shown);
    const next = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : step ? (at + step + items.length) % items.length : null;
    if (next === null) return;
    event.preventDefault();
    select(items[next].id);
    buttons[next].focus();
  });
  root.select = select;
  select(ctx?.query.get(name) ?? selected ?? items[0]?.id ?? "", false);
  return root;
}
