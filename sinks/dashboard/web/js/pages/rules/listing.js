// @ts-check
/** The rules in force: what each says, how grave it is, how many alerts of it fire now. */
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { alertsHref } from "../../core/paths.js";
import { badge, card, code, dialog, empty, field, filterBar, input, keyValue, select, severityBadge, table } from "../../core/parts.js";
import { condition, matched, severities, span } from "./words.js";

/** @typedef {import("./words.js").Rule} Rule */

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {any} found as GET /api/rules tells it
 * @param {Map<string, number>} firing alerts that fire, by rule
 */
export function listing(ctx, found, firing) {
  const kinds = [...new Set(found.rules.map((/** @type {Rule} */ each) => each.kind))].sort();
  /** @type {any[]} */
  const columns = [
    { key: "name", label: "Rule", head: true, sort: true, render: named },
    { key: "kind", label: "Kind", sort: true, render: (/** @type {Rule} */ rule) => badge(rule.kind, "muted", { sign: "" }) },
    { key: "condition", label: "Fires when", render: (/** @type {Rule} */ rule) => h("span", { class: "wrap-anywhere" }, condition(rule), rule.for ? h("span", { class: "muted" }, ` for ${span(rule.for)}`) : null) },
    { key: "severity", label: "Severity", render: (/** @type {Rule} */ rule) => h("span", { class: "row" }, severities(rule).map(severityBadge)) },
    { key: "match", label: "Of", render: (/** @type {Rule} */ rule) => h("span", { class: Object.keys(rule.match ?? {}).length ? "wrap-anywhere quiet" : "nowrap quiet" }, matched(rule.match)) },
    { key: "fires", label: "Fire now", align: "right", sort: true, render: (/** @type {any} */ rule) => (rule.fires ? h("a", { href: alertsHref({ name: rule.name }) }, number(rule.fires)) : h("span", { class: "muted" }, "0")) },
  ];
  const rows = found.rules.map((/** @type {Rule} */ rule) => ({ ...rule, fires: firing.get(rule.name) ?? 0 }));
  const grid = table({ caption: "Rules in force", columns, rows, keyOf: (rule) => rule.name, onRow: details, cards: true, sort: null,
    empty: empty({ title: "No rule fits", hint: found.rules.length ? "Other filters may show more." : "The pack has no rules: nothing fires but what the alert manager finds itself." }) });
  const choose = () => grid.update(rows.filter((/** @type {Rule} */ rule) => fits(ctx, rule)));
  const bar = filterBar(
    field({ label: "Rule", hideLabel: true, control: input({ type: "search", placeholder: "Rule", value: ctx.query.get("rule") ?? "", onInput: (value) => { ctx.setQuery({ rule: value.trim() }); choose(); } }) }),
    select({ label: "Kind", value: ctx.query.get("kind") ?? "", options: [["", "Every kind"], .../** @type {string[]} */ (kinds)], onChange: (value) => { ctx.setQuery({ kind: value }); choose(); } }));
  choose();
  return h("div", { class: "stack" }, bar, card({ flush: true, children: grid.element }), sections(found.sections));
}

/** @param {import("../../core/router.js").Context} ctx @param {Rule} rule */
function fits(ctx, rule) {
  const word = (ctx.query.get("rule") ?? "").toLowerCase();
  const kind = ctx.query.get("kind");
  return (!word || `${rule.name} ${condition(rule)}`.toLowerCase().includes(word)) && (!kind || rule.kind === kind);
}

/** @param {Rule} rule */
function named(rule) {
  const about = rule.annotations?.description;
  return h("div", { class: "alert-name" }, h("button", { type: "button", class: "link-button strong", on: { click: () => details(rule) } }, rule.name), about ? h("span", { class: "alert-summary" }, about) : null);
}

/** Everything a rule says, defaults filled in. @param {Rule} rule */
function details(rule) {
  const pairs = Object.entries(rule).filter(([name]) => name !== "fires");
  dialog({ title: rule.name, wide: true, body: h("div", { class: "stack" }, h("p", { class: "quiet" }, `Fires when ${condition(rule)}${rule.for ? ` for ${span(rule.for)}` : ""}.`), keyValue(pairs.map(([name, value]) => [name, h("span", { class: "wrap-anywhere" }, said(name, value))]))) });
}

const SPANS = new Set(["for", "after", "per", "window", "horizon", "quiet"]);
/** @param {string} name @param {any} value */
function said(name, value) {
  if (SPANS.has(name) && typeof value === "number") return span(value);
  if (value !== null && typeof value === "object") return Object.entries(value).map(([key, each]) => `${key}: ${each}`).join("; ") || "none";
  return String(value);
}

/** What the pack says besides rules. @param {Record<string, any>} given */
function sections(given) {
  const found = Object.entries(given ?? {}).filter(([, value]) => (Array.isArray(value) ? value.length : value));
  if (!found.length) return null;
  return card({ title: "For the alert manager", note: "who is told when, and what is one cause", children: h("div", { class: "stack" }, found.map(([name, value]) => (name === "routes" ? routes(value) : section(name, value)))) });
}

/** @param {any[]} given */
function routes(given) {
  return h("div", { class: "stack-tight" }, h("h3", { class: "field-label" }, "routes"), h("ul", { class: "plain-list" }, given.map((route) => h("li", { class: "wrap-anywhere" },
    h("span", { class: "strong" }, matched(route.match)), ": ", route.steps.map((/** @type {any} */ step) => `${step.after ? `after ${span(step.after)}` : "at once"} ${step.channels.join(", ")}`).join(" → "), route.go_on ? "; then the next route, too" : ""))));
}

/** @param {string} name @param {any} value */
function section(name, value) {
  return h("div", { class: "stack-tight" }, h("h3", { class: "field-label" }, name), Array.isArray(value) || typeof value !== "object"
    ? code(JSON.stringify(value, null, 1), { label: name, copy: false })
    : keyValue(Object.entries(value).map(([key, each]) => [key, said(["within", "calm", "every"].includes(key) ? "for" : key, each)])));
}
