// @ts-check
/** One run: its steps as bars in their order, what failed, and the turns of the agent within it. */
import { get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { duration_s, millis, number, time } from "../../core/format.js";
import { badge, button, card, keyValue, section, table } from "../../core/parts.js";
import { agentRoute } from "./asked.js";
import { named } from "./named.js";

/** @type {Record<string, import("../../core/parts/badges.js").Tone>} */
const TONES = { success: "ok", failure: "bad", cancelled: "muted", running: "info" };

/** @param {string | null} status of a run or step; none while it goes on */
export const runBadge = (status) => badge(status ?? "running", TONES[status ?? "running"] ?? "muted");

/** @param {import("./asked.js").Asked} asked @param {string} run @param {() => void} close */
export function runPart(asked, run, close) {
  const ask = (/** @type {AbortSignal} */ signal) => Promise.all([
    get(`/v1/runs/${encodeURIComponent(run)}`, { signal }),
    get(agentRoute(asked.id, "lifecycle"), { params: { run, range: "30d", limit: 500 }, signal }),
  ]);
  return card({ title: ["Run ", h("span", { class: "mono agent-words" }, run)], actions: button("Close", { small: true, onClick: close }), children: section(asked.ctx, ask, ([told, life]) => shown(told, life), { class: "stack" }) });
}

/** @param {any} told RunDetail @param {any} life LifecyclePage */
function shown(told, life) {
  const { run, steps, failures } = told;
  return [
    keyValue([
      ["Name", run.name ?? "–"],
      ["Status", runBadge(run.status)],
      ["Started", time(run.started_at)],
      ["Took", duration_s(run.latency_ms === null ? null : run.latency_ms / 1000)],
      ["Steps", number(run.steps)],
      ["Failures", run.failures ? badge(number(run.failures), "bad") : "none"],
    ]),
    named(told.attributes, "Attributes"),
    failures.length ? h("div", {}, h("h3", {}, "What failed"), h("ul", { class: "agent-failures" }, failures.map(failure))) : null,
    h("div", {}, h("h3", {}, "Steps"), stepTable(steps, failures)),
    life.items.length ? h("div", {}, h("h3", {}, "Turns"), turns(life.items)) : null,
  ];
}

/** @param {any} found Failure */
function failure(found) {
  const code = [found.failure_type, found.failure_code].filter(Boolean).join(": ");
  return h("li", {}, badge(code || "failure", "bad"), " ", found.message ?? "no message", h("span", { class: "muted" }, " at ", time(found.at), found.step_id ? ` in step ${found.step_id}` : ""), named(found.attributes));
}

/** @param {any[]} steps @param {any[]} failures */
function stepTable(steps, failures) {
  const longest_ms = Math.max(1, ...steps.map((step) => step.latency_ms ?? 0));
  return table({
    caption: "Steps in their order",
    rows: steps.map((step, at) => ({ ...step, at })),
    keyOf: (row) => row.at,
    compact: true,
    cards: true,
    empty: "It told of no steps.",
    columns: [
      { key: "step_index", label: "No.", align: "right", render: (row) => (row.step_index === null ? row.at + 1 : row.step_index + 1) },
      { key: "name", label: "Step", head: true, class: "agent-words", render: (row) => [row.name ?? row.step_id ?? "–", named(row.attributes)] },
      { key: "status", label: "Status", render: (row) => runBadge(row.status) },
      { key: "latency_ms", label: "Took", class: "agent-took", render: (row) => took(row, longest_ms) },
      { key: "retries", label: "Retries", align: "right", render: (row) => number(row.retries) },
      { key: "failed", label: "Failures", align: "right", render: (row) => number(failures.filter((each) => each.step_id !== null && each.step_id === row.step_id).length) },
    ],
  }).element;
}

/** @param {any} step @param {number} longest_ms */
function took(step, longest_ms) {
  const length_ms = step.latency_ms ?? between_ms(step);
  if (length_ms === null) return "–";
  return h("span", { class: "agent-bar" }, h("span", { class: "agent-bar-fill", "aria-hidden": "true", css: { "--share": Math.min(1, length_ms / longest_ms) } }), h("span", {}, duration_s(length_ms / 1000)));
}

/** @param {any} step */
function between_ms(step) {
  const [from, to] = [millis(step.started_at), millis(step.ended_at)];
  return from === null || to === null ? null : to - from;
}

/** @param {any[]} items LifecycleStep, the newest first */
function turns(items) {
  return table({
    caption: "Turns of the agent within the run",
    rows: [...items].reverse(),
    keyOf: (row) => row.event_id,
    compact: true,
    cards: true,
    columns: [
      { key: "timestamp", label: "When", class: "nowrap", render: (row) => time(row.timestamp) },
      { key: "kind", label: "Event", head: true, render: (row) => row.kind.replaceAll("_", " ") },
      { key: "tool", label: "Tool", class: "agent-words", render: (row) => row.tool ?? "–" },
      { key: "status", label: "Status", render: (row) => (row.status ? runBadge(row.status) : "–") },
      { key: "latency_ms", label: "Took", align: "right", render: (row) => duration_s(row.latency_ms === null ? null : row.latency_ms / 1000) },
      { key: "claimed_health", label: "Says of itself", render: (row) => row.claimed_health ?? "–" },
    ],
  }).element;
}
