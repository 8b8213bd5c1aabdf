// @ts-check
/** What counts: thresholds with the rule that sets each, settings with their source and what would change them. */
import { get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { badge, card, copyButton, empty, section, severityBadge, table } from "../../core/parts.js";
import { pageHref } from "../../core/paths.js";
import { condition, severities, span } from "../rules/words.js";

/** @param {import("../../core/router.js").Context} ctx @param {any} found */
export function thresholdsCard(ctx, found) {
  const trust = found.settings.filter((/** @type {any} */ each) => each.group === "trust");
  const rules = section(ctx, (signal) => get("/api/rules", { signal }), (told) => rulesTable(told.rules), { lines: 6 });
  const how = found.rules_file ? "Each stands in the rules, which the editor changes." : "This API was started without a file of rules that it may replace: start it with --rules FILE to change them here.";
  return h("div", { class: "stack" },
    card({ title: "Alert rules", note: h("a", { href: pageHref("rules", { tab: "edit" }) }, found.rules_file ? "Open the editor" : "See the rules"), flush: true, children: h("div", {}, h("p", { class: "quiet settings-refused" }, how), rules) }),
    card({ title: "Trust", note: "what makes a score", flush: true, children: h("div", {}, h("p", { class: "quiet settings-refused" }, "As this API has them, to explain scores by. Stream workers compute by the variables that they were started with: set the same for both and restart them; fleetpulse up hands its own to all."), settingTable("Settings of trust", trust)) }));
}

/** @param {any[]} rules */
function rulesTable(rules) {
  return table({
    caption: "Thresholds of alert rules", rows: rules, keyOf: (row) => row.name, cards: true,
    columns: [
      { key: "name", label: "Rule", head: true, render: (row) => h("a", { class: "wrap-anywhere", href: pageHref("rules", { rule: row.name }) }, row.name) },
      { key: "condition", label: "Fires when", render: (row) => h("span", { class: "wrap-anywhere" }, condition(row), row.for ? h("span", { class: "muted" }, ` for ${span(row.for)}`) : null) },
      { key: "severity", label: "Severity", render: (row) => h("span", { class: "row" }, severities(row).map(severityBadge)) },
    ],
    empty: empty({ title: "There are no rules" }),
  }).element;
}

/** @param {any} found */
export function settingsCard(found) {
  const groups = /** @type {[string, string, string][]} */ ([["server", "Server", "how this API listens"], ["process", "Process", "what all processes share"], ["access", "Access", "who is let in"]]);
  const cards = groups.map(([name, title, note]) => [title, note, found.settings.filter((/** @type {any} */ each) => each.group === name)]).filter(([, , rows]) => rows.length);
  return h("div", { class: "stack" },
    h("p", { class: "quiet" }, `fleetpulse ${found.version}. Each is changed by its variable in the environment of the process, or by an option, and counts from its next start; the button copies the line. Secrets are never shown.`),
    cards.map(([title, note, rows]) => card({ title, note, flush: true, children: settingTable(`Settings: ${title}`, rows) })));
}

/** @param {string} caption @param {any[]} rows */
function settingTable(caption, rows) {
  return table({
    caption, rows, keyOf: (row) => row.name, cards: true,
    columns: [
      { key: "name", label: "Variable", head: true, render: (row) => h("span", { class: "settings-variable" }, h("code", {}, row.name), row.secret ? null : copyButton(`${row.name}=${line(row.value)}`, `Copy ${row.name} with its value`)) },
      { key: "value", label: "Value", render: value },
      { key: "source", label: "Set by", render: (row) => (row.source === "default" ? h("span", { class: "muted" }, "default") : badge(row.source, "info", { sign: "" })) },
      { key: "meaning", label: "Meaning" },
    ],
    empty: empty({ title: "Nothing to tell" }),
  }).element;
}

/** @param {any} row */
function value(row) {
  if (row.secret) return badge(row.value, row.value === "set" ? "ok" : "muted");
  const text = said(row.value);
  const usual = row.source !== "default" && said(row.default) !== text ? `default: ${said(row.default)}` : null;
  return h("span", {}, h("span", { class: "mono wrap-anywhere" }, text), usual ? h("span", { class: "settings-usual" }, usual) : null);
}

/** @param {any} given @returns {string} */
function said(given) {
  if (given === null || given === "") return "not set";
  if (typeof given === "boolean") return given ? "yes" : "no";
  if (typeof given === "number") return Math.abs(given) < 10_000 ? String(given) : number(given); // a port is no amount
  if (Array.isArray(given)) return given.length ? given.map(said).join(", ") : "none";
  return typeof given === "object" ? (Object.keys(given).length ? JSON.stringify(given) : "none") : String(given);
}

/** A value as a shell takes it. @param {any} given */
function line(given) {
  if (given === null) return "";
  const text = typeof given === "object" ? JSON.stringify(given) : String(given);
  return /^[\w.,:/@%+-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
