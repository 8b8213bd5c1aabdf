// @ts-check
/** Numbers with their units and times in the viewer's zone, said the same way on every page. */
import { h } from "./dom.js";

const NOTHING = "–";
const LOCALE = "en-GB";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** @typedef {number | null | undefined} Maybe */

/** @param {Maybe} value @returns {value is number} */
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 1234567 -> "1,234,567"; `digits` after the point where given. @param {Maybe} value @param {number} [digits] */
export function number(value, digits) {
  if (!known(value)) return NOTHING;
  if (digits === undefined) return Number.isInteger(value) ? whole.format(value) : value.toLocaleString(LOCALE, { maximumSignificantDigits: 4 });
  return value.toLocaleString(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** 1234567 -> "1.2M". @param {Maybe} value */
export function compact(value) {
  if (!known(value)) return NOTHING;
  return Math.abs(value) < 10_000 ? number(value) : short.format(value);
}

/** 0.873 -> "87.3%". @param {Maybe} share of 1 @param {number} [digits] */
export function percent(share, digits = 1) {
  return known(share) ? `${number(share * 100, digits)}%` : NOTHING;
}

/** 1536 -> "1.5 KiB". @param {Maybe} count */
export function bytes(count) {
  if (!known(count)) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const step = count === 0 ? 0 : Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.abs(count)) / 10)));
  const scaled = count / 1024 ** step;
  return `${number(scaled, step === 0 || scaled >= 100 ? 0 : 1)} ${units[step]}`;
}

/** 0.0042 -> "4.2 ms", 90 -> "1 min 30 s", 90000 -> "1 d 1 h". @param {Maybe} seconds */
export function duration_s(seconds) {
  if (!known(seconds)) return NOTHING;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${number(seconds * 1e6, 0)} µs`;
  if (size < 1) return `${number(seconds * 1e3, size < 0.01 ? 1 : 0)} ms`;
  if (size < 60) return `${number(seconds, size < 10 && size % 1 ? 1 : 0)} s`;
  return parts(Math.round(size), seconds < 0 ? "−" : "");
}

/** @param {number} seconds whole @param {string} sign */
function parts(seconds, sign) {
  /** @type {[string, number][]} */
  const units = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  const told = [];
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(seconds / size);
    if (count) told.push(`${count} ${name}`);
    seconds -= count * size;
  }
  return sign + told.join(" ");
}

/** 1234.4 -> "1,234 events/s". @param {Maybe} perSecond @param {string} [what] */
export function rate(perSecond, what = "events") {
  if (!known(perSecond)) return NOTHING;
  return `${number(perSecond, perSecond !== 0 && Math.abs(perSecond) < 10 ? 1 : 0)} ${what}/s`;
}

/** 0.8734 -> "0.87": a trust score. @param {Maybe} score */
export function trust(score) {
  return known(score) ? score.toFixed(2) : NOTHING;
}

/** @param {string | number | null | undefined} when ISO text or milliseconds @returns {number | null} */
export function millis(when) {
  const at = typeof when === "number" ? when : when ? Date.parse(when) : Number.NaN;
  return Number.isFinite(at) ? at : null;
}

/** A point of time in the viewer's zone, as text: today "14:03:22", else "3 Nov, 14:03". @param {string | number | null | undefined} when @param {{long?: boolean}} [how] */
export function timeText(when, { long = false } = {}) {
  const at = millis(when);
  if (at === null) return NOTHING;
  if (long) return full.format(at);
  const today = new Date(at).toDateString() === new Date().toDateString();
  return (today ? clock : new Date(at).getFullYear() === new Date().getFullYear() ? day : full).format(at);
}

/** The same as an element that tells UTC when pointed at. @param {string | number | null | undefined} when @param {{long?: boolean}} [how] */
export function time(when, how) {
  const at = millis(when);
  if (at === null) return h("span", { class: "muted nothing" }, NOTHING);
  return h("time", { datetime: new Date(at).toISOString(), title: utc(at) }, timeText(at, how));
}

/** "3 min ago" as an element that goes on. @param {string | number | null | undefined} when @param {string} [never] */
export function ago(when, never = NOTHING) {
  const at = millis(when);
  if (at === null) return h("span", { class: never === NOTHING ? "muted nothing" : "muted" }, never);
  return h("time", { datetime: new Date(at).toISOString(), title: `${timeText(at, { long: true })} (${utc(at)})`, "data-ago": String(at) }, agoText(at));
}

/** @param {number} at_ms @param {number} [now_ms] */
export function agoText(at_ms, now_ms = Date.now()) {
  const gone_s = (now_ms - at_ms) / 1000;
  if (gone_s < -1) return `in ${coarse(-gone_s)}`;
  return gone_s < 1 ? "just now" : `${coarse(gone_s)} ago`;
}

/** @param {number} seconds */
function coarse(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.floor(seconds))} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @param {number} at_ms */
const utc = (at_ms) => `${new Date(at_ms).toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} UTC`;

setInterval(() => {
  if (document.hidden) return;
  for (const each of document.querySelectorAll("time[data-ago]")) {
    const text = agoText(Number(/** @type {HTMLElement} */ (each).dataset.ago));
    if (each.textContent !== text) each.textContent = text;
  }
}, 1_000);
