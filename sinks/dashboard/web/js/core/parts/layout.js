// @ts-check
/** What a page is made of: its head, cards, single figures, lists of facts. */
import { h } from "../dom.js";
import { copyButton } from "./buttons.js";

/** @typedef {import("../dom.js").Child} Child */

/**
 * A page: one h1, a sentence beneath it, actions at its right.
 * @param {{title: Child, lead?: Child, actions?: Child, crumbs?: [string, string][], children?: Child}} options crumbs: [label, href]
 */
export function page({ title, lead, actions, crumbs = [], children }) {
  const path = crumbs.length ? h("nav", { class: "crumbs", "aria-label": "Where this is" }, crumbs.map(([label, href]) => h("a", { href }, label))) : null;
  const head = h("header", { class: "page-head" },
    h("div", { class: "page-titles" }, path, h("h1", {}, title), lead ? h("p", { class: "lead" }, lead) : null),
    actions ? h("div", { class: "page-actions" }, actions) : null);
  return h("div", { class: "page" }, head, h("div", { class: "page-body stack" }, children));
}

/**
 * A titled box. With `href` its title is a link. `flush`: the content touches the border (tables).
 * @param {{title?: Child, note?: Child, actions?: Child, href?: string, children?: Child, flush?: boolean, class?: string, id?: string, level?: 2 | 3}} options
 */
export function card({ title, note, actions, href, children, flush = false, class: more = "", id, level = 2 }) {
  const name = title ? h(`h${level}`, { class: "card-title" }, href ? h("a", { href }, title) : title) : null;
  const head = title || actions ? h("header", { class: "card-head" }, name, note ? h("span", { class: "card-note" }, note) : null, actions ? h("div", { class: "card-actions" }, actions) : null) : null;
  return h("section", { class: `card ${flush ? "card-flush" : ""} ${more}`.trim(), id }, head, h("div", { class: "card-body" }, children));
}

/**
 * One figure with its label and unit; with `href` the whole of it is a link.
 * @param {{label: string, value: Child, unit?: string, href?: string, tone?: string, note?: Child, trend?: Child, sign?: Child}} options
 */
export function stat({ label, value, unit, href, tone, note, trend, sign }) {
  const body = [
    h("span", { class: "stat-label" }, sign ?? null, label),
    h("span", { class: "stat-line" }, h("span", { class: "stat-value" }, value), unit ? h("span", { class: "stat-unit" }, unit) : null, trend ? h("span", { class: "stat-trend" }, trend) : null),
    note ? h("span", { class: "stat-note" }, note) : null,
  ];
  const props = { class: `stat${tone ? ` tone-${tone}` : ""}` };
  return href ? h("a", { ...props, href }, body) : h("div", props, body);
}

/** Facts by name. @param {[Child, Child][]} pairs */
export function keyValue(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([label, value]) => h("div", { class: "fact" }, h("dt", {}, label), h("dd", {}, value ?? "–"))));
}

/** One term with what it means. @param {Child} term @param {Child} meaning */
export function definition(term, meaning) {
  return h("div", { class: "fact" }, h("dt", {}, term), h("dd", {}, meaning));
}

/** A text of fixed width, with a button that copies it. @param {string} text @param {{label?: string, copy?: boolean}} [more] */
export function code(text, { label = "Text", copy = true } = {}) {
  const block = h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text));
  return h("div", { class: "code-box" }, block, copy ? copyButton(text) : null);
}
