// @ts-check
/** Why an agent is trusted as it is: how the score comes about, how it went, and the events that moved it. */
import { get } from "../../core/api.js";
import { lineChart } from "../../core/chart.js";
import { h } from "../../core/dom.js";
import { millis, number, time, trust } from "../../core/format.js";
import { badge, card, empty, rangeOf, section, table, trustMeter } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { agentRoute } from "./asked.js";
import { FACTORS, moverName, stepsOf } from "./words.js";

const WEEK_S = 604_800;
const MOST_MOVERS = 15;
/** Fewer marks than this are told apart in a picture. */
const MOST_MARKS = 8;

/** @param {import("./asked.js").Asked} asked @returns {{why: HTMLElement, course: HTMLElement, moved: HTMLElement}} */
export function trustCards(asked) {
  const chosen = rangeOf(asked.ctx, "24h"); // of whoever chose none it is a week, whatever the range is
  const days = Math.ceil(Math.max(chosen.span_s, WEEK_S) / 86_400);
  const both = remembered(() => load(asked, days, asked.ctx.signal));
  return {
    why: card({ title: "Why this score", children: section(asked.ctx, both, ([score]) => explained(score), { lines: 8 }) }),
    course: card({ title: "Trust over the range", children: section(asked.ctx, both, ([score, past]) => course(past, score), { lines: 6 }) }),
    moved: card({ title: "What moved it", flush: true, note: `events of the last ${days} days, the dearest first`, children: section(asked.ctx, both, ([score]) => movers(asked.id, score), { lines: 5 }) }),
  };
}

/** One question for several sections; one that failed is asked anew. @template T @param {() => Promise<T>} ask */
function remembered(ask) {
  /** @type {Promise<T> | null} */
  let asked = null;
  return () => {
    asked ??= ask();
    asked.catch(() => (asked = null));
    return asked;
  };
}

/** @param {import("./asked.js").Asked} asked @param {number} days @param {AbortSignal} signal */
function load(asked, days, signal) {
  const why = get(agentRoute(asked.id, "trust"), { params: { range: `${days}d`, top: MOST_MOVERS }, signal });
  return Promise.all([why.catch(unscored), asked.of("trust-history", {}, signal)]);
}

/** An agent without a score is no failure. @param {any} error */
function unscored(error) {
  if (error?.status === 404) return null;
  throw error;
}

const noScore = () => empty({ title: "No score yet", hint: "A score comes with the first evidence: a policy check, a violation, heartbeats." });

/** @param {any} score Trust */
function explained(score) {
  if (!score) return noScore();
  const steps = stepsOf(score);
  return h("div", { class: "stack-tight" },
    h("div", { class: "agent-score" }, trustMeter(score.trust, { wide: true }), h("span", { class: "muted" }, "as of ", time(score.at))),
    h("ol", { class: "agent-steps" }, steps.map(step), h("li", { class: "agent-step agent-step-last" }, h("span", { class: "agent-step-name" }, "Trust"), h("span", { class: "agent-step-note muted" }, "what one may rely on"), h("strong", { class: "agent-step-after" }, trust(score.trust)))),
    evidence(score));
}

/** @param {import("./words.js").Step} step */
function step({ label, note, change, after }) {
  const said = change === null ? trust(after) : Math.abs(change) < 0.0005 ? "±0" : `${change > 0 ? "+" : "−"}${Math.abs(change).toFixed(3)}`;
  return h("li", { class: "agent-step" }, h("span", { class: "agent-step-name" }, label), h("span", { class: "agent-step-note muted" }, note), h("span", { class: "agent-step-after" }, said));
}

/** @param {any} score Trust */
function evidence(score) {
  const rows = Object.entries(FACTORS).map(([key, { name, what }]) => ({ key, name, what, ...(score.factors[key] ?? { value: null, effect: null, evidence: null }) }));
  return table({
    caption: "Factors and their evidence",
    compact: true,
    rows,
    keyOf: (row) => row.key,
    columns: [
      { key: "name", label: "Factor", head: true },
      { key: "value", label: "Share", align: "right", render: (row) => trust(row.value) },
      { key: "good", label: "For", align: "right", render: (row) => number(Math.round(row.evidence?.good ?? 0)) },
      { key: "bad", label: "Against", align: "right", render: (row) => number(Math.round((row.evidence?.bad ?? 0) * 10) / 10) },
    ],
  }).element;
}

