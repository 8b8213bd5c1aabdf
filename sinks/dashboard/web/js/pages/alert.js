// @ts-check
/** One alert: why, what it stands for, who was told when and where, and what to do about it. */
import { ApiError, get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { ago, time } from "../core/format.js";
import { alertHref, alertsHref, pageHref } from "../core/paths.js";
import { badge, card, copyButton, empty, keyValue, page, severityBadge, table, tabs } from "../core/parts.js";
import { alertActions } from "./alerts/actions.js";
import { course, deliveriesTab } from "./alerts/course.js";
import { historyTable } from "./alerts/history.js";
import { followChanges } from "./alerts/list.js";
import { isRoot, lasted, measured, people, stateBadge, subject } from "./alerts/words.js";

/** @typedef {import("./alerts/words.js").Alert} Alert */
/** @typedef {import("../core/router.js").Context} Context */

const PAST = "30d";
/** Above it the number of a firing is a time: of what the alert manager finds itself. */
const MOST_COUNTED = 1_000_000;

/** @param {Context} ctx */
export async function show(ctx) {
  const fingerprint = ctx.params.fingerprint;
  const first = await load(fingerprint, ctx.signal);
  const name = first.alert?.name ?? first.past?.[0]?.name ?? fingerprint.slice(0, 8);
  const body = h("div", { class: "stack" });
  const actions = h("div", { class: "row" });
  const lead = h("span", { class: "wrap-anywhere" });
  let shown = "";
  let offered = "";
  const again = async () => {
    const next = await load(fingerprint, ctx.signal).catch(() => null);
    if (next && !ctx.signal.aborted) draw(next);
  };
  const after = () => void again();
  /** @param {Awaited<ReturnType<typeof load>>} found */
  const draw = (found) => {
    const text = JSON.stringify(found);
    if (text === shown) return;
    shown = text;
    if (found.alert) {
      replace(lead, found.alert.summary);
      offer(found.alert);
      replace(body, details(ctx, found));
    } else {
      replace(body, forgotten(found.past));
    }
  };
  /** Drawn anew where other things may be done only: a menu that somebody has just opened stays open. @param {Alert} alert */
  const offer = (alert) => {
    const says = JSON.stringify([alert.state, alert.rule_kind, isRoot(alert)]);
    if (says === offered) return;
    offered = says;
    replace(actions, alertActions(alert, after));
  };
  draw(first);
  followChanges(ctx, after);
  return { element: page({ title: h("span", { class: "wrap-anywhere" }, name), lead, actions, crumbs: [["Alerts", alertsHref()]], children: body }), title: name };
}

/**
 * What the alert manager knows; where it has forgotten the alert, what the lake has of it.
 * @param {string} fingerprint @param {AbortSignal} signal
 * @returns {Promise<{alert?: Alert, members: Alert[], changes: any[], deliveries: any[], complete: boolean, past?: any[]}>}
 */
async function load(fingerprint, signal) {
  try {
    return await get(`/alerts/${encodeURIComponent(fingerprint)}`, { signal });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const past = await get("/alerts/history", { params: { fingerprint, range: PAST, limit: 200 }, signal });
    if (!past.items.length) throw error;
    return { members: [], changes: [], deliveries: [], complete: true, past: past.items };
  }
}

/** @param {any[] | undefined} past */
function forgotten(past) {
  return [h("p", { class: "quiet" }, "It is over, and the alert manager keeps it in mind no longer. This is what the lake has of the last thirty days."),
    card({ title: "Its past", flush: true, children: historyTable(past ?? [], { single: true }).element })];
}

/** @param {Context} ctx @param {any} found */
function details(ctx, found) {
  /** @type {Alert} */
  const alert = found.alert;
  const views = tabs([
    { id: "course", label: "Course", make: () => course(found) },
    { id: "deliveries", label: "Attempts to tell people", make: () => deliveriesTab(ctx, alert) },
  ], { label: "Its history", ctx });
  return [
    h("div", { class: "row" }, severityBadge(alert.severity), stateBadge(alert.state), alert.flapping ? badge("flapping", "warn") : null, h("span", { class: "quiet" }, people(alert))),
    h("div", { class: "columns-main" },
      h("div", { class: "stack" }, isRoot(alert) ? members(alert, found.members) : null, card({ children: views })),
      h("div", { class: "stack" }, facts(alert), named("Evidence", alert.evidence, "What the rule saw."), named("What to do", alert.annotations), named("Labels", alert.labels, "Routes, silences and channels see them."))),
  ];
}

/** @param {Alert} alert */
function facts(alert) {
  const value = measured(alert);
  /** @type {[import("../core/dom.js").Child, import("../core/dom.js").Child][]} */
  const pairs = [
    ["Of", subject(alert)],
    ["Rule", h("span", { class: "wrap-anywhere" }, h("a", { href: pageHref("rules", { rule: alert.name }) }, alert.name), alert.rule_kind ? h("span", { class: "muted" }, ` (${alert.rule_kind})`) : null)],
    ...(value ? [/** @type {[string, string]} */ (["Measured", value])] : []),
    ["Began", h("span", {}, time(alert.starts_at), " · ", ago(alert.starts_at))],
    alert.ends_at ? ["Ended", h("span", {}, time(alert.ends_at), ` · after ${lasted(alert)}`)] : ["Fires for", lasted(alert)],
    ...(alert.epoch < MOST_COUNTED ? [/** @type {[string, string]} */ (["Firing", `number ${alert.epoch}`])] : []),
    ...(alert.incident ? [/** @type {[string, Element]} */ (["Part of", h("a", { href: alertHref(alert.incident) }, `incident ${alert.incident.slice(0, 8)}`)])] : []),
    ["Tenant", alert.user_id || "the whole fleet"],
    ...(alert.deployment_id ? [/** @type {[string, string]} */ (["Deployment", alert.deployment_id])] : []),
    ...(alert.steps_done ? [/** @type {[string, string]} */ (["Escalation", `step ${alert.steps_done} of its route is told`])] : []),
    ["Fingerprint", h("span", { class: "row" }, h("code", {}, alert.fingerprint.slice(0, 8)), copyButton(alert.fingerprint, "Copy the fingerprint"))],
  ];
  return card({ title: "Facts", children: keyValue(pairs) });
}

/** @param {string} title @param {Record<string, string>} values @param {string} [note] */
function named(title, values, note) {
  const pairs = Object.entries(values ?? {}).sort(([one], [other]) => one.localeCompare(other));
  if (!pairs.length) return null;
  return card({ title, note, children: keyValue(pairs.map(([name, value]) => [h("span", { class: "wrap-anywhere" }, name), h("span", { class: "wrap-anywhere" }, value)])) });
}

/** @param {Alert} root @param {Alert[]} alerts */
function members(root, alerts) {
  const left = root.member_count - alerts.length;
  /** @type {any[]} */
  const columns = [
    { key: "name", label: "Alert", head: true, render: (/** @type {Alert} */ row) => h("a", { href: alertHref(row.fingerprint) }, row.name) },
    { key: "agent_id", label: "Of", render: subject },
    { key: "severity", label: "Severity", render: (/** @type {Alert} */ row) => severityBadge(row.severity) },
    { key: "state", label: "State", render: (/** @type {Alert} */ row) => stateBadge(row.state) },
    { key: "starts_at", label: "Since", render: (/** @type {Alert} */ row) => ago(row.starts_at) },
  ];
  const grid = table({ caption: "Members", columns, rows: alerts, keyOf: (row) => row.fingerprint, compact: true, cards: true, empty: empty({ title: "Its members are over and forgotten" }) });
  return card({ title: "Members", note: `${root.member_count}, ${root.open_members} still open`, flush: true, children: [grid.element, left > 0 ? h("p", { class: "table-note" }, `And ${left} more.`) : null] });
}
