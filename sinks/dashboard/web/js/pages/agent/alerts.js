// @ts-check
/** Alerts of an agent: what fires now, and of late. */
import { get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { ago } from "../../core/format.js";
import { card, empty, section, severityBadge, table } from "../../core/parts.js";
import { alertHref, alertsHref } from "../../core/paths.js";
import { reason, reasonParts, stateBadge } from "../alerts/words.js";

/** @param {import("./asked.js").Asked} asked @returns {{element: HTMLElement, reload: () => void}} */
export function alertsCard(asked) {
  const list = section(asked.ctx, async (signal) => {
    const found = await get("/alerts", { params: { agent: literal(asked.id), all: true }, signal });
    return found.items.filter((/** @type {any} */ alert) => alert.agent_id === asked.id);
  }, shown, { lines: 3 });
  return { element: card({ title: "Alerts", href: alertsHref({ agent: asked.id }), flush: true, children: list }), reload: () => void list.reload() };
}

/** A name as a pattern that fits it alone. @param {string} name */
const literal = (name) => name.replace(/[*?[]/g, "[$&]").slice(0, 200);

/** Why nobody is told. @param {string} suppressedBy */
function quiet(suppressedBy) {
  const [kind, name] = reasonParts(suppressedBy);
  return reason(kind, name);
}

/** @param {any[]} alerts */
function shown(alerts) {
  return table({
    caption: "Alerts of this agent",
    rows: alerts,
    keyOf: (row) => `${row.fingerprint} ${row.epoch}`,
    compact: true,
    cards: true,
    empty: empty({ title: "No alerts", hint: "Nothing fires for this agent, and nothing did of late." }),
    columns: [
      { key: "severity", label: "Severity", render: (row) => severityBadge(row.severity) },
      { key: "name", label: "Alert", head: true, class: "agent-words", render: (row) => [h("a", { href: alertHref(row.fingerprint) }, row.name), row.summary ? h("div", { class: "muted small" }, row.summary) : null] },
      { key: "state", label: "State", render: (row) => [stateBadge(row.state), row.suppressed_by ? h("div", { class: "muted small" }, quiet(row.suppressed_by)) : null] },
      { key: "starts_at", label: "Since", render: (row) => ago(row.starts_at) },
    ],
  }).element;
}
