// @ts-check
/** Keys: `?` tells them, `/` finds, `g` and a letter go to a page. */
import { h } from "../core/dom.js";
import { dialog } from "../core/parts.js";
import { go } from "../core/router.js";
import { me } from "../core/store.js";
import { openNav, pages } from "./nav.js";

const CHORD_MS = 1_500;
let chordUntil_ms = 0;

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !me) return;
    if (event.key === "Escape" && document.body.classList.contains("nav-open")) {
      openNav(false);
      document.getElementById("nav-toggle")?.focus();
      return;
    }
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest?.("input, textarea, select, [contenteditable], dialog[open]")) return;
    if (pressed(event.key)) event.preventDefault();
  });
}

/** @param {string} key @returns {boolean} whether it meant something */
function pressed(key) {
  const inChord = performance.now() < chordUntil_ms;
  chordUntil_ms = 0;
  if (inChord) {
    const page = pages().find((each) => each.key === key);
    if (page) void go(`/ui/${page.path}`);
    return Boolean(page);
  }
  if (key === "g") chordUntil_ms = performance.now() + CHORD_MS;
  else if (key === "?") showShortcuts();
  else if (key === "/") find();
  else return false;
  return true;
}

/** The search above, on every page the same; what was typed there before is replaced by what is typed now. */
function find() {
  /** @type {HTMLInputElement | null} */ (document.getElementById("top-search"))?.select();
}

export function showShortcuts() {
  /** @type {[string[], string][]} */
  const keys = [[["?"], "these shortcuts"], [["/"], "find an agent"], [["Esc"], "close what is open"]];
  const goes = /** @type {[string[], string][]} */ (pages().map((page) => [["g", page.key], page.label]));
  const list = (/** @type {[string[], string][]} */ rows) => h("dl", { class: "shortcuts" }, rows.map(([press, what]) => h("div", {}, h("dt", {}, press.map((key) => h("kbd", {}, key))), h("dd", {}, what))));
  dialog({ title: "Keyboard shortcuts", body: h("div", { class: "columns-2" }, h("div", {}, h("h3", {}, "Go to"), list(goes)), h("div", {}, h("h3", {}, "Here"), list(keys))) });
}
