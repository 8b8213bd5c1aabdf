// @ts-check
/** What a rule says, in a sentence. */
import { duration_s, number, percent } from "../../core/format.js";

/** @typedef {Record<string, any>} Rule as the parsed pack has it */

const LESS = new Set(["below"]);

/** A length of time of the pack: seconds, or as it is written. @param {any} given */
export const span = (given) => (typeof given === "number" ? duration_s(given) : String(given ?? ""));

/** Where the graver level lies is where it is bad: a pack need not say it. @param {Record<string, number>} levels */
const sideOf = (levels) => (Number(levels.critical ?? levels.warning) < Number(levels.warning ?? levels.info) ? "below" : "above");

/** above 80, or by severity. @param {Rule} rule */
function limit(rule) {
  if (rule.levels) return `${rule.side ?? sideOf(rule.levels)} ${Object.entries(rule.levels).map(([severity, value]) => `${number(Number(value))} (${severity})`).join(", ")}`.trim();
  for (const side of ["above", "below"]) if (rule[side] !== undefined) return `${LESS.has(side) ? "below" : "above"} ${number(rule[side])}`;
  return "";
}

/** @type {Record<string, (rule: Rule) => string>} */
const SAYS = {
  threshold: (rule) => `${rule.metric} ${limit(rule)}`,
  rate: (rule) => `${rule.metric} changes ${limit(rule)} per ${span(rule.per)}, over ${span(rule.window)}`,
  absence: (rule) => `no ${rule.metric ?? rule.topic} for ${span(rule.after)}`,
  anomaly: (rule) => `${rule.metric} unlike its own past${rule.trend ? `, trend ${number(rule.trend)}` : ""}${rule.confidence ? `, confidence ${percent(rule.confidence, 0)}` : ""}`,
  forecast: (rule) => (rule.of === "leak" ? `${rule.metric} grows day after day` : `${rule.metric} is about to pass ${number(rule.limit)} within ${span(rule.horizon)}`),
  trust: (rule) => `trust ${limit(rule)}`,
  status: (rule) => `the agent is ${rule.status}`,
  silent: (rule) => `${String(rule.failure).replaceAll("_", " ")}, seen in what the agent did, reported by nobody`,
  fleet: (rule) => `${String(rule.measure).replaceAll("_", " ")} of ${rule.of === "fleet" || !rule.of ? "the fleet" : `a ${rule.of}`} ${limit(rule)}`,
  budget: (rule) => `${rule.metric}${rule.per ? ` per ${rule.per}` : ""} of ${rule.of ?? "deployment"}: ${number(rule.limit)} in ${span(rule.window)}`,
};

/** When it fires. @param {Rule} rule */
export const condition = (rule) => (SAYS[rule.kind] ?? (() => ""))(rule);

/** Its severities, the gravest first. @param {Rule} rule @returns {string[]} */
export function severities(rule) {
  const found = Object.keys(rule.levels ?? rule.burn ?? {});
  return found.length ? ["critical", "warning", "info"].filter((each) => found.includes(each)) : [rule.severity ?? "warning"];
}

/** Whom it is about. @param {Record<string, string> | null | undefined} match */
export function matched(match) {
  const pairs = Object.entries(match ?? {});
  return pairs.length ? pairs.map(([name, pattern]) => `${name} ${pattern}`).join(", ") : "everybody";
}
