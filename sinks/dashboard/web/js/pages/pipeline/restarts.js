// @ts-check
/** Parts that were started again, as `fleetpulse up` counts it. */

/** For so long a restart is news. */
const NEWS_MS = 3_600_000;

/** @typedef {{process: string, started_at: string | null, restarts: number | null}} Started */

/** @param {Started} part @param {number} now_ms */
export const justRestarted = (part, now_ms) => Boolean(part.restarts && part.started_at && now_ms - Date.parse(part.started_at) < NEWS_MS);

/** Parts that were started again within the last hour, the newest first. @template {Started} P @param {P[]} parts @param {number} now_ms */
export const restartedLately = (parts, now_ms) => parts.filter((part) => justRestarted(part, now_ms)).sort((one, other) => Date.parse(other.started_at ?? "") - Date.parse(one.started_at ?? ""));

/** @param {number} count */
export const timesText = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
