// @ts-check
/** The compliance report of some days: to read, to print, and as CSV. */
import { download, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { number, percent, time } from "../../core/format.js";
import { button, card, checkbox, empty, field, input, nameLink, section, severityBadge, stat, table } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { capital, GRAVEST_FIRST } from "./policies.js";

/** @typedef {import("../../core/router.js").Context} Context */

const DAY_MS = 86_400_000;
const USUAL_DAYS = 30;

/** A day as the API has it, UTC. @param {number} at_ms */
const dayOf = (at_ms) => new Date(at_ms).toISOString().slice(0, 10);

/** First and last day, both meant whole. @param {Context} ctx */
function days(ctx) {
  const fit = (/** @type {string | null} */ text) => (text && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null);
  return { first: fit(ctx.query.get("first")) ?? dayOf(Date.now() - (USUAL_DAYS - 1) * DAY_MS), last: fit(ctx.query.get("last")) ?? dayOf(Date.now()) };
}

/** As the report's route takes them: the end is excluded. @param {Context} ctx */
function asked(ctx) {
  const { first, last } = days(ctx);
  return { from: first, to: dayOf(Date.parse(last) + DAY_MS), only_violating: onlyViolating(ctx) ? "true" : null };
}

/** @param {Context} ctx */
const onlyViolating = (ctx) => ctx.query.get("violating") === "true";

/** As the server names its file. @param {Context} ctx */
const fileName = (ctx) => `compliance_${days(ctx).first}_${days(ctx).last}${onlyViolating(ctx) ? "_violations" : ""}.csv`;

/** @param {Context} ctx */
export function reportPanel(ctx) {
  const { first, last } = days(ctx);
  const from = input({ type: "date", value: first, max: dayOf(Date.now()), required: true });
  const to = input({ type: "date", value: last, max: dayOf(Date.now()), required: true });
  const end = field({ label: "Last day", control: to });
  const report = section(ctx, (signal) => get("/api/reports/compliance", { params: asked(ctx), signal }), drawn, { lines: 12 });
  const violating = checkbox({ label: "Only with violations", checked: onlyViolating(ctx), onChange: (on) => {
    ctx.setQuery({ violating: on ? "true" : null });
    void report.reload();
  } });
  const renew = () => {
    end.setError(to.value >= from.value ? "" : "The last day is before the first");
    if (!from.value || !to.value || to.value < from.value) return;
    ctx.setQuery({ first: from.value, last: to.value });
    void report.reload();
  };
  const form = h("form", { class: "governance-form no-print", on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    renew();
  } } },
    field({ label: "First day", control: from }), end, button("Show", { type: "submit", kind: "primary" }), violating,
    h("span", { class: "align-end row" },
      button("CSV", { icon: "download", onClick: () => download("/api/reports/compliance", undefined, { params: { ...asked(ctx), format: "csv", evidence: 2000 }, name: fileName(ctx) }) }),
      button("Print", { onClick: () => print() })));
  return h("div", { class: "stack governance-report" }, form, report);
}

/** @param {any} found */
function drawn(found) {
  const whose = found.tenant === null ? "the whole fleet" : `tenant ${found.tenant}`;
  const { totals, coverage } = found;
  if (!totals.agents) return empty({ title: "Nothing was reported in these days", hint: "Choose other days: a report is made of what agents reported within them." });
  return h("div", { class: "stack" },
    h("p", { class: "quiet" }, `Compliance of ${whose}, ${toldDays(found)} (whole days, UTC), made `, time(found.generated_at, { long: true }), ".",
      found.only_violating ? " Agents and days without violations are left out; the figures are those of all agents." : null),
    h("div", { class: "grid-stats" },
      stat({ label: "Compliance", value: percent(totals.compliance_rate), note: `of ${number(Math.round(totals.checks))} checks` }),
      stat({ label: "Violations", value: number(totals.violations), note: `of ${number(totals.policies)} policies` }),
      stat({ label: "Agents", value: number(totals.agents), note: `${number(totals.agents_violating)} with violations` }),
      stat({ label: "Agents that check", value: percent(coverage.share_checked), note: `${number(coverage.agents_checked)} of ${number(coverage.agents_reporting)} that report` })),
    h("div", { class: "columns-2" }, kinds("By severity", gravestFirst(found.by_severity), severityBadge), kinds("By what was done", found.by_action, (word) => word)),
    card({ title: "By policy", flush: true, children: policies(found.by_policy) }),
    card({ title: "Day by day", note: found.only_violating ? "days are UTC; only those with violations" : "days are UTC; those on which nothing was reported are left out", flush: true, children: byDay(found.by_day) }),
    card({ title: "By agent", note: found.only_violating ? "only those with violations, the most first" : "the most violations first", flush: true, children: agents(found.by_agent) }),
    card({ title: "Evidence", note: `the newest ${number(found.evidence.length)} of ${number(found.evidence_total)}; personal data is masked once more`, flush: true, children: evidence(found.evidence) }));
}

