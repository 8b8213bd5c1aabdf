// @ts-check
/** How measures, their units and their groups are said. */
import { bytes, compact, number } from "../../core/format.js";
import { agentHref, agentsHref, alertsHref, governanceHref, hostHref } from "../../core/paths.js";

/** @typedef {{name: string, label: string, family: string, unit: string, about: string, stats: string[], by: string[], better: "higher" | "lower" | "neither"}} Measure */

export const STATS = /** @type {Record<string, string>} */ ({ mean: "mean", sum: "sum", min: "least", max: "greatest", p95: "95th percentile", count: "count" });
export const FAMILIES = /** @type {Record<string, string>} */ ({ trust: "Trust", governance: "Governance", performance: "Performance", system: "System", business: "Business", events: "How often", hosts: "Hosts" });
const UNITS = /** @type {Record<string, string>} */ ({ percent: "%", "0 to 1": "", count: "", "1": "", degC: "°C" });
const BY = /** @type {Record<string, string>} */ ({ "": "Everything together", runtime_version: "runtime version", rule: "rule" });

const FACETS = new Set(["deployment", "version", "platform", "runtime_version", "gateway", "tenant", "department"]);

/** @param {string} unit of a schema */
export const unitWord = (unit) => UNITS[unit] ?? unit;

/** @param {string} by */
export const byWord = (by) => BY[by] ?? (by.startsWith("label:") ? by.slice(6) : by.replaceAll("_", " "));

/** A value of a measure. @param {number | null} value @param {string} unit */
export function valueText(value, unit) {
  if (value === null) return "–";
  if (unit === "bytes") return bytes(value);
  return Math.abs(value) >= 100_000 ? compact(value) : number(value);
}

/** "5 min", "1 h", "1 d". @param {number} width_s */
export function widthText(width_s) {
  const [size, name] = width_s % 86_400 === 0 ? [86_400, "d"] : width_s % 3_600 === 0 ? [3_600, "h"] : width_s % 60 === 0 ? [60, "min"] : [1, "s"];
  return `${number(width_s / Number(size))} ${name}`;
}

/** Where a group's list is; null where there is none. @param {string} metric @param {string} by @param {string | null} group */
export function groupHref(metric, by, group) {
  if (group === null) return null;
  if (by === "agent") return agentHref(group);
  if (by === "host") return hostHref(group);
  if (by === "severity") return metric === "alerts" ? alertsHref({ severity: group, all: "true" }) : governanceHref({ severity: group });
  if (by === "action" && metric === "violations") return governanceHref({ action: group });
  if (by === "rule") return alertsHref({ name: group, all: "true" });
  if (by === "status" && !["runs_finished", "tool_calls"].includes(metric)) return agentsHref({ status: group });
  if (FACETS.has(by)) return agentsHref({ [by]: group });
  if (["owner", "tier"].includes(by) || by.startsWith("label:")) return agentsHref({ label: `${by.replace(/^label:/, "")}:${group}` });
  return null;
}

/** Change against the range before, with its tone: what is better depends on the measure. @param {number | null} total @param {number | null} previous @param {string} better */
export function changeOf(total, previous, better) {
  if (total === null || previous === null || previous === 0) return null;
  const share = total / previous - 1;
  const tone = better === "neither" || Math.abs(share) < 0.02 ? "muted" : share > 0 === (better === "higher") ? "ok" : "bad";
  return { share, tone, text: `${share >= 0 ? "+" : "−"}${number(Math.abs(share) * 100, Math.abs(share) < 0.1 ? 1 : 0)}%` };
}
