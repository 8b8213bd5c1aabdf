// @ts-check
/** What an agent measures: each metric over the range, with its usual band, its flags and its forecasts. */
import { lineChart, ZOOM_HINT } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { ago, millis, number } from "../../core/format.js";
import { badge, card, empty, section } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { flagsCard } from "./flags.js";
import { forecastsCard } from "./forecasts.js";
import { distanceText, metricName, unitText } from "./words.js";

const AT_ONCE = 40;
const MOST_CUSTOM = 40;
const POINTS = 160;
const MOST_MARKS = 1_000;
/** What values of a unit can be. @type {Record<string, [number, number]>} */
const BOUNDS = { "0 to 1": [0, 1], percent: [0, 100] };
/** @type {[string, string][]} */
const FAMILIES = [["governance", "Governance"], ["performance", "Performance"], ["system", "System"], ["business", "Business"], ["custom", "Its own"]];

/** @typedef {{name: string, family: string, unit: string | null, meaning: string | null, reports: number, latest: number | null, latest_at: string | null, flags: number, forecasts: number}} Measured */

/** @typedef {(span: {from: number, to: number}, metric: string) => void} Zoom */
/** @typedef {{zoom: Zoom, followers: Followers}} Drawing */

/** Charts go on so often; a fixed range does not. */
const RENEW_MS = 30_000;
/** @typedef {Awaited<ReturnType<typeof load>>} Told */
/** @typedef {Map<string, (measured: Measured, told: Told) => void>} Followers by metric, what takes newer values */

/** @param {import("./asked.js").Asked} asked @param {{zoom: Zoom, loaded: () => void}} told `loaded`: of charts, or of what went wrong */
export function metricsTab(asked, { zoom, loaded }) {
  /** @type {Followers} */
  const followers = new Map();
  const ask = (/** @type {AbortSignal} */ signal) => load(asked, signal).finally(() => setTimeout(loaded)); // once it is shown
  const element = section(asked.ctx, ask, (told) => shown(asked, told, { zoom, followers }), { lines: 10, class: "stack" });
  const stop = asked.ctx.every(RENEW_MS, () => {
    if (asked.ctx.signal.aborted) stop();
    else if (element.isConnected && followers.size) void renew(asked, followers);
  });
  return element;
}

/** Newer values in the charts that are there, and nothing else: who reads a table or has a chart in focus keeps it. @param {import("./asked.js").Asked} asked @param {Followers} followers */
async function renew(asked, followers) {
  if ((await asked.range).name === "custom") return;
  const told = await load(asked, asked.ctx.signal).catch(() => null); // what is shown stays, the next time may do better
  for (const each of told?.metrics ?? []) followers.get(each.name)?.(each, /** @type {Told} */ (told));
}

/** Put the focus on the chart of a metric, where it was before the charts were made anew. @param {string} name */
export function focusChart(name) {
  /** @type {HTMLElement | null | undefined} */ (document.getElementById(anchor(name))?.querySelector(".chart-canvas"))?.focus({ preventScroll: true });
}

/** @param {import("./asked.js").Asked} asked @param {AbortSignal} signal */
async function load(asked, signal) {
  const [names, flags, forecasts] = await Promise.all([
    asked.of("metric-names", {}, signal),
    asked.of("anomalies", { limit: MOST_MARKS }, signal),
    asked.of("forecasts", { limit: MOST_MARKS }, signal),
  ]);
  /** @type {Measured[]} */
  const all = names.metrics;
  const customs = all.filter((each) => each.family === "custom").sort((one, other) => other.flags - one.flags);
  const metrics = [...all.filter((each) => each.family !== "custom"), ...customs.slice(0, MOST_CUSTOM)];
  return { metrics, left: customs.length - MOST_CUSTOM, series: await series(asked, metrics, signal), flags, forecasts, from: names.from, to: names.to };
}

/**
 * Names with commas in them cannot be asked for together.
 * @param {import("./asked.js").Asked} asked @param {Measured[]} metrics @param {AbortSignal} signal
 */
async function series(asked, metrics, signal) {
  const names = metrics.map((each) => each.name).filter((name) => !name.includes(",") && name === name.trim());
  const parts = [];
  for (let first = 0; first < names.length; first += AT_ONCE) {
    parts.push(asked.of("metrics", { metrics: names.slice(first, first + AT_ONCE).join(","), points: POINTS, bands: true }, signal));
  }
  /** @type {Map<string, {at: string[], values: any}>} */
  const found = new Map();
  for (const part of await Promise.all(parts)) for (const [name, values] of Object.entries(part.series)) found.set(name, { at: part.at, values });
  return found;
}

