// @ts-check
/** The course of one alert: what changed and who was told, in order; and every attempt the lake has. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { duration_s, time } from "../../core/format.js";
import { button, empty, icon, section, severityBadge, table } from "../../core/parts.js";
import { outcomeBadge } from "./history.js";
import { CAUSES, channels, reason, reasonParts, stateBadge, who } from "./words.js";

const BY_SOMEBODY = new Set(["acknowledged", "unacknowledged", "escalated"]);
const RANGE = "30d";
const PAGE = 100;
/** @type {Record<string, [string, string]>} tone and sign */
const SIGNS = { firing: ["bad", "alerts"], acknowledged: ["info", "user"], resolved: ["ok", "ok"], told: ["ok", "up"], untold: ["bad", "warn"] };

/** @param {{changes: any[], deliveries: any[], complete: boolean}} found */
export function course(found) {
  const rows = [...found.changes.map((row, at) => ({ at: row.timestamp, make: () => change(row, found.changes[at - 1]) })), ...found.deliveries.filter((row) => row.outcome !== "suppressed").map((row) => ({ at: row.timestamp, make: () => attempt(row) }))];
  if (!rows.length) return empty({ title: "Nothing of it is in the topics any more", hint: "They keep seven days; the lake has more, in Alerts, History." });
  rows.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  return [h("ol", { class: "course" }, rows.map((row) => row.make())), found.complete ? null : h("p", { class: "muted small" }, "The topics were not read to their end: too much has come since.")];
}

/** @param {string} kind @param {import("../../core/dom.js").Child} what @param {import("../../core/dom.js").Child} more */
function item(kind, what, more) {
  const [tone, sign] = SIGNS[kind] ?? ["muted", "muted"];
  return h("li", { class: "course-item" }, h("span", { class: `course-sign tone-${tone}` }, icon(sign)), h("div", {}, h("div", { class: "course-what" }, what), more ? h("div", { class: "course-more" }, more) : null));
}

/** @param {any} row @param {any} before the change before it */
function change(row, before) {
  const [kind, name] = reasonParts(row.suppressed_by);
  // An alert goes on to carry who touched it last: their words belong to what they did alone.
  const ownWords = row.actor !== before?.actor || row.comment !== before?.comment;
  const by = row.actor && (ownWords || BY_SOMEBODY.has(row.cause)) ? [`by ${who(row.actor)}`, row.comment ? `: “${row.comment}”` : "", " · "] : null;
  const told = kind ? ["nobody is told: ", reason(kind, name)] : `for ${channels(row.receivers)}${row.escalation_step === null ? "" : `, step ${row.escalation_step + 1}`}`;
  return item(row.state, [h("span", { class: "strong" }, CAUSES[row.cause] ?? row.cause), stateBadge(row.state), severityBadge(row.severity), h("span", { class: "muted small" }, time(row.timestamp))], [by, told]);
}

/** @param {any} row */
function attempt(row) {
  const well = row.outcome === "delivered";
  const more = [`attempt ${row.attempt}, ${duration_s(row.duration_s)}`, row.status_code ? `status ${row.status_code}` : "", row.error ?? ""].filter(Boolean);
  return item(well ? "told" : "untold", [h("span", { class: "wrap-anywhere" }, row.channel), outcomeBadge(row.outcome), h("span", { class: "muted small" }, time(row.timestamp))], more.join(", "));
}

/** Attempts of the last thirty days, from the lake. @param {import("../../core/router.js").Context} ctx @param {any} alert */
export function deliveriesTab(ctx, alert) {
  /** @param {string | null} cursor @param {AbortSignal} signal */
  const load = (cursor, signal) => get(`/alerts/${encodeURIComponent(alert.fingerprint)}/deliveries`, { params: { range: RANGE, limit: PAGE, cursor }, signal });
  return section(ctx, (signal) => load(null, signal), (first) => {
    if (!first.items.length) return empty({ title: "Nobody was tried to be told in the last thirty days", hint: "Without channels alerts are told in the terminal of fleetpulse up alone. The lake is a second or two behind." });
    const all = [...first.items];
    const grid = deliveries(all);
    const foot = h("div", { class: "table-foot" });
    /** @param {any} page */
    const more = (page) => void replace(foot, page.next ? button("Older", { onClick: async () => {
      const next = await load(page.next, ctx.signal);
      all.push(...next.items);
      grid.update(all);
      more(next);
    } }) : null);
    more(first);
    return [grid.element, first.next ? foot : null];
  }, { lines: 4 });
}

/** @param {any[]} rows */
function deliveries(rows) {
  /** @type {any[]} */
  const columns = [
    { key: "at", label: "When", render: (/** @type {any} */ row) => time(row.at) },
    { key: "channel", label: "Channel", head: true, render: (/** @type {any} */ row) => h("span", {}, h("span", { class: "wrap-anywhere" }, row.channel), h("span", { class: "muted" }, ` (${row.channel_kind})`)) },
    { key: "outcome", label: "Outcome", render: (/** @type {any} */ row) => outcomeBadge(row.outcome) },
    { key: "state", label: "Told" },
    { key: "attempt", label: "Attempt", align: "right" },
    { key: "status_code", label: "Status", align: "right" },
    { key: "duration_s", label: "Took", align: "right", render: (/** @type {any} */ row) => duration_s(row.duration_s) },
    { key: "error", label: "Error", render: (/** @type {any} */ row) => h("span", { class: "wrap-anywhere" }, row.error ?? "–") },
  ];
  return table({ caption: "Attempts to tell people", columns, rows, compact: true, cards: true });
}
