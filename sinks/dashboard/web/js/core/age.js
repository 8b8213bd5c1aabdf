// @ts-check
/** How old a figure is: said beside it, and grey once it is older than it usually becomes before it is counted anew. */
import { h } from "./dom.js";
import { ago, millis } from "./format.js";

/** What a page asks every few seconds comes that much later than it was counted. */
const SLACK_S = 15;

/**
 * Make what stands in `element` grey as soon as it is older than usual.
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string | number | null | undefined} at when it was counted
 * @param {number} every_s how often it is counted
 * @returns {E}
 */
export function aged(element, at, every_s) {
  const at_ms = millis(at);
  if (at_ms === null) return element;
  element.dataset.oldAt = String(at_ms + (every_s + SLACK_S) * 1_000);
  look(element, Date.now());
  return element;
}

/** "counted 10 min ago". @param {string | number | null | undefined} at @param {string} [word] */
export const counted = (at, word = "counted") => h("span", { class: "age" }, `${word} `, ago(at));

/** @param {HTMLElement} element @param {number} now_ms */
function look(element, now_ms) {
  element.classList.toggle("is-old", now_ms > Number(element.dataset.oldAt));
}

setInterval(() => {
  if (document.hidden) return;
  for (const each of document.querySelectorAll("[data-old-at]")) look(/** @type {HTMLElement} */ (each), Date.now());
}, 1_000);
