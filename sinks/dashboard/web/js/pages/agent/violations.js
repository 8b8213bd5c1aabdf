// @ts-check
/** Violations of an agent: what it did, which policy said no, what was done. */
import { h } from "../../core/dom.js";
import { time } from "../../core/format.js";
import { card, empty, filterBar, select, severityBadge } from "../../core/parts.js";
import { governanceHref, runHref } from "../../core/paths.js";
import { listing } from "./listing.js";
import { named } from "./named.js";

const SEVERITIES = ["low", "medium", "high", "critical"];

/** @param {import("./asked.js").Asked} asked */
export function violationsTab(asked) {
  const { ctx } = asked;
  const params = () => ({ severity: ctx.query.get("severity") ? SEVERITIES.slice(SEVERITIES.indexOf(ctx.query.get("severity"))) : null });
  const list = listing(asked, { route: "violations", params, what: "violations", table: rows(asked.id) });
  const least = select({
    label: "Least severity",
    value: ctx.query.get("severity") ?? "",
    options: [["", "All severities"], ...SEVERITIES.slice(1).map((each) => /** @type {[string, string]} */ ([each, each === "critical" ? each : `${each} and above`]))],
    onChange: (value) => {
      ctx.setQuery({ severity: value });
      void list.reload();
    },
  });
  return card({ title: "Violations", flush: true, actions: filterBar(least), children: list });
}

/** @param {string} id */
function rows(id) {
  return {
    caption: "Violations, the newest first",
    keyOf: (/** @type {any} */ row) => row.event_id,
    cards: true,
    empty: empty({ title: "No violations", hint: "None in this range that fits. Take a longer range or fewer filters." }),
    columns: [
      { key: "timestamp", label: "When", class: "nowrap", render: (/** @type {any} */ row) => time(row.timestamp) },
      { key: "severity", label: "Severity", render: (/** @type {any} */ row) => severityBadge(row.severity) },
      { key: "description", label: "What happened", head: true, class: "agent-words", render: (/** @type {any} */ row) => [row.description || row.type, named(row.context, "Circumstances")] },
      { key: "policy_id", label: "Policy", class: "agent-words", render: (/** @type {any} */ row) => h("a", { href: governanceHref({ policy: row.policy_id }) }, row.policy_name || row.policy_id) },
      { key: "action", label: "Done", render: (/** @type {any} */ row) => row.action || "–" },
      { key: "remediation_suggested", label: "To do", class: "agent-words", render: (/** @type {any} */ row) => row.remediation_suggested ?? "–" },
      { key: "run_id", label: "Run", render: (/** @type {any} */ row) => (row.run_id ? h("a", { href: runHref(row.run_id, id) }, row.run_id) : "–") },
    ],
  };
}
