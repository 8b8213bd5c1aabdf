// @ts-check
/** The list of what may be written next, at the caret: a listbox that the text area is the owner of. */
import { h, newId, replace } from "../../core/dom.js";

const SIGNS = { table: "T", column: "C", function: "ƒ", keyword: "K" };

/**
 * @param {HTMLTextAreaElement} area
 * @param {(item: import("./complete.js").Suggestion, from: number, to: number) => void} onAccept
 */
export function suggestionList(area, onAccept) {
  const id = newId("suggest");
  const list = h("div", { class: "sql-offers", id, role: "listbox", "aria-label": "What may be written here", hidden: true });
  const about = h("p", { class: "sql-offer-about", "aria-hidden": "true" });
  const box = h("div", { class: "sql-offer-box", hidden: true }, list, about);
  const told = h("span", { class: "visually-hidden", role: "status" });
  const element = h("div", {}, box, told);
  area.setAttribute("aria-controls", id);
  /** @type {import("./complete.js").Suggestions | null} */
  let now = null;
  let at = 0;

  function draw() {
    if (!now) return;
    replace(list, now.items.map((item, index) => {
      const option = h("div", { class: "sql-offer", role: "option", id: `${id}-${index}`, "aria-selected": String(index === at), on: { mousedown: (/** @type {Event} */ event) => {
        event.preventDefault();
        take(index);
      } } }, h("span", { class: `sql-offer-sign sql-offer-${item.kind}`, "aria-hidden": "true" }, SIGNS[item.kind]), h("span", { class: "sql-offer-label" }, item.label), h("span", { class: "visually-hidden" }, `, ${item.kind}`));
      return option;
    }));
    const item = now.items[at];
    about.textContent = item.detail;
    about.hidden = !item.detail;
    area.setAttribute("aria-activedescendant", `${id}-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function place() {
    const before = area.value.slice(0, now?.from ?? 0);
    const row = before.split("\n").length - 1;
    const column = before.length - (before.lastIndexOf("\n") + 1);
    const style = getComputedStyle(area);
    const line_px = Number.parseFloat(style.lineHeight);
    const left = Number.parseFloat(style.paddingLeft) + column * letterWidth(style) - area.scrollLeft;
    const top = Number.parseFloat(style.paddingTop) + (row + 1) * line_px - area.scrollTop;
    box.style.left = `${Math.max(0, Math.min(left, area.clientWidth - 220))}px`;
    box.style.top = `${top + 2}px`;
  }

  /** @param {number} index */
  function take(index) {
    if (now) onAccept(now.items[index], now.from, now.to);
  }

  function hide() {
    if (!now) return;
    now = null;
    box.hidden = list.hidden = true;
    told.textContent = "";
    area.removeAttribute("aria-activedescendant");
  }

  return {
    element,
    hide,
    /** @param {import("./complete.js").Suggestions} found */
    show(found) {
      now = found;
      at = 0;
      box.hidden = list.hidden = false;
      told.textContent = `${found.items.length} suggestions`;
      draw();
      place();
    },
    /** Handles a key where the list is open. @param {KeyboardEvent} event */
    key(event) {
      if (!now) return;
      const count = now.items.length;
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
      if (step) at = Math.abs(step) === 1 ? (at + step + count) % count : Math.max(0, Math.min(count - 1, at + step));
      else if (event.key === "Enter" || event.key === "Tab") take(at);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
      event.stopPropagation();
      draw();
    },
  };
}

/** @param {CSSStyleDeclaration} style */
function letterWidth(style) {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 8;
  context.font = `${style.fontSize} ${style.fontFamily}`;
  return context.measureText("0".repeat(100)).width / 100;
}
