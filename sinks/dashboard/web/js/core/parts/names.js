// @ts-check
/** Names that are longer than their place: never broken within, told whole when pointed at or reached by keys. */
import { h } from "../dom.js";

/** Names often differ at their end: so much of it stays where the beginning is cut. */
const END = 7;
const LONG = 20;

/**
 * A link whose text is a name. In a table it takes one line and ends in an ellipsis before its last characters; with the
 * focus, and on a phone, it is shown whole.
 * @param {string} name
 * @param {string} href
 */
export function nameLink(name, href) {
  if (name.length <= LONG) return h("a", { class: "name", href, title: name }, name);
  const cut = name.length - END;
  return h("a", { class: "name", href, title: name, "aria-label": name }, h("span", { class: "name-start" }, name.slice(0, cut)), h("span", { class: "name-end" }, name.slice(cut)));
}
