// @ts-check
/** What GET /api/overview answers, and the live event `fleet` tells. */

/** @typedef {Record<string, number>} Counts */
/**
 * @typedef {object} Change
 * @property {"status" | "alert" | "trust"} kind
 * @property {string} at
 * @property {string} id
 * @property {string} agent_id
 * @property {string} user_id
 * @property {string | null} status
 * @property {string | null} previous
 * @property {string | null} reason
 * @property {number | null} trust
 * @property {number | null} trust_before
 * @property {string | null} fingerprint
 * @property {string | null} name
 * @property {string | null} severity
 * @property {string | null} state
 * @property {string | null} cause
 * @property {string | null} summary
 */
/** @typedef {{sessions: number, published: number, landed: number, missing: number, expired: number, duplicates: number | null, dead_letters: number | null, span_s: number | null, as_of: string, every_s: number}} Ledger */
/** @typedef {{events_per_s: number, window_s: number, per_minute: number[], as_of: string | null}} Throughput */
/** @typedef {{since: string, by_status: Counts, agents: number, alerts_begun: number, alerts_over: number, trust_falls: number | null, newest: Change[]}} Changes */
/**
 * @typedef {object} Overview
 * @property {string | null} as_of
 * @property {number} agents
 * @property {Counts} by_status
 * @property {{scored: number, mean: number | null, quantiles: Record<string, number | null>, bins: number[]}} trust
 * @property {{agent_id: string, user_id: string, trust: number | null}[]} lowest_trust
 * @property {{total: number, by_severity: Counts, acknowledged: number, quiet: Counts, whole: boolean}} alerts
 * @property {{total: number, by_severity: Counts, as_of: string | null}} violations
 * @property {Throughput | null} throughput
 * @property {Ledger | null} ledger
 * @property {Changes} changes
 */
export {};
