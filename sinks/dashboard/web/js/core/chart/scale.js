// @ts-check
/** The value axis of a line chart: round numbers around all that is drawn, never beyond what such a value can be. */

/** @typedef {import("./line.js").LineOptions} LineOptions */
/** @typedef {{min: number, max: number, interval: number}} Scale */

/** Every one of them goes into 1 and 100 without a rest, so that a share's axis ends there. */
const ROUND = [1, 2, 2.5, 5, 10];
const PARTS = 4;
/** Means of 4-byte floats differ by less: values as close are the same. */
const FLAT = 1e-6;

/** @param {number | null | undefined} value @returns {value is number} */
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** The values themselves, without bands and limits. @param {LineOptions} options */
const measured = ({ series }) => series.flatMap((each) => [...each.points.map(([, value]) => value), ...(each.flags ?? []).map((flag) => flag.value)]).filter(known);

/**
 * What such a value can be, where the values keep to it: a share that is reported as 3 is drawn all the same.
 * @param {LineOptions} options @returns {[number, number]}
 */
export function boundsOf(options) {
  const [least, most] = options.bounds ?? [-Infinity, Infinity];
  const values = measured(options);
  return [values.some((value) => value < least) ? -Infinity : least, values.some((value) => value > most) ? Infinity : most];
}

/** The axis; null where there is nothing to draw. @param {LineOptions} options @returns {Scale | null} */
export function scaleOf(options) {
  const { series, thresholds = [], min = null, max = null } = options;
  const [least, most] = boundsOf(options);
  const values = measured(options);
  if (!values.length) return null;
  const bands = series.flatMap((each) => (each.band ?? []).flatMap(([, low, high]) => [low, high])).filter(known);
  const drawn = [...values, ...bands.map((value) => clamp(value, least, most)), ...thresholds.map((each) => each.value)];
  const [low, high] = drawn.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const [bottom, top] = apart(min ?? low, max ?? high, least, most);
  const smallest = drawn.every(Number.isInteger) && !options.bounds ? 1 : 0; // of whole numbers there are no halves
  const interval = Math.max(smallest, roundUp((top - bottom) / PARTS));
  return { min: min ?? exact(Math.floor(bottom / interval + FLAT) * interval), max: max ?? exact(Math.ceil(top / interval - FLAT) * interval), interval };
}

/** @param {number} value @param {number} least @param {number} most */
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/** Room around values that are all as good as the same. @param {number} low @param {number} high @param {number} least @param {number} most */
function apart(low, high, least, most) {
  if (high - low > FLAT * Math.max(Math.abs(low), Math.abs(high))) return [low, high];
  if (low === 0) return [0, Math.min(1, most)];
  const step = 10 ** Math.floor(Math.log10(Math.abs(low)));
  return [clamp((Math.ceil(low / step - FLAT) - 1) * step, Math.min(low, least), low), clamp((Math.floor(high / step + FLAT) + 1) * step, high, Math.max(high, most))];
}

/** The next round number: 0.03 -> 0.05. @param {number} value */
function roundUp(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return exact((ROUND.find((each) => each * step >= value * (1 - FLAT)) ?? 10) * step);
}

/** Without the last digits, which sums of tenths leave behind. @param {number} value */
const exact = (value) => Number(value.toPrecision(12));
