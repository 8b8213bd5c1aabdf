// @ts-check
/** How far the fleet is trusted: the spread of its scores, and the lowest. */
import { histogram } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { trust } from "../../core/format.js";
import { trustMeter, trustTone } from "../../core/parts.js";
import { agentHref, agentsHref } from "../../core/paths.js";

/** @typedef {import("./shape.js").Overview} Overview */

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {Overview} first
 * @returns {{element: HTMLElement, update: (next: Overview) => void}}
 */
export function trustBins(ctx, first) {
  const words = h("p", { class: "overview-figures" });
  const chart = histogram({
    label: "Agents by trust", bins: first.trust.bins, from: 0, to: 1, format: trust, tone: (from) => trustTone(from + 0.001), showLabel: false, height: 112,
    onBin: (bin) => ctx.go(agentsHref({ trust_below: bin.to < 1 ? trust(bin.to) : null, sort: "-trust" })),
  });
  const say = (/** @type {Overview["trust"]} */ now) => replace(words, ...figure("mean", now.mean), ...figure("median", now.quantiles.p50), ...figure("lowest tenth below", now.quantiles.p10));
  let shown = String(first.trust.bins);
  say(first.trust);
  return {
    element: h("div", { class: "overview-part" }, words, chart.element),
    update({ trust: next }) {
      say(next);
      if (shown === String(next.bins)) return;
      shown = String(next.bins);
      chart.update(next.bins);
    },
  };
}

/** @param {string} name @param {number | null | undefined} value */
const figure = (name, value) => [h("span", { class: "overview-figure" }, `${name} `, h("a", { class: "strong", href: agentsHref({ sort: "trust" }) }, trust(value)))];

/** @param {Overview} data */
export function trustLowest({ lowest_trust: lowest }) {
  if (!lowest.length) return h("p", { class: "quiet" }, "No agent has a score yet.");
  return h("ul", { class: "overview-lowest" }, lowest.slice(0, 5).map((each) =>
    h("li", {}, h("a", { class: "truncate", href: agentHref(each.agent_id), title: each.agent_id }, each.agent_id), trustMeter(each.trust))));
}