/** First and last day of a report, whose end is excluded. @param {{from: string, to: string}} found */
function toldDays(found) {
  const [first, last] = [dayOf(Date.parse(found.from)), dayOf(Date.parse(found.to) - 1)];
  return first === last ? first : `${first} to ${last}`;
}

/** @param {string} title @param {any[]} rows @param {(word: string) => import("../../core/dom.js").Child} word */
function kinds(title, rows, word) {
  return card({ title, flush: true, children: table({ caption: title, rows, compact: true, keyOf: (row) => row.name, columns: [
    { key: "name", label: capital(title.replace("By ", "")), head: true, render: (row) => word(row.name) }, count("violations", "Violations"), count("agents", "Agents")] }).element });
}

/** @param {string} key @param {string} label */
const count = (key, label) => ({ key, label, align: /** @type {"right"} */ ("right"), render: (/** @type {any} */ row) => number(Math.round(row[key])) });
const rate = { key: "compliance_rate", label: "Compliance", align: /** @type {"right"} */ ("right"), render: (/** @type {any} */ row) => percent(row.compliance_rate, 2) };

/** @param {any[]} rows */
const policies = (rows) => table({ caption: "Policies", rows, compact: true, cards: true, keyOf: (row) => row.policy_id, columns: [
  { key: "policy_name", label: "Policy", head: true, render: (row) => h("span", { class: "wrap-anywhere" }, row.policy_name || row.policy_id) }, count("violations", "Violations"), count("agents", "Agents"),
  { key: "severities", label: "Severities", render: (row) => told(row.severities) }, { key: "actions", label: "Done", render: (row) => told(row.actions) },
  { key: "last_at", label: "Last", render: (row) => time(row.last_at, { long: true }) }] }).element;

/** @param {Record<string, number>} counts */
const told = (counts) => Object.entries(counts).map(([word, n]) => `${word} ${number(n)}`).join(", ");

/** @param {any[]} rows */
const gravestFirst = (rows) => [...rows].sort((one, other) => place(one.name) - place(other.name));
/** @param {string} word */
const place = (word) => (GRAVEST_FIRST.includes(word) ? GRAVEST_FIRST.indexOf(word) : GRAVEST_FIRST.length);

/** @param {any[]} rows */
const byDay = (rows) => table({ caption: "Days", rows: rows.filter((row) => row.violations || row.checks || row.agents).reverse(), compact: true, cards: true, keyOf: (row) => row.date, columns: [
  { key: "date", label: "Day", head: true }, count("violations", "Violations"), count("critical", "Critical"), count("agents", "Agents"), count("checks", "Checks"), rate] }).element;

/** @param {any[]} rows */
const agents = (rows) => table({ caption: "Agents", rows, compact: true, cards: true, keyOf: (row) => `${row.user_id}/${row.agent_id}`, columns: [
  { key: "agent_id", label: "Agent", head: true, render: (row) => nameLink(row.agent_id, agentHref(row.agent_id)) }, count("violations", "Violations"), count("critical", "Critical"), count("checks", "Checks"), rate],
  empty: "No agent." }).element;

/** @param {any[]} rows */
const evidence = (rows) => table({ caption: "Evidence", rows, compact: true, cards: true, keyOf: (row) => row.event_id, columns: [
  { key: "timestamp", label: "When", render: (row) => time(row.timestamp, { long: true }) }, { key: "agent_id", label: "Agent", head: true, render: (row) => nameLink(row.agent_id, agentHref(row.agent_id)) },
  { key: "policy_name", label: "Policy", render: (row) => h("span", { class: "wrap-anywhere" }, row.policy_name) }, { key: "severity", label: "Severity", render: (row) => severityBadge(row.severity) }, { key: "action", label: "Done" },
  { key: "description", label: "What happened", render: (row) => h("div", {}, h("div", { class: "wrap-anywhere" }, row.description), Object.entries(row.context).map(([name, value]) => h("div", { class: "small quiet wrap-anywhere" }, `${name}: ${value}`))) }],
  empty: "No violation in these days." }).element;
