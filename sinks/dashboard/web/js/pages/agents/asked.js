// @ts-check
/** Which agents a page shows: the filters in its address are those of the API, by the same names. */
import { get } from "../../core/api.js";

/** Filters that every fleet has; labels of the agents file come beside them as `label:NAME`. */
export const FILTERS = ["status", "deployment", "host", "version", "platform", "runtime_version", "gateway", "tenant", "department"];
const SINGLE = ["q", "trust_below"];
export const NAMES = /** @type {Record<string, string>} */ ({
  status: "Status", deployment: "Deployment", host: "Host", version: "Version", platform: "Platform", runtime_version: "Runtime",
  gateway: "Gateway", tenant: "Tenant", department: "Department", owner: "Owner", tier: "Tier",
});

/** A facet for people: "Deployment", or the label's own name. @param {string} facet */
export const facetName = (facet) => NAMES[facet] ?? facet.replace(/^label:/, "");

/** A facet's value for people. @param {string | null | undefined} value */
export const valueName = (value) => value || "none told";

/**
 * The filters of an address, as parameters of the API.
 * @param {URLSearchParams} query
 * @returns {Record<string, string[]>}
 */
export function asked(query) {
  const names = [...FILTERS, "label", ...SINGLE].filter((name) => query.has(name));
  return Object.fromEntries(names.map((name) => [name, query.getAll(name)]));
}

/** Filters of an address as pairs to show: [facet, value]. @param {URLSearchParams} query @returns {[string, string][]} */
export function chosen(query) {
  const plain = FILTERS.flatMap((name) => query.getAll(name).map((value) => /** @type {[string, string]} */ ([name, value])));
  const labels = query.getAll("label").map((text) => /** @type {[string, string]} */ ([`label:${text.split(":")[0]}`, text.slice(text.indexOf(":") + 1)]));
  return [...plain, ...labels];
}

/** How the address says that a facet has a value. @param {string} facet @param {string} value @returns {[string, string]} */
export function filterOf(facet, value) {
  if (FILTERS.includes(facet)) return [facet, value];
  return ["label", `${facet.replace(/^label:/, "")}:${value}`];
}

/** Parameters go in as they are, an empty filter too: it asks for agents that have none. @param {string} path @param {Record<string, string | string[] | number>} params @param {AbortSignal} [signal] */
export function ask(path, params, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, String(each));
  }
  return get(`${path}?${search}`, { signal });
}
