// @ts-check
/** Words with their colour and their sign: colour never stands alone. */
import { h } from "../dom.js";
import { trust } from "../format.js";
import { icon } from "../icons.js";

/** @typedef {"ok" | "info" | "warn" | "bad" | "critical" | "muted" | "degraded"} Tone */

/** @type {Record<string, [Tone, string]>} */
const STATUSES = {
  online: ["ok", "ok"],
  late: ["warn", "late"],
  offline: ["bad", "bad"],
  degraded: ["degraded", "degraded"],
  unknown: ["muted", "muted"],
};
/** @type {Record<string, [Tone, string]>} */
const SEVERITIES = {
  critical: ["critical", "critical"],
  high: ["bad", "bad"],
  error: ["bad", "bad"],
  warning: ["warn", "warn"],
  medium: ["warn", "warn"],
  low: ["info", "info"],
  info: ["info", "info"],
};

/** @param {string | null | undefined} word @returns {Tone} */
export const toneOfStatus = (word) => (STATUSES[word ?? ""] ?? STATUSES.unknown)[0];
/** @param {string | null | undefined} word @returns {Tone} */
export const toneOfSeverity = (word) => (SEVERITIES[word ?? ""] ?? ["muted"])[0];

/**
 * A word in its tone, with the tone's sign (or another icon; "" for none).
 * @param {string} text
 * @param {Tone} [tone]
 * @param {{sign?: string, title?: string}} [more]
 */
export function badge(text, tone = "muted", { sign = tone, title } = {}) {
  return h("span", { class: `badge tone-${tone}`, title }, sign ? icon(sign) : null, h("span", {}, text));
}

/** online, late, offline, degraded, unknown. @param {string | null | undefined} word */
export function statusBadge(word) {
  const [tone, sign] = STATUSES[word ?? ""] ?? STATUSES.unknown;
  return badge(word || "unknown", tone, { sign });
}

/** critical, high, warning, medium, low, info. @param {string | null | undefined} word */
export function severityBadge(word) {
  const [tone, sign] = SEVERITIES[word ?? ""] ?? ["muted", "muted"];
  return badge(word || "none", tone, { sign });
}

/** @param {number | null | undefined} score 0 to 1 @returns {Tone} */
export function trustTone(score) {
  if (score === null || score === undefined) return "muted";
  return score >= 0.8 ? "ok" : score >= 0.5 ? "warn" : "bad";
}

/**
 * A trust score as a bar and its number; `bound` (the lower one) as a tick.
 * @param {number | null | undefined} score 0 to 1
 * @param {{bound?: number | null, wide?: boolean}} [more]
 */
export function trustMeter(score, { bound = null, wide = false } = {}) {
  if (score === null || score === undefined) return h("span", { class: "muted" }, "no score");
  const share = Math.max(0, Math.min(1, score));
  const bar = h("span", { class: "meter-track", "aria-hidden": "true" }, h("span", { class: "meter-fill", css: { "--share": share } }),
    bound === null ? null : h("span", { class: "meter-tick", css: { "--share": Math.max(0, Math.min(1, bound)) } }));
  const said = bound === null ? "" : `, at least ${trust(bound)}`;
  return h("span", { class: `meter tone-${trustTone(score)}${wide ? " meter-wide" : ""}`, title: `trust ${trust(score)} of 1${said}` }, bar, h("span", { class: "meter-number" }, trust(score)));
}
