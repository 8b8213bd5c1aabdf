// @ts-check
/** What the parts of an agent's page ask with: the agent, and the range of time in the address. */
import { get } from "../../core/api.js";
import { millis } from "../../core/format.js";
import { rangeOf } from "../../core/parts.js";

/** @typedef {{from: string, to: string, span_s: number, name: string}} Range */
/**
 * @typedef {object} Asked
 * @property {any} ctx of the page; its signal ends with the range
 * @property {string} id of the agent
 * @property {Promise<Range>} range
 * @property {(route: string, params?: Record<string, any>, signal?: AbortSignal) => Promise<any>} of asks a route of the agent for the range
 */

/** Of whoever has reported for that long; of younger ones a range that they fill. */
const LONGEST = "24h";
/** @type {[string, number][]} */
const SHORTER = [["15m", 900], ["1h", 3_600], ["6h", 21_600]];
/** What came a little before the first report that is known is within the range, too. */
const MARGIN_S = 60;
/** A part of the page that is opened later asks anew. */
const FRESH_MS = 5_000;

/**
 * The range for who chose none, and answers that finding it took: those of the longest range, each for the first who asks.
 * @typedef {object} Usual
 * @property {Promise<string>} name of the range
 * @property {Map<string, any>} answers by route
 */

/** @param {any} ctx @param {string} id @param {AbortSignal} signal @param {Usual} usual @returns {Asked} */
export function asked(ctx, id, signal, usual) {
  const range = isChosen(ctx) ? Promise.resolve(rangeOf(ctx, LONGEST)) : usual.name.then((name) => rangeOf(ctx, name));
  const within = AbortSignal.any([ctx.signal, signal]);
  return {
    ctx: { ...ctx, signal: within },
    id,
    range,
    of: async (route, params = {}, end = within) => {
      const over = await range;
      if (over.name === LONGEST && !Object.keys(params).length && usual.answers.has(route)) {
        const { answer, until_ms } = taken(usual.answers, route);
        if (performance.now() < until_ms) return answer;
      }
      return get(agentRoute(id, route), { params: { ...rangeParams(over), ...params }, signal: end });
    },
  };
}

/** @param {Map<string, any>} answers @param {string} route @returns {any} the answer, which nobody gets again */
function taken(answers, route) {
  const answer = answers.get(route);
  answers.delete(route);
  return answer;
}

/** Where the reader has chosen. @returns {Usual} */
export const asChosen = () => ({ name: Promise.resolve(LONGEST), answers: new Map() });

/**
 * The shortest range that holds all there is of the last 24 hours, for who chose none: of an agent that is minutes old
 * a day would be one dot.
 * @param {string} id @param {AbortSignal} signal @returns {Usual}
 */
export function fittingRange(id, signal) {
  const answers = new Map();
  return { name: fit(id, signal, answers), answers };
}

/** @param {string} id @param {AbortSignal} signal @param {Map<string, any>} answers to keep those that can be used again @returns {Promise<string>} */
async function fit(id, signal, answers) {
  const ask = (/** @type {string} */ route) => get(agentRoute(id, route), { params: { range: LONGEST }, signal }).catch(() => null);
  const [names, timeline] = await Promise.all([ask("metric-names"), ask("timeline")]);
  if (!names || !timeline) return LONGEST; // what is wrong is told by the parts that need it
  const known = timeline.spans.find((/** @type {any} */ span) => span.status !== "unknown");
  const firsts = [...names.metrics.map((/** @type {any} */ each) => each.first_at), known?.from].map((at) => millis(at)).filter((at) => at !== null);
  const age_s = firsts.length ? (Date.parse(names.to) - Math.min(...firsts)) / 1_000 + MARGIN_S : Infinity;
  const shorter = SHORTER.find(([, span_s]) => age_s <= span_s);
  if (shorter) return shorter[0];
  const until_ms = performance.now() + FRESH_MS;
  answers.set("metric-names", { answer: names, until_ms }).set("timeline", { answer: timeline, until_ms });
  return LONGEST;
}

/** Whether the reader chose a range. @param {any} ctx */
export const isChosen = (ctx) => ["range", "from", "to"].some((name) => ctx.query.has(name));

/** @param {string} id @param {string} route e.g. "logs" */
export const agentRoute = (id, route) => `/api/agents/${encodeURIComponent(id)}/${route}`;

/** The range as the routes take it. @param {Range} range */
export const rangeParams = (range) => (range.name === "custom" ? { from: range.from, to: range.to } : { range: range.name });
