// @ts-check
/** Every violation, the newest first, narrowed down by the address; each with its redacted context. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago, time } from "../../core/format.js";
import { badge, button, card, dialog, empty, filterBar, input, keyValue, nameLink, pager, section, select, severityBadge, table } from "../../core/parts.js";
import { agentHref, runHref } from "../../core/paths.js";
import { GRAVEST_FIRST, rangeAsked, violationsHref } from "./policies.js";

/** @typedef {import("../../core/router.js").Context} Context */
/** @typedef {{timestamp: string, event_id: string, agent_id: string, user_id: string, deployment_id: string | null, type: string, policy_id: string, policy_name: string, severity: string, description: string, action: string, context: Record<string, string>, remediation_suggested: string | null, run_id: string | null}} Violation */

const PAGE = 50;
const EVERY_MS = 10_000;
const FILTERS = ["severity", "policy", "agent", "action", "q"];

/** @param {Context} ctx @returns {import("../governance.js").Panel} */
export function violationsPanel(ctx) {
  /** Cursors of the pages before this one. @type {(string | null)[]} */
  let trail = [null];
  const filters = h("div");
  const ask = (/** @type {AbortSignal} */ signal) => get("/api/violations", { params: { ...given(ctx), ...rangeAsked(ctx), limit: PAGE, cursor: trail[trail.length - 1] }, signal });
  const restart = () => {
    trail = [null];
    replace(filters, bar(ctx, restart));
    void list.reload();
  };
  const list = section(ctx, ask, (found) => {
    const step = (/** @type {(string | null)[]} */ next) => {
      trail = next;
      void list.reload();
    };
    const from = (trail.length - 1) * PAGE;
    return [rows(ctx, found.items).element, found.items.length < PAGE && trail.length === 1 ? null : pager({
      from: found.items.length ? from + 1 : 0, to: from + found.items.length, total: found.next ? null : from + found.items.length, what: "violations",
      onPrev: trail.length > 1 ? () => step(trail.slice(0, -1)) : null,
      onNext: found.next ? () => step([...trail, found.next]) : null,
    })];
  }, { lines: 10 });
  replace(filters, bar(ctx, restart));
  ctx.every(EVERY_MS, () => void (trail.length === 1 && !list.contains(document.activeElement) && list.reload()));
  return Object.assign(h("div", { class: "stack" }, filters, card({ title: "Violations", note: "the newest first", flush: true, children: list })), { renew: restart });
}

/** @param {Context} ctx */
const given = (ctx) => Object.fromEntries(FILTERS.map((name) => [name, ctx.query.get(name)]));

/** @param {Context} ctx @param {() => void} restart */
function bar(ctx, restart) {
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    ctx.setQuery({ [name]: value.trim() || null });
    restart();
  };
  const search = (/** @type {string} */ name, /** @type {string} */ label) => input({ type: "search", class: "governance-narrow", label, placeholder: label, value: ctx.query.get(name) ?? "", onChange: set(name) });
  const some = FILTERS.some((name) => ctx.query.get(name));
  return filterBar(
    select({ label: "Severity", value: ctx.query.get("severity") ?? "", options: [["", "Every severity"], ...GRAVEST_FIRST.map((word) => /** @type {[string, string]} */ ([word, word]))], onChange: set("severity") }),
    select({ label: "What was done", value: ctx.query.get("action") ?? "", options: [["", "Whatever was done"], "blocked", "redacted", "flagged"], onChange: set("action") }),
    search("policy", "Policy id"), search("agent", "Agent"), search("q", "Part of the description"),
    some ? button("Clear filters", { kind: "quiet", small: true, onClick: () => {
      ctx.setQuery(Object.fromEntries(FILTERS.map((name) => [name, null])));
      restart();
    } }) : null);
}

/** @param {Context} ctx @param {Violation[]} items */
function rows(ctx, items) {
  return table({
    caption: "Violations", cards: true, rows: items, keyOf: (row) => row.event_id,
    columns: [
      { key: "timestamp", label: "When", render: (row) => ago(row.timestamp) },
      { key: "severity", label: "Severity", render: (row) => severityBadge(row.severity) },
      { key: "policy_name", label: "Policy", head: true, render: (row) => h("a", { class: "wrap-anywhere", href: violationsHref(ctx, { policy: row.policy_id }) }, row.policy_name || row.policy_id) },
      { key: "agent_id", label: "Agent", render: (row) => nameLink(row.agent_id, agentHref(row.agent_id, { tab: "violations" })) },
      { key: "description", label: "What happened", render: (row) => h("span", { class: "wrap-anywhere" }, row.description) },
      { key: "action", label: "Done", render: (row) => done(row.action) },
      { key: "event_id", label: "Context", render: (row) => button("Details", { kind: "quiet", small: true, onClick: () => details(row) }) },
    ],
    empty: empty({ title: "No violation fits", hint: "Choose a longer time, or take filters away." }),
  });
}

/** @param {string} word */
const done = (word) => badge(word || "–", word === "blocked" ? "ok" : word === "redacted" ? "info" : "muted", { sign: "" });

/** @param {Violation} row */
function details(row) {
  const context = Object.entries(row.context);
  dialog({
    title: row.policy_name || row.policy_id,
    wide: true,
    body: h("div", { class: "stack" },
      h("p", { class: "wrap-anywhere" }, row.description),
      keyValue([
        ["Severity", severityBadge(row.severity)], ["Done", done(row.action)], ["When", time(row.timestamp, { long: true })],
        ["Agent", h("a", { class: "wrap-anywhere", href: agentHref(row.agent_id) }, row.agent_id)], ["Tenant", row.user_id], ["Deployment", row.deployment_id],
        ["Policy", h("code", { class: "wrap-anywhere" }, row.policy_id)], ["Kind", row.type],
        ["Run", row.run_id ? h("a", { href: runHref(row.run_id, row.agent_id) }, row.run_id) : null],
      ]),
      h("h3", {}, "Context, as the agent redacted it"),
      context.length ? keyValue(context.map(([name, value]) => [name, h("span", { class: "mono wrap-anywhere" }, value)])) : h("p", { class: "quiet" }, "The agent told none."),
      row.remediation_suggested ? [h("h3", {}, "What to do about it"), h("p", { class: "wrap-anywhere" }, row.remediation_suggested)] : null,
      h("p", { class: "small quiet mono" }, `event ${row.event_id}`)),
    actions: [{ label: "Close", kind: "primary" }],
  });
}

