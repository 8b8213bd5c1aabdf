// @ts-check
/** The past of alerts: every change, and every attempt to tell somebody. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { time } from "../../core/format.js";
import { alertHref } from "../../core/paths.js";
import { badge, button, card, checkbox, empty, field, filterBar, input, rangeOf, rangePicker, section, severityBadge, table } from "../../core/parts.js";
import { CAUSES, channels, people, stateBadge, who } from "./words.js";

const PAGE = 100;
/** @type {Record<string, import("./words.js").Tone>} */
const OUTCOMES = { delivered: "ok", failed: "warn", retry: "warn", dead: "bad", unknown_channel: "bad" };

/** @param {string} outcome */
export const outcomeBadge = (outcome) => badge(outcome === "dead" ? "given up" : outcome.replace("_", " "), OUTCOMES[outcome] ?? "muted");

/** @param {import("../../core/router.js").Context} ctx */
export function historyTab(ctx) {
  const shown = section(ctx, (signal) => load(ctx, null, signal), (page) => rows(ctx, page), { lines: 8 });
  const again = () => void shown.reload();
  /** @param {string} name @param {string} label @param {string} placeholder */
  const search = (name, label, placeholder) => field({ label, hideLabel: true, control: input({ type: "search", placeholder, value: ctx.query.get(name) ?? "", onChange: (value) => { ctx.setQuery({ [name]: value.trim() }); again(); } }) });
  const bar = filterBar(search("name", "Alert", "alert, * fits any"), search("agent", "Agent", "agent, * fits any"),
    checkbox({ label: "Attempts to tell people", checked: ctx.query.get("deliveries") !== "false", onChange: (on) => { ctx.setQuery({ deliveries: on ? null : "false" }); again(); } }),
    rangePicker(ctx, { usual: "24h", onChange: again }));
  return h("div", { class: "stack" }, bar, card({ flush: true, children: shown }));
}

/** @param {import("../../core/router.js").Context} ctx @param {string | null} cursor @param {AbortSignal} signal */
function load(ctx, cursor, signal) {
  const range = rangeOf(ctx, "24h");
  const params = { from: range.from, to: range.to, name: ctx.query.get("name"), agent: ctx.query.get("agent"), deliveries: ctx.query.get("deliveries"), limit: PAGE, cursor };
  return get("/alerts/history", { params, signal });
}

/** @param {import("../../core/router.js").Context} ctx @param {any} first */
function rows(ctx, first) {
  if (!first.items.length) return empty({ title: "Nothing was written of alerts in this time", hint: "Choose a longer range, or fewer filters. The lake is a second or two behind." });
  const all = [...first.items];
  const shown = historyTable(all);
  const foot = h("div", { class: "table-foot" });
  /** @param {any} page */
  const more = (page) => replace(foot, page.next ? button("Older", { onClick: async () => {
    const next = await load(ctx, page.next, ctx.signal);
    all.push(...next.items);
    shown.update(all);
    more(next);
  } }) : h("p", { class: "muted small" }, "That is all of this time."));
  more(first);
  return [shown.element, foot];
}

/** @param {any[]} items @param {{single?: boolean}} [how] single: of one alert */
export function historyTable(items, { single = false } = {}) {
  /** @type {any[]} */
  const columns = [
    { key: "at", label: "When", render: (/** @type {any} */ row) => h("span", { class: "nowrap" }, time(row.at)) },
    ...(single ? [] : [
      { key: "name", label: "Alert", head: true, render: (/** @type {any} */ row) => h("a", { class: "wrap-anywhere", href: alertHref(row.fingerprint) }, row.name) },
      { key: "agent_id", label: "Agent", render: (/** @type {any} */ row) => h("span", { class: "wrap-anywhere" }, row.agent_id) },
    ]),
    { key: "what", label: "What", render: what },
    { key: "more", label: "Who and why", render: more },
  ];
  return table({ caption: "What was written of alerts", columns, rows: items, cards: true, compact: true });
}

/** @param {any} row */
function what(row) {
  if (row.kind === "delivery") return h("span", { class: "row" }, outcomeBadge(row.outcome), h("span", { class: "wrap-anywhere" }, row.channel));
  return h("span", { class: "row" }, stateBadge(row.state), row.severity ? severityBadge(row.severity) : null, h("span", {}, CAUSES[row.cause] ?? row.cause ?? ""));
}

/** @param {any} row */
function more(row) {
  if (row.kind === "delivery") {
    const told = [`told “${row.state}”, attempt ${row.attempt}`, row.status_code ? `status ${row.status_code}` : "", row.error ?? ""].filter(Boolean);
    return h("span", { class: "quiet wrap-anywhere" }, told.join(", "));
  }
  const by = row.actor ? `by ${who(row.actor)}${row.comment ? `: ${row.comment}` : ""}` : "";
  const told = row.suppressed_by ? people({ ...row, told: false }) : `told on ${channels(row.receivers)}`;
  return h("span", { class: "quiet wrap-anywhere" }, by, by ? " · " : "", row.state === "acknowledged" && by ? channels(row.receivers) : told);
}
