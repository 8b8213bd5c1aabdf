// @ts-check
/** Everything that changed: statuses, alerts, falls of trust, over any range of time. */
import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { button, card, empty, filterBar, input, page, pager, rangeOf, rangePicker, section, select } from "../core/parts.js";
import { changeLine } from "./overview/changes.js";

/** @typedef {import("../core/router.js").Context} Context */
/** @typedef {import("./overview/shape.js").Change} Change */

const PAGE = 100;
const LIVE_PAUSE_MS = 4_000;
/** @type {[string, string][]} */
const KINDS = [["", "Every change"], ["status", "Statuses"], ["alert", "Alerts"], ["trust", "Falls of trust"]];

/** @param {Context} ctx */
export function show(ctx) {
  /** Cursors of the pages before this one. @type {(string | null)[]} */
  let trail = [null];
  const filters = h("div");
  const list = section(ctx, (signal) => get("/api/changes", { params: { ...asked(ctx), cursor: trail[trail.length - 1] }, signal }), (found) => {
    const step = (/** @type {(string | null)[]} */ next) => {
      trail = next;
      void list.reload();
    };
    const from = (trail.length - 1) * PAGE;
    return [lines(found.items), found.items.length < PAGE && trail.length === 1 ? null : pager({
      from: found.items.length ? from + 1 : 0, to: from + found.items.length, total: found.next ? null : from + found.items.length, what: "changes",
      onPrev: trail.length > 1 ? () => step(trail.slice(0, -1)) : null, onNext: found.next ? () => step([...trail, found.next]) : null,
    })];
  }, { lines: 10 });
  const restart = () => {
    trail = [null];
    replace(filters, bar(ctx, restart));
    void list.reload();
  };
  replace(filters, bar(ctx, restart));
  follow(ctx, () => void (trail.length === 1 && !list.contains(document.activeElement) && list.reload()));
  return page({
    title: "Changes", crumbs: [["Overview", "/ui/"]], lead: "What happened to agents and alerts, the newest first.",
    actions: rangePicker(ctx, { usual: "1h", onChange: restart }),
    children: [filters, card({ title: "What changed", children: list })],
  });
}

/** Reload when something changed, but not all the time. @param {Context} ctx @param {() => void} reload */
function follow(ctx, reload) {
  let pending = 0;
  const soon = () => void (pending ||= window.setTimeout(() => {
    pending = 0;
    reload();
  }, LIVE_PAUSE_MS));
  ctx.onLeave(() => clearTimeout(pending));
  for (const kind of /** @type {("status" | "alert" | "lagged")[]} */ (["status", "alert", "lagged"])) ctx.live.on(kind, soon);
}

/** @param {Context} ctx */
function asked(ctx) {
  const range = rangeOf(ctx, "1h");
  const span = range.name === "custom" ? { from: range.from, to: range.to } : { range: range.name };
  return { ...span, kind: ctx.query.get("kind"), agent: ctx.query.get("agent"), limit: PAGE };
}

/** @param {Context} ctx @param {() => void} restart */
function bar(ctx, restart) {
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    ctx.setQuery({ [name]: value.trim() || null });
    restart();
  };
  return filterBar(
    select({ label: "Kind of change", options: KINDS, value: ctx.query.get("kind") ?? "", onChange: set("kind") }),
    input({ type: "search", label: "Agent", placeholder: "Agent", value: ctx.query.get("agent") ?? "", onChange: set("agent") }),
    ctx.query.get("kind") || ctx.query.get("agent") ? button("Clear filters", { kind: "quiet", small: true, onClick: () => {
      ctx.setQuery({ kind: null, agent: null });
      restart();
    } }) : null);
}

/** @param {Change[]} items */
function lines(items) {
  if (!items.length) return empty({ title: "Nothing changed in this time", hint: "Choose a longer time, or take filters away." });
  return h("ol", { class: "overview-changes" }, items.map((each) => h("li", {}, changeLine(each, { clock: true }))));
}