/** @param {any} past TrustHistory @param {any} score Trust */
function course(past, score) {
  if (!past.points.length) return empty({ title: "No score in this range", hint: "Scores are published when they change. Choose a longer range." });
  const points = past.points.map((/** @type {any} */ each) => [millis(each.at), each.trust]);
  const from = millis(past.from);
  const flags = (score?.moved ?? []).filter((/** @type {any} */ each) => each.delta < 0 && (millis(each.at) ?? 0) >= (from ?? 0)).slice(0, MOST_MARKS)
    .map((/** @type {any} */ each) => ({ at: millis(each.at), value: inForce(points, millis(each.at) ?? 0), text: `${moverName(each.kind)} ${each.delta.toFixed(3)}: ${each.text}` }));
  const factors = Object.entries(FACTORS).filter(([key]) => past.points.some((/** @type {any} */ each) => each[key] !== null));
  return h("div", { class: "stack-tight" },
    lineChart({
      label: "Trust, up to the share that is expected without caution, and what moved it",
      showLabel: false,
      height: 220,
      range: { from: past.from, to: past.to },
      bounds: [0, 1],
      series: [{ name: "Trust", points, flags, band: past.points.filter((/** @type {any} */ each) => each.p !== null).map((/** @type {any} */ each) => [millis(each.at), each.trust, Math.max(each.trust, each.p)]) }],
    }).element,
    factors.length ? h("details", { class: "agent-factors" }, h("summary", {}, "Factors over the range"), lazily(() => lineChart({
      label: "Factors over the range",
      showLabel: false,
      height: 200,
      range: { from: past.from, to: past.to },
      bounds: [0, 1],
      series: factors.map(([key, { name }]) => ({ name, points: past.points.map((/** @type {any} */ each) => [millis(each.at), each[key]]) })),
    }).element)) : null);
}

/** A picture that is made when its details are opened. @param {() => Element} make */
function lazily(make) {
  const place = h("div");
  queueMicrotask(() => place.closest("details")?.addEventListener("toggle", () => place.append(make()), { once: true }));
  return place;
}

/** The score in force at a time. @param {[number, number][]} points @param {number} at_ms */
function inForce(points, at_ms) {
  let found = points[0]?.[1] ?? null;
  for (const [at, value] of points) if (at <= at_ms) found = value;
  return found;
}

/** @param {string} id @param {any} score Trust */
function movers(id, score) {
  if (!score) return noScore();
  return table({
    caption: "Events that moved the score",
    rows: score.moved,
    keyOf: (row) => row.event_id ?? `${row.kind}${row.at}${row.text}`,
    cards: true,
    empty: empty({ title: "Nothing cost it trust", hint: "No violation, failed check, error burst, missed beat or anomaly in this time." }),
    columns: [
      { key: "delta", label: "Trust", align: "right", render: (row) => (row.delta === null ? "–" : h("strong", {}, `${row.delta > 0 ? "+" : "−"}${Math.abs(row.delta).toFixed(3)}`)) },
      { key: "kind", label: "Event", render: (row) => badge(moverName(row.kind), row.kind === "violation" ? "bad" : "warn") },
      { key: "text", label: "What", head: true, class: "agent-words", render: (row) => h("a", { href: moverHref(id, row.kind) }, row.text) },
      { key: "at", label: "When", render: (row) => time(row.at) },
      { key: "weight", label: "Weighs now", align: "right", render: (row) => `${number(Math.round(row.weight * 10) / 10)} ${row.unit}` },
    ],
  }).element;
}

/** Where the events of a kind are listed. @param {string} id @param {string} kind */
function moverHref(id, kind) {
  return agentHref(id, kind === "violation" ? { tab: "violations", range: "30d" } : kind === "gap" ? {} : { tab: "metrics", range: "7d" });
}
