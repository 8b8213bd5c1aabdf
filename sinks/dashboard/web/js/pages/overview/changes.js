// @ts-check
/** Changes in words: one line each, with who and when. */
import { h } from "../../core/dom.js";
import { ago, number, time, trust } from "../../core/format.js";
import { badge, severityBadge, statusBadge } from "../../core/parts.js";
import { agentHref, alertHref, pageHref } from "../../core/paths.js";

/** @typedef {import("./shape.js").Overview} Overview */
/** @typedef {import("./shape.js").Change} Change */

const REASONS = /** @type {Record<string, string>} */ ({
  first_beat: "first heartbeat", beat: "heartbeat came", beat_late: "heartbeat late", beat_missed: "heartbeats missed", deadline_missed: "no heartbeat in time",
  no_progress: "makes no progress", explicit_failure: "says that it failed", stopped: "stopped by itself", self_reported: "says so itself",
});

/** How many of each kind in the hour. @param {Overview} data */
export function changeWords({ changes }) {
  const { agents, alerts_begun: begun, alerts_over: over, trust_falls: falls } = changes;
  return h("p", { class: "overview-figures" },
    figure(number(agents), agents === 1 ? "agent changed its status" : "agents changed their status", "status"),
    figure(number(begun), begun === 1 ? "alert began" : "alerts began", "alert"), figure(number(over), "over", "alert"),
    falls === null ? null : figure(number(falls), falls === 1 ? "fall of trust" : "falls of trust", "trust"));
}

/** @param {string} count @param {string} words @param {string} kind */
const figure = (count, words, kind) => h("span", { class: "overview-figure" }, h("a", { class: "strong", href: pageHref("changes", { kind }) }, count), ` ${words}`);

/** @param {Overview} data */
export function changeList({ changes }) {
  if (!changes.newest.length) return h("p", { class: "quiet" }, "Nothing changed in the last hour.");
  return [h("ol", { class: "overview-changes" }, changes.newest.slice(0, 10).map((each) => h("li", {}, changeLine(each)))),
    h("p", { class: "overview-foot" }, h("a", { href: pageHref("changes") }, "Every change of the hour"))];
}

/** `clock`: with the time of day beside. @param {Change} change @param {{clock?: boolean}} [more] */
export function changeLine(change, { clock = false } = {}) {
  const at = clock ? h("span", { class: "changes-at" }, time(change.at)) : null;
  return [h("span", { class: "overview-what" }, what(change)), h("span", { class: "overview-when small quiet" }, ago(change.at), at)];
}

/** @param {Change} change */
function what(change) {
  const agent = change.agent_id ? h("a", { class: "truncate", href: agentHref(change.agent_id), title: change.agent_id }, change.agent_id) : h("span", {}, "the fleet");
  if (change.kind === "status") {
    const why = REASONS[change.reason ?? ""] ?? change.reason;
    return [statusBadge(change.status), agent, h("span", { class: "small quiet" }, change.previous ? `was ${change.previous}` : null, why ? `, ${why}` : null)];
  }
  if (change.kind === "trust") {
    return [badge("trust fell", "bad"), agent, h("span", { class: "small quiet" }, `from ${trust(change.trust_before)} to ${trust(change.trust)}`)];
  }
  const over = change.state === "resolved";
  const name = h("a", { class: "truncate", href: alertHref(change.fingerprint ?? ""), title: change.summary ?? change.name ?? "" }, change.name || "alert");
  return [over ? badge("over", "ok") : change.state === "acknowledged" ? badge("acknowledged", "info") : severityBadge(change.severity), name, change.agent_id ? [h("span", { class: "small quiet" }, "of"), agent] : null];
}
