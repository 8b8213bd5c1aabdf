// @ts-check
/** What each role may do, in words. */
import { h } from "../../core/dom.js";
import { badge, card, icon, table } from "../../core/parts.js";

/** @type {{role: string, who: string, may: string[]}[]} */
const ROLES = [
  { role: "ingest", who: "Agents and exporters", may: ["write"] },
  { role: "viewer", who: "Everybody who looks", may: ["read"] },
  { role: "operator", who: "Who is on call", may: ["read", "alerts"] },
  { role: "admin", who: "Who runs it", may: ["write", "read", "alerts", "sql", "keys"] },
];
/** @type {[string, string][]} */
const RIGHTS = [["write", "Send events"], ["read", "See the fleet"], ["alerts", "Acknowledge, silence"], ["sql", "Ask in SQL"], ["keys", "Keys, replay"]];

export function rolesTab() {
  const grid = table({
    caption: "Roles and what they may do", rows: ROLES, keyOf: (row) => row.role, cards: true,
    columns: [
      { key: "role", label: "Role", head: true, render: (row) => badge(row.role, "muted", { sign: "" }) },
      { key: "who", label: "For" },
      ...RIGHTS.map(([right, label]) => ({ key: right, label, render: (/** @type {any} */ row) => mark(row.may.includes(right)) })),
    ],
  });
  return h("div", { class: "stack" }, card({ title: "Roles", flush: true, children: grid.element }), card({ title: "How far a key reaches", children: h("ul", { class: "settings-words" },
    h("li", {}, "A key of one tenant sees that tenant's agents and nothing of any other's; what belongs to somebody else does not exist for it."),
    h("li", {}, "A key without a tenant sees the whole fleet. The pipeline and dead letters are for such keys alone."),
    h("li", {}, "A key of role ingest writes for one tenant, and where it names agents, for those alone. It reads nothing."),
    h("li", {}, "Viewers and operators ask in SQL where their key says so; admins always may."),
    h("li", {}, "Every refusal, every change and every SQL text is in the audit trail.")) }));
}

/** @param {boolean} yes */
function mark(yes) {
  return yes ? h("span", { class: "settings-yes" }, icon("ok"), "yes") : h("span", { class: "muted" }, "no");
}
