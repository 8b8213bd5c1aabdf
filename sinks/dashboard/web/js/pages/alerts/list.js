// @ts-check
/** What fires now: the gravest and newest first, changed as it changes, with what may be done about it. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago, number } from "../../core/format.js";
import { alertHref } from "../../core/paths.js";
import { badge, button, card, checkbox, empty, field, filterBar, input, pager, section, select, severityBadge, table } from "../../core/parts.js";
import { may } from "../../core/store.js";
import { orderDialog } from "./actions.js";
import { silenceChosen } from "./silence-many.js";
import { isRoot, peopleShort, stateBadge, subject } from "./words.js";

/** @typedef {import("./words.js").Alert} Alert */
/** @typedef {import("../../core/router.js").Context} Context */

const PAGE = 100;
const SETTLE_MS = 300;
const AGAIN_MS = 15_000;
/** @type {Record<string, string>} */
const HIDDEN = { silence: "silenced", maintenance: "in maintenance", inhibited: "inhibited", incident: "part of an incident", resolved: "over of late", watchdog: "watchdog" };

/**
 * @param {Context} ctx
 * @param {(page: any) => void} seen told of every first page without filters
 */
export function firingTab(ctx, seen) {
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @type {(string | null)[]} cursors of the pages before this one */
  const path = [];
  /** @type {{update: (page: any) => void} | null} */
  let view = null;
  const bulk = h("div", { class: "bulk" });
  const list = h("div", { tabindex: "-1", class: "alert-place" });
  /** @type {Alert[]} those that are chosen, as they are now */
  let alerts = [];
  let said = "0";
  const shown = section(ctx, (signal) => load(ctx, path.at(-1) ?? null, signal), (page) => {
    if (!path.length && !narrowed(ctx)) seen(page);
    view = firingTable({ ctx, page, chosen, path, again, drawBulk: () => drawBulk(page) });
    drawBulk(page);
    return /** @type {any} */ (view).element;
  }, { lines: 8 });
  const again = () => void shown.reload();
  /** @param {any} page */
  const drawBulk = (page) => {
    const free = page.items.filter((/** @type {Alert} */ each) => each.state !== "resolved");
    alerts = free.filter((/** @type {Alert} */ each) => chosen.has(each.fingerprint));
    // Drawn anew where it says something else only: who is on a button of it stays there while alerts change.
    const says = `${alerts.length}/${free.length}`;
    if (says === said) return;
    said = says;
    const had = bulk.contains(document.activeElement);
    replace(bulk, alerts.length ? [h("span", { class: "strong", role: "status" }, `${number(alerts.length)} chosen`),
      button("Acknowledge…", { small: true, kind: "primary", onClick: () => orderDialog("acknowledge", alerts, done) }),
      button("Silence…", { small: true, onClick: () => silenceChosen(alerts, done) }),
      button("Resolve…", { small: true, onClick: () => orderDialog("resolve", alerts, done) }),
      alerts.length < free.length ? button(`Choose all ${number(free.length)} shown`, { small: true, kind: "quiet", onClick: () => {
        for (const each of free) chosen.add(each.fingerprint);
        again();
      } }) : null,
      button("Clear", { small: true, kind: "quiet", onClick: done })] : null);
    if (had) /** @type {HTMLElement} */ (bulk.querySelector("button") ?? list).focus();
  };
  const done = () => {
    chosen.clear();
    again();
  };
  const restart = () => {
    path.length = 0;
    chosen.clear();
    again();
  };
  followChanges(ctx, async () => {
    try {
      const page = await load(ctx, path.at(-1) ?? null, ctx.signal);
      if (!path.length && !narrowed(ctx)) seen(page);
      if (!view) return again();
      view.update(page);
      drawBulk(page);
    } catch {
      again(); // says itself what went wrong
    }
  });
  list.append(card({ flush: true, children: [bulk, shown] }));
  return h("div", { class: "stack" }, bar(ctx, restart), list);
}

/** Call `fn` a moment after an alert changed, when the stream begins or is back, and now and then. @param {Context} ctx @param {() => void} fn */
export function followChanges(ctx, fn) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  const soon = () => {
    waiting ??= setTimeout(() => {
      waiting = undefined;
      if (!ctx.signal.aborted) fn();
    }, SETTLE_MS);
  };
  ctx.live.on("alert", soon);
  ctx.live.on("lagged", soon);
  ctx.live.on("connection", (told) => told.state === "live" && soon()); // nobody told what changed before it was
  ctx.every(AGAIN_MS, soon);
  ctx.onLeave(() => clearTimeout(waiting));
}

/** @param {Context} ctx */
const narrowed = (ctx) => ["severity", "name", "agent", "match", "all"].some((each) => ctx.query.get(each));

/** @param {Context} ctx @param {string | null} cursor @param {AbortSignal} signal */
function load(ctx, cursor, signal) {
  const params = { severity: ctx.query.get("severity"), name: wide(ctx.query.get("name")), agent: wide(ctx.query.get("agent")), matcher: ctx.query.getAll("match"), all: ctx.query.get("all"), limit: PAGE, cursor };
  return get("/alerts", { params, signal });
}

