// @ts-check
/** The span of time of a chart, by keys: what drawing a span with the pointer does, without one. */
import { millis } from "../format.js";

/** @typedef {{from: number, to: number}} Span milliseconds */

/** Shorter spans hold less than a report or two. */
const SHORTEST_MS = 60_000;
const LONGEST_MS = 90 * 86_400_000;

/** How to zoom, for a line of help beneath a page's title. */
export const ZOOM_HINT = "Draw over a chart to zoom in. With a chart in focus, + and − zoom, ← and → move.";

/**
 * Where a key leads from a span; null: nowhere. `+` takes the middle half, `-` twice as much, arrows move by a quarter.
 * Nothing leads beyond `now_ms`.
 * @param {string} key @param {Span} span @param {number} now_ms @returns {Span | null}
 */
export function spanAfter(key, { from, to }, now_ms) {
  const long = to - from;
  const quarter = long / 4;
  if (key === "ArrowLeft") return { from: from - quarter, to: to - quarter };
  if (key === "ArrowRight") return to >= now_ms ? null : upTo({ from: from + quarter, to: to + quarter }, now_ms);
  if (key === "+" || key === "=") return long / 2 < SHORTEST_MS ? null : { from: from + quarter, to: to - quarter };
  if (key === "-" || key === "−") return long * 2 > LONGEST_MS ? null : upTo({ from: from - long / 2, to: to + long / 2 }, now_ms);
  return null;
}

/** @param {Span} span @param {number} now_ms @returns {Span} as long, and over by now */
function upTo({ from, to }, now_ms) {
  const beyond = Math.max(0, to - now_ms);
  return { from: from - beyond, to: to - beyond };
}

/** Props of what is in focus while keys zoom. @param {() => import("./line.js").LineOptions} options */
export function zoomProps(options) {
  return {
    tabindex: "0",
    role: "group",
    "aria-label": "Zoom: plus and minus, left and right",
    on: { keydown: (/** @type {KeyboardEvent} */ event) => {
      const { range, onBrush } = options();
      const [from, to] = [millis(range?.from), millis(range?.to)];
      if (!onBrush || from === null || to === null || event.ctrlKey || event.metaKey || event.altKey) return;
      const next = spanAfter(event.key, { from, to }, Date.now());
      if (!next) return;
      event.preventDefault();
      onBrush({ from: Math.round(next.from), to: Math.round(next.to) });
    } },
  };
}