/** @param {import("./asked.js").Asked} asked @param {Awaited<ReturnType<typeof load>>} told @param {Drawing} drawing */
function shown(asked, told, drawing) {
  if (!told.metrics.length) return empty({ title: "No metrics in this range", hint: "This agent reported none. Choose a longer range.", action: h("a", { href: agentHref(asked.id, { tab: "metrics", range: "30d" }) }, "Look at the last 30 days") });
  const flagged = told.metrics.filter((each) => each.flags > 0);
  return [
    flagged.length ? h("p", { class: "agent-flagged" }, "Flagged in this range: ", flagged.map((each) => [h("a", { href: `#${anchor(each.name)}`, on: { click: (/** @type {Event} */ event) => jump(event, each.name) } }, metricName(each.name)), ` (${number(each.flags)}) `])) : null,
    h("p", { class: "muted small zoom-hint" }, ZOOM_HINT),
    FAMILIES.map(([key, label]) => family(label, told.metrics.filter((each) => each.family === key), told, drawing)),
    told.left > 0 ? h("p", { class: "muted" }, `${number(told.left)} more metrics of its own are not drawn; SQL has them all.`) : null,
    h("p", { class: "muted" }, "The band is what the values before each point let one expect (mean ± 3 standard deviations); where values were flagged, it is what the detector itself expected."),
    flagsCard(asked, told.flags),
    forecastsCard(asked, told.forecasts),
  ];
}

/** @param {string} name */
const anchor = (name) => `metric-${encodeURIComponent(name)}`;

/** @param {Event} event @param {string} name */
function jump(event, name) {
  event.preventDefault();
  const card = document.getElementById(anchor(name));
  card?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  /** @type {HTMLElement | null | undefined} */ (card?.querySelector("button, a, [tabindex]"))?.focus({ preventScroll: true });
}

/** @param {string} label @param {Measured[]} metrics @param {Awaited<ReturnType<typeof load>>} told @param {Drawing} drawing */
function family(label, metrics, told, drawing) {
  if (!metrics.length) return null;
  return h("section", { class: "agent-family", "aria-label": `${label} metrics` }, h("h2", {}, label), h("div", { class: "agent-charts" }, metrics.map((each) => metric(each, told, drawing))));
}

/** @param {Measured} measured @param {Awaited<ReturnType<typeof load>>} told @param {Drawing} drawing */
function metric(measured, told, { zoom, followers }) {
  const { name, latest, meaning } = measured;
  const values = told.series.get(name);
  const latestText = h("span", { class: "agent-latest" }, latestOf(measured));
  const chart = values ? lineChart({ ...picture(measured, values, told), onBrush: (span) => zoom(span, name) }) : null;
  followers.set(name, (next, newer) => {
    replace(latestText, latestOf(next));
    const found = newer.series.get(name);
    if (found) chart?.update(picture(next, found, newer));
  });
  return card({
    title: metricName(name),
    level: 3,
    id: anchor(name),
    actions: [measured.flags ? badge(`${number(measured.flags)} flagged`, "warn") : null, measured.forecasts ? badge("forecast", "info") : null, latestText],
    children: [h("p", { class: "agent-meaning" }, meaning ? sentence(meaning) : "A metric of the agent's own"), chart ? chart.element : h("p", { class: "muted" }, `latest ${number(latest)}; its name cannot be asked for together with others`)],
  });
}

/** @param {Measured} measured */
const latestOf = ({ latest, latest_at, unit }) => [h("strong", {}, number(latest)), unitText(unit) ? ` ${unitText(unit)}` : "", " ", ago(latest_at)];

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");

/** @param {Measured} measured @param {{at: string[], values: any}} found @param {Awaited<ReturnType<typeof load>>} told @returns {import("../../core/chart/line.js").LineOptions} */
function picture({ name, unit }, { at, values }, told) {
  const times = at.map((each) => millis(each) ?? 0);
  const marks = told.flags.items.filter((/** @type {any} */ flag) => flag.metric === name);
  const limits = new Map(told.forecasts.items.filter((/** @type {any} */ each) => each.metric === name && each.threshold !== null).map((/** @type {any} */ each) => [each.threshold, { value: each.threshold, label: `threshold ${number(each.threshold)}` }]));
  return {
    label: metricName(name),
    unit: unitText(unit),
    height: 180,
    range: { from: told.from, to: told.to },
    bounds: BOUNDS[unit ?? ""],
    showLabel: false,
    thresholds: [...limits.values()],
    series: [{
      name: "Mean",
      points: times.map((each, index) => [each, clean(values.mean[index])]),
      band: bands(times, values, marks),
      flags: marks.map((/** @type {any} */ flag) => ({ at: millis(flag.timestamp), value: flag.value, text: `${number(flag.value)}, expected ${number(flag.expected)} (${number(flag.lower)} to ${number(flag.upper)}): ${distanceText(flag)}` })),
    }],
  };
}

/** Without the last digits, in which the mean of equal values differs. @param {number | null} value */
const clean = (value) => (value === null ? null : Number(value.toPrecision(12)));

/**
 * The usual band, never below what such a metric can be; where values were flagged, what the detector itself expected.
 * @param {number[]} times @param {any} values @param {any[]} marks @returns {[number, number | null, number | null][]}
 */
function bands(times, values, marks) {
  const positive = values.min.every((/** @type {number | null} */ each) => each === null || each >= 0);
  /** @type {[number, number | null, number | null][]} */
  const found = times.map((each, index) => {
    const low = values.low?.[index] ?? null;
    return [each, low !== null && positive ? Math.max(0, low) : low, values.high?.[index] ?? null];
  });
  for (const flag of marks) {
    const at = times.findLastIndex((each) => each <= (millis(flag.timestamp) ?? 0));
    if (at >= 0 && flag.lower !== null && flag.upper !== null) found[at] = [times[at], flag.lower, flag.upper];
  }
  return found.filter(([, low]) => low !== null);
}
