// @ts-check
/** Policies by violations: how many, how grave, by whom, when. */
import { get } from "../../core/api.js";
import { barChart } from "../../core/chart.js";
import { h } from "../../core/dom.js";
import { ago, number, percent } from "../../core/format.js";
import { badge, card, empty, rangeOf, section, severityBadge, stat, table, toneOfSeverity } from "../../core/parts.js";
import { governanceHref } from "../../core/paths.js";
import { violationBars } from "./bars.js";

/** @typedef {import("../../core/router.js").Context} Context */
/** @typedef {{policy_id: string, policy_name: string, violations: number, agents: number, by_severity: Record<string, number>, by_action: Record<string, number>, last_at: string}} Policy */

export const GRAVEST_FIRST = ["critical", "high", "medium", "low"];
const EVERY_MS = 15_000;

/** A word as a heading has it. @param {string} word */
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** The range of the page as the API takes it. @param {Context} ctx */
export function rangeAsked(ctx) {
  const range = rangeOf(ctx, "24h");
  return range.name === "custom" ? { from: range.from, to: range.to } : { range: range.name };
}

/** The list of violations with the page's range. @param {Context} ctx @param {Record<string, any>} query */
export const violationsHref = (ctx, query) => governanceHref({ tab: "violations", ...rangeAsked(ctx), ...query });

/** @param {Context} ctx @returns {import("../governance.js").Panel} */
export function policiesPanel(ctx) {
  const body = section(ctx, (signal) => get("/api/policies", { params: rangeAsked(ctx), signal }), (found) => drawn(ctx, found), { lines: 10 });
  // Who reads the numbers of the picture, or has the focus within, is not disturbed.
  ctx.every(EVERY_MS, () => void (body.contains(document.activeElement) || body.querySelector(".governance-bars .table-region") || body.reload()));
  return Object.assign(body, { renew: () => void body.reload() });
}

/** @param {Context} ctx @param {any} found */
function drawn(ctx, found) {
  return h("div", { class: "stack" }, figures(ctx, found),
    h("div", { class: "columns-main" },
      card({ title: "Violations over time", children: violationBars(found.over_time) }),
      card({ title: "What was done", children: actions(ctx, found.by_action) })),
    card({ title: "Policies", note: "the most violated first", flush: true, children: policies(ctx, found.policies) }));
}

/** @param {Context} ctx @param {any} found */
function figures(ctx, found) {
  const rate = found.compliance_rate;
  return h("div", { class: "grid-stats" },
    stat({ label: "Violations", value: number(found.violations), href: violationsHref(ctx, {}), note: `of ${number(found.policies.length)} ${found.policies.length === 1 ? "policy" : "policies"}` }),
    GRAVEST_FIRST.map((word) => stat({ label: capital(word), value: number(found.by_severity[word] ?? 0), tone: found.by_severity[word] ? toneOfSeverity(word) : undefined, href: violationsHref(ctx, { severity: word }) })),
    stat({ label: "Compliance", value: rate === null ? "–" : percent(rate), tone: rate === null ? "muted" : rate >= 0.95 ? "ok" : rate >= 0.8 ? "warn" : "bad", href: governanceHref({ tab: "report" }), note: rate === null ? "no agent counts checks" : `of ${number(Math.round(found.checks))} checks passed` }));
}

/** @param {Context} ctx @param {Record<string, number>} counts */
function actions(ctx, counts) {
  const items = Object.entries(counts).map(([label, value]) => ({ label, value, tone: label === "blocked" ? "ok" : label === "redacted" ? "info" : "warn", href: violationsHref(ctx, { action: label }) }));
  return items.length ? barChart({ label: "Violations by what was done", items, bare: true }).element : h("p", { class: "quiet" }, "Nothing had to be done.");
}

/** @param {Context} ctx @param {Policy[]} rows */
function policies(ctx, rows) {
  return table({
    caption: "Policies by violations", cards: true, rows, keyOf: (row) => row.policy_id, sort: { key: "violations", order: "desc" },
    columns: [
      { key: "policy_name", label: "Policy", head: true, sort: true, render: (row) => h("span", { class: "governance-policy" }, h("a", { class: "wrap-anywhere", href: violationsHref(ctx, { policy: row.policy_id }) }, row.policy_name || row.policy_id), h("span", { class: "small quiet mono wrap-anywhere" }, row.policy_id)) },
      { key: "violations", label: "Violations", align: "right", sort: true, render: (row) => number(row.violations) },
      { key: "agents", label: "Agents", align: "right", sort: true, render: (row) => number(row.agents) },
      { key: "by_severity", label: "By severity", render: (row) => h("span", { class: "row" }, GRAVEST_FIRST.filter((word) => row.by_severity[word]).map((word) => h("span", { class: "nowrap" }, severityBadge(word), ` ${number(row.by_severity[word])}`))) },
      { key: "by_action", label: "What was done", render: (row) => h("span", { class: "row" }, Object.entries(row.by_action).map(([word, count]) => badge(`${word} ${number(count)}`, "muted", { sign: "" }))) },
      { key: "last_at", label: "Last", sort: true, render: (row) => ago(row.last_at) },
    ],
    empty: empty({ title: "No violation in this time", hint: "That is good news, as long as the coverage says that agents check." }),
  }).element;
}
