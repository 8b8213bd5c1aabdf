// @ts-check
/** The agent in five figures: each leads to what explains it. */
import { aged, counted } from "../../core/age.js";
import { h } from "../../core/dom.js";
import { ago, duration_s, number, trust } from "../../core/format.js";
import { section, stat, statusBadge } from "../../core/parts.js";
import { trustTone } from "../../core/parts/badges.js";
import { agentHref } from "../../core/paths.js";
import { metricName, reasonText } from "./words.js";

/** How often flagged values are counted anew. */
const FLAGS_EVERY_S = 60;

/**
 * @param {import("./asked.js").Asked} asked
 * @param {(signal: AbortSignal) => Promise<any>} latest
 * @param {import("./ledger.js").LedgerFeed} feed
 * @returns {{element: HTMLElement, reload: () => void}}
 */
export function strip(asked, latest, feed) {
  const now = section(asked.ctx, latest, (found) => present(asked.id, found), { lines: 2, class: "agent-strip-part" });
  /** @type {Promise<any>} */
  let names = Promise.resolve();
  const flagged = section(asked.ctx, (signal) => Promise.all([names = asked.of("metric-names", {}, signal), asked.range]), ([found, range]) => measured(asked.id, range, found.metrics), { lines: 2, class: "agent-strip-part" });
  // The ledger reads the whole lake: it waits until the figures of the range are there.
  const ledger = section(asked.ctx, () => names.catch(() => null).then(feed.read), (found) => delivered(asked.id, found), { lines: 2, class: "agent-strip-part" });
  feed.onNews(() => void ledger.reload(), asked.ctx.signal);
  const again = asked.ctx.every(FLAGS_EVERY_S * 1_000, () => void flagged.reload());
  asked.ctx.signal.addEventListener("abort", again);
  return { element: h("div", { class: "agent-strip" }, now, flagged, ledger), reload: () => void now.reload() };
}

/** @param {string} id @param {any} now AgentStatus */
function present(id, now) {
  const { heartbeats: beats, trust: score, governance_metrics: governance } = now;
  const weakest = score ? weak(score.factors) : null;
  return [
    stat({ label: "Status", value: statusBadge(now.status), href: agentHref(id), note: beats.status_since ? [reasonText(beats.reason), " ", ago(beats.status_since)] : "no heartbeat was ever seen" }),
    stat({ label: "Trust", value: trust(score?.score), tone: trustTone(score?.score), href: agentHref(id), note: score ? (weakest ? `weakest: ${weakest}` : "of checks alone") : "no score yet" }),
    stat({ label: "Violations", value: number(governance.recent_violations), unit: "in 24 h", tone: governance.recent_violations ? "warn" : "ok", href: agentHref(id, { tab: "violations", range: "24h" }),
      note: governance.compliance_rate === null ? "no compliance reported" : `last compliance ${number(Math.round(governance.compliance_rate * 1000) / 10)}%` }),
  ];
}

/** The factor with the least share. @param {Record<string, number>} factors */
function weak(factors) {
  const all = Object.entries(factors).sort(([, one], [, other]) => one - other);
  return all.length ? `${all[0][0]} ${trust(all[0][1])}` : null;
}

/** As the buttons of the ranges say it. @param {import("./asked.js").Range} range */
const spanText = ({ name, span_s }) => (name === "24h" ? "24 h" : duration_s(span_s));

/** @param {string} id @param {import("./asked.js").Range} range @param {any[]} metrics */
function measured(id, range, metrics) {
  const flags = metrics.reduce((sum, each) => sum + each.flags, 0);
  const worst = metrics.filter((each) => each.flags).sort((one, other) => other.flags - one.flags)[0];
  const now_ms = Date.now();
  return aged(stat({ label: "Flagged values", value: number(flags), unit: `in ${spanText(range)}`, tone: flags ? "warn" : "ok",
    href: agentHref(id, { tab: "metrics", range: range.name === "custom" ? null : range.name, from: range.name === "custom" ? range.from : null, to: range.name === "custom" ? range.to : null }),
    note: [worst ? `most: ${metricName(worst.name)}` : metrics.length ? `of ${number(metrics.length)} metrics` : "no metrics in range", ", ", counted(now_ms)] }), now_ms, FLAGS_EVERY_S);
}

/** @param {string} id @param {any} told Ledger */
function delivered(id, { total, as_of: at, every_s: every }) {
  const word = total.missing ? number(total.missing) : total.published ? "complete" : "–";
  return aged(stat({ label: "Delivery", value: word, unit: total.missing ? "missing" : "", tone: total.missing ? "bad" : total.published ? "ok" : undefined, href: agentHref(id, { tab: "delivery" }), note: [`${number(total.landed)} of ${number(total.published)} events landed, `, counted(at)] }), at, every);
}
