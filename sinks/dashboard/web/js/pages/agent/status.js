// @ts-check
/** Why an agent has its status: what was learned of its beats, and what it was before. */
import { timelineBand } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { ago, duration_s, millis, number, percent, time } from "../../core/format.js";
import { card, keyValue, section, statusBadge } from "../../core/parts.js";
import { agentsHref, hostHref } from "../../core/paths.js";
import { habitText, reasonText, statusMeaning } from "./words.js";

/**
 * @param {import("./asked.js").Asked} asked
 * @param {(signal: AbortSignal) => Promise<any>} latest
 * @returns {{element: HTMLElement, reload: () => void, renew: () => void}} `renew`: when it was heard of last; what is shown stays where that fails
 */
export function statusCard(asked, latest) {
  const now = section(asked.ctx, latest, explained, { lines: 3 });
  const renew = async () => {
    const found = await latest(asked.ctx.signal).catch(() => null);
    const focused = now.contains(document.activeElement);
    if (found && !focused && now.isConnected && now.getAttribute("aria-busy") !== "true") replace(now, explained(found));
  };
  const over = section(asked.ctx, (signal) => asked.of("timeline", {}, signal), past, { lines: 2 });
  return {
    element: card({ title: "Why this status", children: h("div", { class: "stack" }, now, over) }),
    reload() {
      void now.reload();
      void over.reload();
    },
    renew: () => void renew(),
  };
}

/** The deadline is that of the last change of status: after it only its distance means something. @param {any} beats */
function silence(beats) {
  const [deadline_ms, since_ms] = [millis(beats.deadline), millis(beats.status_since)];
  if (deadline_ms === null) return "–";
  if (deadline_ms > Date.now()) return ["without a beat by ", time(beats.deadline)];
  const least_s = since_ms === null ? 0 : (deadline_ms - since_ms) / 1_000;
  return least_s > 0 ? `after ${duration_s(least_s)} without a beat` : "–";
}

/** @param {any} now AgentStatus */
function explained(now) {
  const beats = now.heartbeats;
  const since = beats.status_since ? [" since ", time(beats.status_since), " (", ago(beats.status_since), "), because ", reasonText(beats.reason), "."] : ["."];
  return h("div", { class: "stack-tight" },
    h("p", {}, statusBadge(now.status), " ", since),
    h("p", { class: "muted" }, statusMeaning(now.status), " ", habitText(beats)),
    keyValue([
      ["Last heartbeat", ago(now.last_heartbeat, "never")],
      ["Counts as offline", silence(beats)],
      ["Before that", beats.previous ? statusBadge(beats.previous) : "–"],
      ["Last metrics", ago(now.last_metrics_update, "never")],
      ["Host", now.host ? h("a", { href: hostHref(now.host) }, now.host) : "–"],
      ["Deployment", now.deployment_id ? h("a", { href: agentsHref({ deployment: now.deployment_id }) }, now.deployment_id) : "–"],
      ["Gateway", now.gateway ?? "–"],
      ["Version", now.version ?? "–"],
    ]));
}

/** @param {any} told Timeline */
function past(told) {
  const length_s = (Date.parse(told.to) - Date.parse(told.from)) / 1000;
  const shares = Object.entries(told.seconds).sort(([, one], [, other]) => other - one);
  return h("div", { class: "stack-tight" },
    timelineBand({ label: "Status over the range", spans: told.spans.map((/** @type {any} */ span) => ({ from: span.from, to: span.to, word: span.status })) }),
    h("ul", { class: "agent-shares" }, shares.map(([word, seconds]) => h("li", {}, statusBadge(word), " ", h("strong", {}, percent(seconds / length_s)), h("span", { class: "muted" }, ` ${duration_s(seconds)}`)))),
    h("p", { class: "muted" }, told.changes ? `${number(told.changes)} ${told.changes === 1 ? "change" : "changes"} of status in the range.` : "It did not change in the range.", told.cut ? " There were more: the newest are shown." : ""));
}
