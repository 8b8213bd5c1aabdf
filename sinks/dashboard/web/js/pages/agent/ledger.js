// @ts-check
/** The delivery ledger of an agent, asked for once for all that show it, so that they never differ. */
import { get } from "../../core/api.js";
import { agentRoute } from "./asked.js";

/** It reads all that the lake holds of the agent: not more often, and more rarely the longer that takes. */
const EVERY_MS = 60_000;
const SHARE_OF_TIME = 20;
/** Who opens the tab soon sees what is not older than that. */
const FRESH_MS = 15_000;
const LOOK_MS = 10_000;

/** @typedef {ReturnType<typeof ledgerFeed>} LedgerFeed */

/** @param {import("../../core/router.js").Context} ctx @param {string} id of the agent */
export function ledgerFeed(ctx, id) {
  /** @type {any} the newest answer; null: none came yet */
  let newest = null;
  /** @type {Promise<any> | null} the answer that is on its way */
  let asking = null;
  let askedAt_ms = Infinity; // nobody has asked yet
  let every_ms = EVERY_MS;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  let held = () => false;

  async function count() {
    const again = askedAt_ms !== Infinity;
    const began_ms = performance.now();
    askedAt_ms = began_ms;
    const found = await get(agentRoute(id, "ledger"), { signal: ctx.signal });
    every_ms = Math.max(EVERY_MS, SHARE_OF_TIME * (performance.now() - began_ms));
    newest = { ...found, every_s: every_ms / 1_000 };
    // Whoever asked before shows an older answer, or that there was none.
    if (again) for (const tell of [...listeners]) tell();
    return newest;
  }
  const ask = () => (asking ??= count().finally(() => (asking = null)));
  const read = async () => newest ?? ask();
  /** @param {number} older_ms than so much: it is counted anew; what was there stays until that has come */
  function renew(older_ms) {
    if (asking || performance.now() - askedAt_ms < older_ms) return;
    ask().catch(() => {}); // what is shown says how old it is, and it is tried again
  }
  ctx.every(LOOK_MS, () => held() || renew(every_ms));
  return {
    /** The newest answer, the same for everybody. @returns {Promise<any>} */
    read,
    /** Somebody looks at it closely. */
    look: () => renew(FRESH_MS),
    /** Nothing is counted anew by itself while somebody is at work in what it would replace. @param {() => boolean} busy */
    holdWhile: (busy) => void (held = busy),
    /** @param {() => void} tell @param {AbortSignal} signal its end */
    onNews(tell, signal) {
      listeners.add(tell);
      signal.addEventListener("abort", () => listeners.delete(tell));
    },
  };
}
