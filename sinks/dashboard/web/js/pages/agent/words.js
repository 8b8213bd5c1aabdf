// @ts-check
/** What the facts of one agent mean, in sentences: no elements here but times. */
import { duration_s, number, percent, trust } from "../../core/format.js";

/** @type {Record<string, string>} */
const REASONS = {
  first_beat: "its first heartbeat came",
  beat: "heartbeats came again",
  beat_late: "a heartbeat came after its deadline",
  deadline_missed: "no heartbeat came before its deadline",
  no_progress: "heartbeats came, but its work did not go on",
  explicit_failure: "it said itself that it had failed",
  stopped: "it said goodbye: it was stopped on purpose",
};

/** @param {string | null | undefined} reason as fleet.status has it */
export const reasonText = (reason) => (reason ? (REASONS[reason] ?? reason.replaceAll("_", " ")) : "it was so before");

/** @type {Record<string, string>} */
const MEANINGS = {
  online: "Its heartbeats arrive in time.",
  late: "Its heartbeat is overdue, not long enough to call it gone.",
  offline: "Its heartbeats stopped for longer than its learned habit explains.",
  degraded: "It is alive, but does not work as it should.",
  unknown: "No heartbeat of it was ever seen: it only reports other things.",
};

/** @param {string} status */
export const statusMeaning = (status) => MEANINGS[status] ?? "";

/**
 * What was learned of the beats, as a sentence.
 * @param {{interval_s: number | null, loss: number | null, clock_skew_s: number | null}} beats
 */
export function habitText(beats) {
  if (beats.interval_s === null) return "";
  const said = [`It beats every ${duration_s(beats.interval_s)}`];
  if (beats.loss !== null) said.push(`of which about ${percent(beats.loss)} get lost on the way`);
  const skew = beats.clock_skew_s;
  if (skew !== null && Math.abs(skew) >= 1) said.push(`its clock is ${duration_s(Math.abs(skew))} ${skew > 0 ? "behind" : "ahead"}`);
  return `${said.join(", ")}.`;
}

/** @type {Record<string, {name: string, what: string}>} */
export const FACTORS = {
  compliance: { name: "Compliance", what: "policy checks that passed" },
  reliability: { name: "Reliability", what: "requests that went well" },
  liveness: { name: "Liveness", what: "heartbeats that came" },
  behaviour: { name: "Behaviour", what: "values that were not anomalous" },
};

/** @typedef {{label: string, note: string, change: number | null, after: number}} Step */

/**
 * How the score comes about: from the share of checks that pass, over the caution for little evidence, to what every
 * other factor takes away. For the model "classic" there is one step: its formula has no parts.
 * @param {{model: string, trust: number, n: number, bound: number | null, factors: Record<string, {value: number | null, effect: number | null}>}} score
 * @returns {Step[]}
 */
export function stepsOf(score) {
  const start = score.factors.compliance?.value ?? null;
  if (score.bound === null || start === null) return [{ label: "Classic score", note: "by the sources' formula: it has no parts", change: null, after: score.trust }];
  const steps = [
    { label: "Checks that pass", note: `expected share of compliant checks: ${percent(start)}`, change: null, after: start },
    { label: "Caution", note: `lower bound, with a weight of ${number(Math.round(score.n))} checks behind it`, change: score.bound - start, after: score.bound },
  ];
  let now = score.bound;
  for (const [key, { name, what }] of Object.entries(FACTORS)) {
    const factor = score.factors[key];
    if (key === "compliance" || !factor) continue;
    const after = now * (factor.effect ?? 1);
    const note = factor.value === null ? "no evidence: takes nothing away" : `${percent(factor.value)} of ${what}: × ${trust(factor.effect)}`;
    steps.push({ label: name, note, change: after - now, after });
    now = after;
  }
  return steps;
}

/** @type {Record<string, string>} */
const MOVERS = { violation: "Violation", report: "Failed checks", errors: "Errors", gap: "Missed beats", anomaly: "Anomaly" };

/** @param {string} kind of an event that moved a score */
export const moverName = (kind) => MOVERS[kind] ?? kind;

/** @type {Record<string, string>} */
const UNITS = { "0 to 1": "share", percent: "%", count: "", "1/s": "per s", "currency of the deployment": "currency" };

/** A unit of the schema as people write it. @param {string | null | undefined} unit */
export const unitText = (unit) => (unit ? (UNITS[unit] ?? unit) : "");

/** "response_time" -> "Response time"; the name of an agent's own metric stays as it is. @param {string} name */
export function metricName(name) {
  if (name.startsWith("custom:")) return name.slice("custom:".length);
  const words = name.replaceAll("_", " ").replace(/\b(cpu|io)\b/g, (word) => (word === "io" ? "I/O" : word.toUpperCase()));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @typedef {{value: number | null, expected: number | null, lower: number | null, upper: number | null, score: number | null, threshold: number | null, metric: string, timestamp: string}} Flag */

/**
 * What would not have been flagged, where that holds what was expected. It need not: after a run of strange values even
 * the expected one would have been remarkable, and then the bounds tell nobody anything.
 * @param {Flag} flag @returns {{lower: number, upper: number} | null}
 */
export function bandOf({ expected, lower, upper }) {
  return expected !== null && lower !== null && upper !== null && lower < upper && lower <= expected && expected <= upper ? { lower, upper } : null;
}

/**
 * How far a flagged value lies outside of what was expected, in words; half the width of the band is the measure.
 * @param {Flag} flag
 */
export function distanceText(flag) {
  const { value } = flag;
  const band = bandOf(flag);
  if (value === null) return "";
  if (!band) return "the values before it were strange, too";
  const { lower, upper } = band;
  const beyond = value > upper ? value - upper : value < lower ? lower - value : 0;
  if (beyond === 0) return "within the band, but its run of values is not";
  const half = (upper - lower) / 2;
  const times = half > 0 ? `, ${number(Math.round((beyond / half) * 10) / 10)} × the half width of the band` : "";
  return `${number(beyond)} ${value > upper ? "above" : "below"} it${times}`;
}

/** @type {[string, string][]} */
export const TERMS = [
  ["term_fast", "fast average"],
  ["term_medium", "medium average"],
  ["term_slow", "slow average"],
  ["term_record", "record value"],
  ["term_record_smooth", "record of the smoothed value"],
];

/** The evidence that weighed most. @param {Record<string, any>} flag */
export function strongestTerm(flag) {
  const [name] = TERMS.reduce((best, each) => ((flag[each[0]] ?? 0) > (flag[best[0]] ?? 0) ? each : best));
  return (flag[name] ?? 0) > 0 ? (TERMS.find(([key]) => key === name) ?? TERMS[0])[1] : "";
}
