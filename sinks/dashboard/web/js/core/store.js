// @ts-check
/** Who is signed in, and what that role may do. */
import { ApiError, get } from "./api.js";

/** @typedef {{id: string, name: string, role: string, tenant: string | null, sql: boolean, via: string, may: Record<string, boolean>, expires_at: string | null, version: string}} Me */

const OWN = "fleetpulse.own.";
/** Where earlier versions kept what was asked in SQL, signed out or not. */
const OLD_HISTORY = "fleetpulse.sql.";
const RANKS = ["viewer", "operator", "admin"];

/** @type {Me | null} null until `loadMe`, and where nobody is signed in */
export let me = null;

/** Whether somebody was signed in here until their session ended by itself. */
export let ended = false;

/** @param {boolean} by_itself */
export function noteEnd(by_itself) {
  ended = by_itself;
}

/** Ask the server who this is; null where nobody is signed in. @returns {Promise<Me | null>} */
export async function loadMe() {
  try {
    me = await get("/api/me");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    me = null;
  }
  return me;
}

/** Where the browser keeps what is of the person who is signed in, until they sign out. @param {string} what */
export const ownPlace = (what) => `${OWN}${me?.id ?? ""}.${what}`;

/** After signing out: who signs in next in this browser finds nothing of theirs. */
export function forgetMe() {
  const own = ownPlace("");
  me = null;
  try {
    for (const place of Object.keys(localStorage)) if (place.startsWith(own) || place.startsWith(OLD_HISTORY)) localStorage.removeItem(place);
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
}

/**
 * Whether the signed-in role may do something: a role ("operator": it or more) or a right ("sql").
 * Pages hide by it what would be refused; the API refuses it all the same.
 * @param {string} right
 */
export function may(right) {
  if (!me) return false;
  const rank = RANKS.indexOf(right);
  if (rank >= 0) return RANKS.indexOf(me.role) >= rank;
  return Boolean(me.may?.[right] ?? /** @type {any} */ (me)[right]);
}
