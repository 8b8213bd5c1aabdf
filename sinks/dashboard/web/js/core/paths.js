// @ts-check
/** Addresses of pages; what goes into them is encoded here, once. */

/** @param {string} path @param {Record<string, any>} [query] */
export function pageHref(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `/ui/${path}${search ? `?${search}` : ""}`;
}

/** @param {string} agentId @param {Record<string, any>} [query] e.g. {tab: "logs"} */
export const agentHref = (agentId, query) => pageHref(`agents/${encodeURIComponent(agentId)}`, query);
/** @param {Record<string, any>} [query] */
export const agentsHref = (query) => pageHref("agents", query);
/** @param {string} fingerprint */
export const alertHref = (fingerprint) => pageHref(`alerts/${encodeURIComponent(fingerprint)}`);
/** @param {Record<string, any>} [query] */
export const alertsHref = (query) => pageHref("alerts", query);
/** @param {string} host */
export const hostHref = (host) => pageHref(`hosts/${encodeURIComponent(host)}`);
/** @param {string} runId @param {string} agentId */
export const runHref = (runId, agentId) => agentHref(agentId, { tab: "runs", run: runId });
/** @param {Record<string, any>} [query] */
export const governanceHref = (query) => pageHref("governance", query);
/** @param {Record<string, any>} [query] */
export const analyticsHref = (query) => pageHref("analytics", query);
/** @param {string} [statement] */
export const sqlHref = (statement) => pageHref("sql", { q: statement });
