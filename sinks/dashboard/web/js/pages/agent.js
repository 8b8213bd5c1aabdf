// @ts-check
/** One agent: how it is, why, and what it did. */
import { ApiError, get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { button, copyButton, empty, page, rangePicker, tabs } from "../core/parts.js";
import { agentsHref } from "../core/paths.js";
import { alertsCard } from "./agent/alerts.js";
import { asChosen, asked as askedOf, fittingRange, isChosen } from "./agent/asked.js";
import { deliveryTab } from "./agent/delivery.js";
import { ledgerFeed } from "./agent/ledger.js";
import { logsTab } from "./agent/logs.js";
import { focusChart, metricsTab } from "./agent/metrics.js";
import { runsTab } from "./agent/runs.js";
import { statusCard } from "./agent/status.js";
import { strip } from "./agent/strip.js";
import { trustCards } from "./agent/trust.js";
import { violationsTab } from "./agent/violations.js";

/** What changes within this time is fetched once. */
const CALM_MS = 1_500;
/** Heartbeats that come in time change nothing that is streamed: when they came last is asked for. */
const BEATS_MS = 15_000;

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const id = ctx.params.id;
  const ask = (/** @type {AbortSignal} */ signal) => get(`/api/agents/status/${encodeURIComponent(id)}`, { signal });
  const first = ask(ctx.signal);
  let drawn = false;
  const latest = (/** @type {AbortSignal} */ signal) => (drawn ? ask(signal) : first);
  const ledger = ledgerFeed(ctx, id);
  const lead = h("span", {}, "…");
  const body = h("div", { class: "stack agent-page" });
  const ranges = h("div", { class: "row is-unknown" });
  let usual = isChosen(ctx) ? asChosen() : fittingRange(id, ctx.signal);
  /** @type {string | null} the metric whose chart was zoomed by keys */
  let held = null;
  /** @type {string | null} the range before it was zoomed into; null: none was chosen */
  let before = null;
  /** @type {() => void} */
  let reload = () => {};
  /** @type {() => void} */
  let beats = () => {};
  /** @type {AbortController | null} */
  let turn = null;
  const draw = () => {
    turn?.abort();
    turn = new AbortController();
    const asked = askedOf(ctx, id, turn.signal, usual);
    void pick();
    const top = strip(asked, latest, ledger);
    const alerts = alertsCard(asked);
    const status = statusCard(asked, latest);
    reload = () => [top, alerts, status].forEach((part) => part.reload());
    beats = () => status.renew();
    replace(body, top.element, tabs([
      { id: "summary", label: "Summary", make: () => summary(asked, status.element, alerts.element) },
      { id: "metrics", label: "Metrics", make: () => metricsTab(asked, { zoom, loaded }) },
      { id: "logs", label: "Logs", make: () => logsTab(asked) },
      { id: "violations", label: "Violations", make: () => violationsTab(asked) },
      { id: "runs", label: "Runs", make: () => runsTab(asked) },
      { id: "delivery", label: "Delivery", make: () => deliveryTab(asked, ledger) },
    ], { label: "About this agent", ctx }));
  };
  /** The buttons of the ranges, once it is known which one holds. */
  async function pick() {
    offer(await usual.name);
    ranges.classList.remove("is-unknown");
  }
  /** @param {string} name of the range where none is chosen */
  function offer(name) {
    const focused = ranges.contains(document.activeElement);
    const out = ctx.query.has("from") ? button("Zoom out", { small: true, onClick: zoomOut }) : null;
    replace(ranges, out, rangePicker(ctx, { usual: name, onChange: draw }));
    if (focused) /** @type {HTMLElement | null} */ (ranges.querySelector("[aria-pressed='true']"))?.focus();
  }
  /** @param {{from: number, to: number}} span @param {string} metric */
  function zoom({ from, to }, metric) {
    held = document.activeElement?.closest(".chart-canvas") ? metric : null;
    body.style.minHeight = `${body.offsetHeight}px`; // so that the page stays where it is while charts are made anew
    if (!ctx.query.has("from")) before = ctx.query.get("range");
    ctx.setQuery({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() }, { push: true });
    draw();
  }
  function zoomOut() {
    ctx.setQuery({ range: before, from: null, to: null }, { push: true });
    if (!before) usual = fittingRange(id, ctx.signal);
    draw();
  }
  function loaded() {
    body.style.minHeight = "";
    if (held) focusChart(held);
    held = null;
  }
  // Before the parts of the page hear of it: of an agent that is not there, no part tells that it failed.
  first.then((now) => replace(lead, whose(now)), (error) => {
    replace(lead);
    if (!(error instanceof ApiError) || error.status !== 404) return;
    turn?.abort();
    replace(body, nobody(id));
  });
  offer("24h");
  draw();
  drawn = true;
  follow(ctx, id, () => reload());
  ctx.every(BEATS_MS, () => beats());
  return {
    element: page({ title: id, lead: [lead, " ", copyButton(id, "Copy the name")], crumbs: [["Agents", agentsHref()]], actions: ranges, children: body }),
    title: id,
    leave: () => turn?.abort(),
  };
}

/** @param {import("./agent/asked.js").Asked} asked @param {Element} status @param {Element} alerts */
function summary(asked, status, alerts) {
  const trust = trustCards(asked);
  return h("div", { class: "stack" }, status, h("div", { class: "columns-2" }, trust.why, h("div", { class: "stack" }, trust.course, alerts)), trust.moved);
}

/** Call `changed` soon after something of this agent changed. @param {any} ctx @param {string} id @param {() => void} changed */
function follow(ctx, id, changed) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let calm;
  const soon = () => {
    calm ??= setTimeout(() => {
      calm = undefined;
      if (!ctx.signal.aborted) changed();
    }, CALM_MS);
  };
  const mine = (/** @type {any} */ data) => data.items?.some((/** @type {any} */ item) => item.agent_id === id) && soon();
  ctx.live.on("status", mine);
  ctx.live.on("trust", mine);
  ctx.live.on("alert", (/** @type {any} */ data) => (data.forgotten || data.alert?.agent_id === id) && soon());
  ctx.live.on("lagged", soon);
  ctx.onLeave(() => clearTimeout(calm));
}

/** @param {any} now AgentStatus */
function whose(now) {
  const parts = [`tenant ${now.user_id}`, now.deployment_id ? `deployment ${now.deployment_id}` : null, now.version ? `version ${now.version}` : null];
  return parts.filter(Boolean).join(" · ");
}

/** @param {string} id */
function nobody(id) {
  return empty({ title: "There is no such agent", hint: `No agent named ${id} reports, or it is not yours to see.`, action: h("a", { href: agentsHref() }, "All agents") });
}
