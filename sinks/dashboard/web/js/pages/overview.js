// @ts-check
/** The fleet at a glance, kept current by the live event `fleet`; every number leads to its list. */
import { get } from "../core/api.js";
import { ago, number } from "../core/format.js";
import { card, empty, page, section } from "../core/parts.js";
import { h } from "../core/dom.js";
import { pageHref } from "../core/paths.js";
import { alertCounts, deliveryCounts, flowHref, statusCounts, throughputNow, violationCounts } from "./overview/counts.js";
import { changeList, changeWords } from "./overview/changes.js";
import { followed } from "./overview/followed.js";
import { trustBins, trustLowest } from "./overview/trust.js";

/** @typedef {import("./overview/shape.js").Overview} Overview */

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const fresh = h("span", { class: "overview-fresh quiet" });
  /** @type {((next: Overview) => void) | null} */
  let update = null;
  const body = section(ctx, (signal) => get("/api/overview", { signal }), (/** @type {Overview} */ first) => {
    const drawn = first.agents ? board(ctx, first) : nobody(() => void body.reload());
    update = (next) => {
      drawn.update(next);
      tell(fresh, next);
    };
    tell(fresh, first);
    return drawn.element;
  }, { lines: 12 });
  ctx.live.on("fleet", (/** @type {Overview} */ next) => update?.(next));
  // What happened between the first answer and the stream, or while it was away, nobody tells: it is asked for.
  const again = () => void get("/api/overview", { signal: ctx.signal }).then((/** @type {Overview} */ next) => update?.(next), () => {});
  ctx.live.on("lagged", again);
  ctx.live.on("connection", (/** @type {{state: string}} */ now) => void (now.state === "live" && again()));
  return page({ title: "Overview", lead: "How the fleet is now, and what changed in the last hour.", actions: fresh, children: body });
}

/** @param {Element} into @param {Overview} data */
function tell(into, data) {
  into.replaceChildren(`${number(data.agents)} agents, as of `, ago(data.as_of));
}

/** Nothing reports yet. @param {() => void} begin when somebody does */
function nobody(begin) {
  const element = empty({
    title: "No agent has reported yet",
    hint: "Agents appear here with their first heartbeat. Give them a key and point them at the gateway or the broker.",
  });
  return { element, update: (/** @type {Overview} */ next) => void (next.agents && begin()) };
}

/**
 * @param {import("../core/router.js").Context} ctx
 * @param {Overview} first
 * @returns {{element: Element, update: (next: Overview) => void}}
 */
function board(ctx, first) {
  const parts = [
    followed(first, (data) => [data.agents, data.by_status], statusCounts),
    followed(first, (data) => data.alerts, alertCounts),
    followed(first, (data) => data.violations, violationCounts),
    followed(first, (data) => data.throughput, throughputNow),
    followed(first, (data) => data.ledger, deliveryCounts),
    trustBins(ctx, first),
    followed(first, (data) => data.lowest_trust, trustLowest),
    followed(first, (data) => data.changes, changeWords),
    followed(first, (data) => data.changes.newest, changeList),
  ];
  const [status, alerts, violations, throughput, delivery, bins, lowest, words, list] = parts.map((part) => part.element);
  const element = h("div", { class: "stack" },
    h("section", { "aria-label": "Agents by status" }, status),
    h("div", { class: "overview-row" },
      card({ title: "Alerts", note: "open now", href: pageHref("alerts"), children: alerts }),
      card({ title: "Violations", note: "last hour", href: pageHref("governance", { tab: "violations", range: "1h" }), children: violations }),
      card({ title: "Throughput", href: flowHref(), children: throughput })),
    h("div", { class: "columns-2 overview-wide" },
      card({ title: "Trust", href: pageHref("agents", { sort: "trust" }), children: [bins, h("h3", { class: "overview-sub" }, "Lowest now"), lowest] }),
      card({ title: "What changed", note: "last hour", href: pageHref("changes"), children: [words, list] })),
    card({ title: "Delivery ledger", href: pageHref("delivery"), children: delivery }));
  return { element, update: (next) => parts.forEach((part) => part.update(next)) };
}
