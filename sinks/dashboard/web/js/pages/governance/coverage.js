// @ts-check
/** Which agents are governed: who evaluates policies, who counts checks, and who does neither. */
import { get } from "../../core/api.js";
import { barChart, stackedBar } from "../../core/chart.js";
import { h } from "../../core/dom.js";
import { number, percent } from "../../core/format.js";
import { card, empty, nameLink, section, stat, table } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { rangeAsked } from "./policies.js";

/** @typedef {import("../../core/router.js").Context} Context */
/** @typedef {{agent_id: string, user_id: string, deployment_id: string | null}} Agent */

/** @param {Context} ctx @returns {import("../governance.js").Panel} */
export function coveragePanel(ctx) {
  const body = section(ctx, (signal) => get("/api/policies", { params: rangeAsked(ctx), signal }), (found) => drawn(found.coverage), { lines: 10 });
  return Object.assign(body, { renew: () => void body.reload() });
}

/** @param {any} found */
function drawn(found) {
  if (!found.agents) return empty({ title: "No agent has reported yet", hint: "Coverage is told by the heartbeats and metrics of agents." });
  const share = found.checking / found.agents;
  const loaded = Object.entries(found.policies_loaded).map(([count, agents]) => ({ label: `${count} ${count === "1" ? "policy" : "policies"}`, value: /** @type {number} */ (agents), tone: count === "0" ? "warn" : "info" }));
  return h("div", { class: "stack" },
    h("div", { class: "grid-stats" },
      stat({ label: "Governance on", value: number(found.governance_on), tone: "ok", note: `of ${number(found.agents)} agents`, href: "#governance-on" }),
      stat({ label: "Governance off", value: number(found.governance_off), tone: found.governance_off ? "bad" : undefined, note: "say that no policy is evaluated", href: "#governance-off" }),
      stat({ label: "Not told", value: number(found.governance_unknown), note: "no such heartbeat in the last hour", href: "#governance-on" }),
      stat({ label: "Checking", value: number(found.checking), tone: share >= 0.9 ? "ok" : "warn", note: `${percent(share)} counted a check in this time`, href: "#governance-unchecked" }),
      stat({ label: "Without a check", value: number(found.never_checked), tone: found.never_checked ? "warn" : undefined, note: "unknown is not compliant", href: "#governance-unchecked" })),
    h("div", { class: "columns-2" },
      card({ title: "Policies evaluated", id: "governance-on", children: stackedBar({ label: "Agents by whether they evaluate policies", parts: [
        { label: "on", value: found.governance_on, tone: "ok" }, { label: "off", value: found.governance_off, tone: "bad" }, { label: "not told", value: found.governance_unknown, tone: "muted" }] }).element }),
      card({ title: "Policies in force", note: "agents by how many they have loaded", children: loaded.length ? barChart({ label: "Agents by policies in force", items: loaded, bare: true }).element : h("p", { class: "quiet" }, "No heartbeat says how many.") })),
    h("div", { class: "columns-2" },
      card({ title: "Governance off", id: "governance-off", note: several(found.off, found.governance_off), flush: true, children: agents("Agents with governance off", found.off, "Every agent that tells evaluates policies.") }),
      card({ title: "Without a check", id: "governance-unchecked", note: several(found.unchecked, found.never_checked), flush: true, children: agents("Agents without a policy check", found.unchecked, "Every agent counted a policy check in this time.") })));
}

/** @param {Agent[]} shown @param {number} all */
const several = (shown, all) => (shown.length < all ? `the first ${number(shown.length)} of ${number(all)}` : `${number(all)}`);

/** @param {string} caption @param {Agent[]} rows @param {string} hint */
function agents(caption, rows, hint) {
  return table({
    caption, rows, compact: true, keyOf: (row) => `${row.user_id}/${row.agent_id}`, sort: { key: "agent_id", order: "asc" },
    columns: [
      { key: "agent_id", label: "Agent", head: true, sort: true, render: (row) => nameLink(row.agent_id, agentHref(row.agent_id)) },
      { key: "deployment_id", label: "Deployment", sort: true },
    ],
    empty: empty({ title: "None", hint }),
  }).element;
}
