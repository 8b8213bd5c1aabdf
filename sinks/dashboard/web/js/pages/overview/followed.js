// @ts-check
/** A piece of the page that is drawn anew only when its facts are others; who had focus within it keeps it. */
import { h, replace } from "../../core/dom.js";

/** @typedef {import("./shape.js").Overview} Overview */

/**
 * @param {Overview} first
 * @param {(data: Overview) => unknown} facts what it shows
 * @param {(data: Overview) => import("../../core/dom.js").Child} render
 * @returns {{element: HTMLElement, update: (next: Overview) => void}}
 */
export function followed(first, facts, render) {
  const element = h("div", { class: "overview-part" }, render(first));
  let shown = JSON.stringify(facts(first));
  return {
    element,
    update(next) {
      const text = JSON.stringify(facts(next));
      if (text === shown) return;
      shown = text;
      const held = element.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
      replace(element, render(next));
      if (held) /** @type {HTMLElement | null} */ (element.querySelector(`a[href="${CSS.escape(held)}"]`))?.focus({ preventScroll: true });
    },
  };
}
