// @ts-check
/** What one presses. */
import { h, newId } from "../dom.js";
import { icon } from "../icons.js";

/**
 * @param {string} label
 * @param {{onClick?: (event: Event) => any, kind?: "primary" | "plain" | "danger" | "quiet", icon?: string, type?: "button" | "submit", disabled?: boolean, title?: string, small?: boolean}} [more]
 * A handler that returns a promise keeps the button busy until it ends.
 */
export function button(label, { onClick, kind = "plain", icon: sign, type = "button", disabled = false, title, small = false } = {}) {
  const element = /** @type {HTMLButtonElement} */ (
    h("button", { type, class: `button button-${kind}${small ? " button-small" : ""}`, disabled, title }, sign ? icon(sign) : null, h("span", {}, label))
  );
  if (onClick) element.addEventListener("click", (event) => held(element, onClick(event)));
  return element;
}

/** @param {HTMLButtonElement} element @param {any} result */
async function held(element, result) {
  if (!(result instanceof Promise)) return;
  element.setAttribute("aria-busy", "true");
  element.disabled = true;
  try {
    await result;
  } finally {
    element.removeAttribute("aria-busy");
    element.disabled = false;
  }
}

/** A button that is a picture; `label` is its name and its hint. @param {string} sign @param {string} label @param {(event: Event) => any} onClick */
export function iconButton(sign, label, onClick) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: onClick } }, icon(sign));
}

/** Copies a text; says that it did. @param {string} text @param {string} [label] */
export function copyButton(text, label = "Copy") {
  const said = h("span", { class: "copy-said", role: "status" });
  const press = iconButton("copy", label, async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      said.textContent = "select it and press Ctrl+C";
    }
    setTimeout(() => (said.textContent = ""), 2_000);
  });
  return h("span", { class: "copy" }, press, said);
}

/**
 * A button that opens a list of actions; arrows move, Escape closes.
 * @param {{label: string, icon?: string, items: {label: string, onSelect: () => void, tone?: string, disabled?: boolean}[], compact?: boolean}} options
 */
export function menu({ label, icon: sign = "more", items, compact = false }) {
  const id = newId("menu");
  const list = h("div", { class: "menu-list", id, role: "menu", "aria-label": label, hidden: true });
  const press = h("button", { type: "button", class: compact ? "icon-button" : "button button-plain", "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id, "aria-label": compact ? label : null },
    icon(sign), compact ? null : h("span", {}, label));
  const root = h("div", { class: "menu" }, press, list);
  const close = () => show(false, false);
  /** @param {boolean} open @param {boolean} [back] */
  const show = (open, back = true) => {
    list.hidden = !open;
    if (open) {
      place(list, press);
      document.addEventListener("scroll", close, { capture: true, passive: true });
    } else document.removeEventListener("scroll", close, { capture: true });
    press.setAttribute("aria-expanded", String(open));
    if (open) /** @type {HTMLElement | null} */ (list.querySelector("button:not(:disabled)"))?.focus();
    else if (back) press.focus();
  };
  for (const item of items) {
    list.append(h("button", { type: "button", role: "menuitem", class: `menu-item${item.tone ? ` tone-${item.tone}` : ""}`, disabled: item.disabled ?? false, tabindex: "-1",
      on: { click: () => { show(false); item.onSelect(); } } }, item.label));
  }
  press.addEventListener("click", () => show(list.hidden));
  root.addEventListener("keydown", (event) => keys(event, list, show));
  root.addEventListener("focusout", (event) => {
    if (!list.hidden && !root.contains(/** @type {Node | null} */ (event.relatedTarget))) show(false, false);
  });
  return root;
}

/** Fixed, so that a table that scrolls does not cut it off. @param {HTMLElement} list @param {HTMLElement} press */
function place(list, press) {
  const at = press.getBoundingClientRect();
  const below = at.bottom + 4 + list.offsetHeight <= innerHeight;
  list.style.top = `${Math.max(4, below ? at.bottom + 4 : at.top - 4 - list.offsetHeight)}px`;
  list.style.left = `${Math.max(4, Math.min(at.right, innerWidth - 4) - list.offsetWidth)}px`;
}

/** @param {KeyboardEvent} event @param {HTMLElement} list @param {(open: boolean) => void} show */
function keys(event, list, show) {
  if (event.key === "Escape" && !list.hidden) {
    event.stopPropagation();
    return show(false);
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  if (list.hidden) return show(true);
  const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("button:not(:disabled)")]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]?.focus();
}