/** A word fits wherever it stands; with a star it is the pattern. @param {string | null} text */
const wide = (text) => (text && !/[*?[]/.test(text) ? `*${text}*` : text);

/** @param {Context} ctx @param {() => void} restart */
function bar(ctx, restart) {
  /** @param {string} name @param {string} label */
  const search = (name, label) => field({ label, hideLabel: true, control: input({ type: "search", placeholder: label, value: ctx.query.get(name) ?? "", onChange: (value) => { ctx.setQuery({ [name]: value.trim() }); restart(); } }) });
  const severity = select({ label: "Severity", value: ctx.query.get("severity") ?? "", options: [["", "Every severity"], "critical", "warning", "info"], onChange: (value) => { ctx.setQuery({ severity: value }); restart(); } });
  const everything = checkbox({ label: "Also what is quiet or over", checked: ctx.query.get("all") === "true", onChange: (on) => { ctx.setQuery({ all: on ? "true" : null }); restart(); } });
  return filterBar(severity, search("name", "Alert"), search("agent", "Agent"), everything);
}

/** @param {{ctx: Context, page: any, chosen: Set<string>, path: (string | null)[], again: () => void, drawBulk: () => void}} given */
function firingTable({ ctx, page, chosen, path, again, drawBulk }) {
  const grid = table({ caption: "Alerts", columns: columns(chosen, drawBulk), rows: page.items, keyOf: (row) => row.fingerprint, same, cards: true, onRow: (row) => ctx.go(alertHref(row.fingerprint)), empty: nothing(ctx) });
  const foot = h("div");
  const element = h("div", { class: "alert-list" }, trouble(page), grid.element, foot);
  /** @param {any} now */
  const draw = (now) => {
    const from = path.length * PAGE;
    /** @param {() => void} step */
    const turn = (step) => () => {
      step();
      again();
    };
    replace(foot, now.total > PAGE ? pager({ from: from + 1, to: from + now.items.length, total: now.total, what: "alerts", onPrev: path.length ? turn(() => void path.pop()) : null, onNext: now.next ? turn(() => void path.push(now.next)) : null }) : null, hidden(now.hidden));
  };
  draw(page);
  return { element, update: (/** @type {any} */ now) => {
    grid.update(now.items);
    draw(now);
  } };
}

/** @param {Set<string>} chosen @param {() => void} drawBulk @returns {any[]} */
function columns(chosen, drawBulk) {
  const pick = { key: "pick", label: "", class: "pick", render: (/** @type {Alert} */ row) => h("input", { type: "checkbox", checked: chosen.has(row.fingerprint), disabled: row.state === "resolved", "aria-label": `Choose ${row.name} of ${row.agent_id}`, on: { change: (/** @type {any} */ event) => {
    chosen[event.target.checked ? "add" : "delete"](row.fingerprint);
    drawBulk();
  } } }) };
  return [
    ...(may("operator") ? [pick] : []),
    { key: "severity", label: "Severity", render: (/** @type {Alert} */ row) => severityBadge(row.severity) },
    { key: "name", label: "Alert", head: true, render: named },
    { key: "agent_id", label: "Of", render: subject },
    { key: "state", label: "State", render: (/** @type {Alert} */ row) => h("span", { class: "row nowrap" }, stateBadge(row.state), row.flapping ? badge("flapping", "warn") : null) },
    { key: "people", label: "People", render: (/** @type {Alert} */ row) => h("span", { class: "quiet wrap-anywhere" }, peopleShort(row)) },
    { key: "starts_at", label: "Since", render: (/** @type {Alert} */ row) => h("span", { class: "nowrap" }, ago(row.starts_at)) },
  ];
}

/** @param {Alert} row */
function named(row) {
  const members = isRoot(row) ? badge(`${number(row.member_count)} members, ${number(row.open_members)} open`, "muted", { sign: "topology" }) : null;
  return h("div", { class: "alert-name" }, h("a", { class: "wrap-anywhere", href: alertHref(row.fingerprint) }, row.name), members, row.summary ? h("span", { class: "alert-summary" }, row.summary) : null);
}

const MARKS = ["state", "epoch", "severity", "summary", "suppressed_by", "flapping", "actor", "member_count", "open_members", "told", "held", "starts_at"];
/** @param {Alert} one @param {Alert} other */
const same = (one, other) => MARKS.every((each) => one[each] === other[each]) && String(one.receivers) === String(other.receivers);

/** @param {Context} ctx */
function nothing(ctx) {
  if (narrowed(ctx)) return empty({ title: "No alert fits", hint: "Other filters may show more." });
  return empty({ title: "Nothing fires", hint: "Alerts come here by themselves, as soon as a rule holds." });
}

/** @param {any} page */
function trouble(page) {
  return page.manager.trouble ? h("p", { class: "notice tone-warn", role: "status" }, page.manager.trouble) : null;
}

/** @param {Record<string, number>} counts */
function hidden(counts) {
  const told = Object.entries(counts).map(([why, count]) => `${number(count)} ${HIDDEN[why] ?? why}`);
  return told.length ? h("p", { class: "table-note" }, `Not shown: ${told.join(", ")}.`) : null;
}
