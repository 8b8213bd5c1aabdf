// @ts-check
/** The delivery ledger by agent: what was published, what landed, what is missing; the worst first. */
import { aged, counted } from "../core/age.js";
import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { duration_s, number, percent } from "../core/format.js";
import { badge, card, empty, filterBar, input, nameLink, page, pager, section, table } from "../core/parts.js";
import { agentHref } from "../core/paths.js";
import { deliveryCounts } from "./overview/counts.js";

/** @typedef {import("../core/router.js").Context} Context */
/** @typedef {{agent_id: string, user_id: string, sessions: number, published: number, landed: number, missing: number, expired: number}} Sums */

const PAGE = 100;
const EVERY_MS = 15_000;

/** @param {Context} ctx */
export function show(ctx) {
  let offset = 0;
  const sums = section(ctx, (signal) => get("/api/overview", { signal }), deliveryCounts, { lines: 3 });
  const list = section(ctx, (signal) => get("/api/ledger", { params: { q: ctx.query.get("q"), offset, limit: PAGE }, signal }), (found) => {
    const step = (/** @type {number} */ next) => () => {
      offset = next;
      void list.reload();
    };
    const end = offset + found.items.length;
    return [rows(found.items), found.total <= PAGE ? null : pager({
      from: found.items.length ? offset + 1 : 0, to: end, total: found.total, what: "agents",
      onPrev: offset ? step(Math.max(0, offset - PAGE)) : null, onNext: end < found.total ? step(end) : null,
    }), aged(h("p", { class: "small quiet delivery-foot" }, found.span_s ? `Of the last ${duration_s(found.span_s)}` : "Of all the lake holds", ", ", counted(found.as_of), "."), found.as_of, found.every_s)];
  }, { lines: 10 });
  ctx.every(EVERY_MS, () => {
    void sums.reload();
    if (!list.contains(document.activeElement)) void list.reload();
  });
  const search = input({ type: "search", label: "Part of the agent's name", placeholder: "Part of the agent's name", value: ctx.query.get("q") ?? "", onChange: (value) => {
    offset = 0;
    ctx.setQuery({ q: value.trim() || null });
    void list.reload();
  } });
  return page({
    title: "Delivery ledger", crumbs: [["Overview", "/ui/"]],
    lead: "Every event of a session is numbered: what never landed is missing, by its number; what retention has removed since has expired.",
    children: [card({ title: "All agents", children: sums }), filterBar(search), card({ title: "By agent", note: "who misses the most first", flush: true, children: list })],
  });
}

/** @param {Sums[]} items */
function rows(items) {
  return table({
    caption: "Delivery by agent", cards: true, rows: items, keyOf: (row) => `${row.user_id}/${row.agent_id}`,
    columns: [
      { key: "agent_id", label: "Agent", head: true, render: (row) => nameLink(row.agent_id, agentHref(row.agent_id, { tab: "delivery" })) },
      { key: "sessions", label: "Sessions", align: "right", render: (row) => number(row.sessions) },
      { key: "published", label: "Published", unit: "events", align: "right", render: (row) => number(row.published) },
      { key: "landed", label: "Landed", unit: "events", align: "right", render: (row) => number(row.landed) },
      { key: "share", label: "Landed", unit: "share", align: "right", render: (row) => (row.published ? percent((row.landed + row.expired) / row.published, row.missing ? 2 : 0) : "–") },
      { key: "missing", label: "Missing", unit: "events", align: "right", render: (row) => (row.missing ? badge(number(row.missing), "bad") : badge("none", "ok")) },
      { key: "expired", label: "Expired", unit: "events", align: "right", render: (row) => number(row.expired) },
    ],
    empty: empty({ title: "Nobody fits", hint: "Agents are here once their events have landed in the lake." }),
  }).element;
}
