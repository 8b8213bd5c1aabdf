// @ts-check
/** The list's columns and rows. */
import { h } from "../../core/dom.js";
import { ago, number } from "../../core/format.js";
import { nameLink, statusBadge, trustMeter } from "../../core/parts.js";
import { agentHref, agentsHref, hostHref } from "../../core/paths.js";
import { me } from "../../core/store.js";
import { facetName } from "./asked.js";

/** @typedef {{agent_id: string, user_id: string, deployment_id: string | null, host: string | null, version: string | null, platform: string | null, labels: Record<string, string>, status: string, status_since: string | null, last_heartbeat: string | null, trust: number | null, violations: number | null}} AgentLine */

/** @param {AgentLine} row */
export const keyOf = (row) => `${row.user_id}\n${row.agent_id}`;

/** @param {string | null} text @param {string} href */
const linked = (text, href) => (text ? h("a", { href, class: "quiet-link agent-fact", title: text }, text) : h("span", { class: "muted nothing" }, "–"));

/**
 * Columns of the list; labels only where there are any, the tenant only for who sees several. `list-0` to `list-4`: the
 * narrower the list, the fewer of them (agents.css).
 * @param {string[]} facets what these agents can be grouped by
 * @returns {import("../../core/parts/table.js").Column<AgentLine>[]}
 */
export function columnsOf(facets) {
  const labels = facets.filter((name) => ["department", "owner", "tier"].includes(name) || name.startsWith("label:")).slice(0, 3);
  /** @type {import("../../core/parts/table.js").Column<AgentLine>[]} */
  const all = [
    { key: "agent_id", label: "Agent", sort: true, head: true, layout: "agent-name", render: (row) => nameLink(row.agent_id, agentHref(row.agent_id)) },
    { key: "status", label: "Status", sort: true, class: "agent-status", render: (row) => statusBadge(row.status) },
    { key: "status_since", label: "Since", sort: true, class: "nowrap phone-hide", layout: "list-2", render: (row) => ago(row.status_since) },
    { key: "last_heartbeat", label: "Last heartbeat", sort: true, class: "nowrap", render: (row) => ago(row.last_heartbeat, "never") },
    { key: "trust", label: "Trust", sort: true, render: (row) => trustMeter(row.trust) },
    { key: "violations", label: "Violations", sort: true, align: "right", title: "since its score began", render: (row) => number(row.violations) },
    { key: "deployment", label: "Deployment", sort: true, layout: "list-0", render: (row) => linked(row.deployment_id, agentsHref({ deployment: row.deployment_id })) },
    { key: "host", label: "Host", sort: true, layout: "list-1", render: (row) => linked(row.host, hostHref(row.host ?? "")) },
    { key: "version", label: "Version", sort: true, class: "phone-hide", layout: "list-4", render: (row) => row.version ?? h("span", { class: "muted nothing" }, "–") },
  ];
  for (const [at, name] of labels.entries()) {
    const bare = name.replace(/^label:/, "");
    all.push({ key: name, label: facetName(name), sort: true, class: "phone-hide", layout: at ? "list-4" : "list-3", render: (row) => row.labels[bare] ?? h("span", { class: "muted nothing" }, "–") });
  }
  if (me && me.tenant === null) all.push({ key: "tenant", label: "Tenant", sort: true, layout: "list-3", render: (row) => row.user_id });
  return all;
}

/**
 * A row as a change from the stream leaves it; the same object where the change is not its.
 * @param {AgentLine} row
 * @param {"status" | "trust"} kind
 * @param {any} change
 * @returns {AgentLine}
 */
export function changed(row, kind, change) {
  if (kind === "trust") return { ...row, trust: change.trust, violations: change.violations };
  return { ...row, status: change.status, status_since: change.at, deployment_id: change.deployment_id ?? row.deployment_id };
}
