// @ts-check
/** What the alert manager knows of an alert, in words for people. */
import { h } from "../../core/dom.js";
import { duration_s, millis, number } from "../../core/format.js";
import { agentHref, alertHref, pageHref } from "../../core/paths.js";
import { badge } from "../../core/parts.js";

/** @typedef {Record<string, any>} Alert as GET /alerts tells it */
/** @typedef {import("../../core/parts/badges.js").Tone} Tone */

/** @type {Record<string, [Tone, string]>} */
const STATES = { firing: ["bad", "alerts"], acknowledged: ["info", "user"], resolved: ["ok", "ok"] };

/** @param {string | null | undefined} state */
export function stateBadge(state) {
  const [tone, sign] = STATES[state ?? ""] ?? ["muted", "muted"];
  return badge(state || "unknown", tone, { sign });
}

/** @type {Record<string, string>} */
const PLAIN = {
  acknowledged: "somebody looks after it",
  flapping: "it begins and ends again and again; told when it is calm",
  delayed: "the first step of its route is still to come",
};
/** @type {Record<string, string>} */
const SHORT = { silence: "silenced", maintenance: "maintenance", inhibited: "inhibited", incident: "part of an incident", flapping: "flapping", delayed: "told later", acknowledged: "" };

/** The kind of a reason for telling nobody, and what it names: "silence:ab" -> ["silence", "ab"]. @param {string | null | undefined} reason */
export function reasonParts(reason) {
  const [kind, ...rest] = (reason ?? "").split(":");
  return [kind, rest.join(":")];
}

/** One or two words: who knows, or why nobody. @param {Alert} alert */
export function peopleShort(alert) {
  if (alert.held) return "in a moment";
  if (alert.state === "acknowledged") return alert.actor ? `taken by ${who(alert.actor)}` : "taken";
  const [kind] = reasonParts(alert.suppressed_by);
  if (kind && SHORT[kind]) return SHORT[kind];
  if (!alert.told) return "nobody told";
  return alert.receivers?.length ? `told on ${alert.receivers.join(", ")}` : "told";
}

/** @param {string[] | null | undefined} receivers */
export const channels = (receivers) => (receivers?.length ? receivers.join(", ") : "the default channels");

/** Somebody's name without the id of their key. @param {string} actor */
export const who = (actor) => actor.replace(/ \([^()]*\)$/, "");

/** The same in a sentence, with a link to what stands behind it. @param {Alert} alert */
export function people(alert) {
  if (alert.held) return "In a moment: an outage may explain it";
  const [kind, name] = reasonParts(alert.suppressed_by);
  const taken = alert.state === "acknowledged" ? `Acknowledged by ${alert.actor ? who(alert.actor) : "somebody"}${alert.comment ? `: ${alert.comment}` : ""}` : "";
  const quiet = kind && kind !== "acknowledged" ? ["Nobody is told: ", reason(kind, name)] : null;
  const told = alert.told ? `Told on ${channels(alert.receivers)}` : "Nobody was told";
  if (taken) return quiet ? h("span", {}, taken, ". ", quiet) : taken;
  return quiet ? h("span", {}, quiet, alert.told ? " (told before that)" : "") : told;
}

/** @param {string} kind @param {string} name */
export function reason(kind, name) {
  if (kind === "silence") return h("a", { href: pageHref("alerts", { tab: "silences" }) }, `silence ${name.slice(0, 8)}`);
  if (kind === "maintenance") return `maintenance window ${name}`;
  if (kind === "inhibited") return h("span", {}, "inhibited by ", h("a", { href: alertHref(name) }, name.slice(0, 8)));
  if (kind === "incident") return h("span", {}, "part of ", h("a", { href: alertHref(name) }, `incident ${name.slice(0, 8)}`));
  return PLAIN[kind] ?? kind;
}

/** What it measured against what it may be. @param {Alert} alert */
export function measured(alert) {
  if (alert.value === null || alert.value === undefined) return null;
  const metric = alert.labels?.metric ?? alert.evidence?.metric ?? "";
  const limit = alert.threshold === null || alert.threshold === undefined ? "" : `, limit ${number(alert.threshold)}`;
  return `${metric ? `${metric} ` : ""}${number(alert.value)}${limit}`;
}

/** How long it fired, or fires. @param {Alert} alert */
export function lasted(alert) {
  const begun = millis(alert.starts_at);
  if (begun === null) return null;
  return duration_s(((millis(alert.ends_at) ?? Date.now()) - begun) / 1000);
}

/** Whom it is about: an agent as a link; what is about many as it is. @param {Alert} alert */
export function subject(alert) {
  if (["fleet", "outage", "incident", "watchdog"].includes(alert.rule_kind) || /^(fleet|deployment:|tenant:|host:|gateway:|incident|outage|name:)/.test(alert.agent_id)) {
    return h("span", { class: "wrap-anywhere" }, alert.agent_id);
  }
  return h("a", { class: "wrap-anywhere", href: agentHref(alert.agent_id) }, alert.agent_id);
}

/** Whether it stands for others. @param {Alert} alert */
export const isRoot = (alert) => alert.rule_kind === "incident" || alert.rule_kind === "outage";

/** @type {Record<string, string>} */
export const CAUSES = {
  began: "began", worse: "became graver", grew: "grew", recovered: "over", acknowledged: "acknowledged", unacknowledged: "acknowledgement taken back", escalated: "escalated",
  silenced: "silenced", unsilenced: "silence ended", expired: "a silence or window ended", repeated: "told again", flapping: "flapping", joined: "became part of an incident",
};
