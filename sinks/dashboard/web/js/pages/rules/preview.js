// @ts-check
/** What the text would have raised on the past: a replay on the server, told as it goes, ended when one leaves. */
import { ask } from "../../core/api.js";
import { histogram } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { compact, duration_s, number, percent, time, timeText } from "../../core/format.js";
import { agentHref } from "../../core/paths.js";
import { button, card, empty, failed, stat, table } from "../../core/parts.js";
import { previewControls } from "./editor.js";

const HOUR_MS = 3_600_000;
const MOST_SHOWN = 50;

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {() => string} text what is tried
 * @param {string | null} since begin of what can be replayed
 */
export function preview(ctx, text, since) {
  const shown = h("div", { class: "stack" });
  /** @type {AbortController | null} */
  let running = null;
  const controls = previewControls(() => start(), since);
  ctx.onLeave(() => running?.abort());

  async function start() {
    running?.abort();
    const mine = (running = new AbortController());
    const told = progress(() => mine.abort());
    replace(shown, told.element);
    const body = { yaml: text(), hours: Number(controls.hours.value), agent: controls.agent.value.trim() || "*" };
    try {
      for await (const news of lines("/api/rules/preview", body, mine.signal)) {
        if (news.event === "progress") told.update(news);
        if (news.event === "done") replace(shown, result(news.result, body.hours));
        if (news.event === "failed") replace(shown, empty({ title: "The replay did not come to its end", hint: news.detail }));
      }
    } catch (error) {
      if (ctx.signal.aborted) return;
      replace(shown, mine.signal.aborted ? h("p", { class: "muted" }, "Stopped.") : failed(error, () => void start()));
    } finally {
      if (running === mine) running = null;
    }
  }

  const about = h("p", { class: "quiet small" }, "Replays what arrived in the lake through these rules and the alert manager's decisions, and compares with what was raised then. Nobody is told. A replay begins without memory: its first minutes know no baselines.");
  return { element: card({ title: "Try it on the past", children: h("div", { class: "stack" }, about, controls.element, shown) }), enable: (/** @type {boolean} */ on) => void (controls.press.disabled = !on) };
}

/**
 * The JSON lines of an answer as they come.
 * @param {string} path @param {any} body @param {AbortSignal} signal
 * @returns {AsyncGenerator<any>}
 */
async function* lines(path, body, signal) {
  const answer = await ask("POST", path, body, { signal, headers: { accept: "application/x-ndjson, application/json" } });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

/** @param {() => void} stop */
function progress(stop) {
  const bar = /** @type {HTMLProgressElement} */ (h("progress", { class: "progress", max: "1", "aria-label": "Replayed" }));
  const said = h("span", { class: "quiet small", role: "status" }, "Beginning…");
  const element = h("div", { class: "stack-tight" }, bar, h("div", { class: "spread" }, said, button("Stop", { small: true, onClick: stop })));
  return { element, update: (/** @type {any} */ news) => {
    bar.value = news.share;
    replace(said, `${percent(news.share, 0)}, up to ${timeText(news.at)}: ${compact(news.rows)} events, ${number(news.alerts)} alerts${news.left_s ? `, about ${duration_s(Math.ceil(news.left_s))} left` : ""}`);
  } };
}

/** @param {any} found @param {number} hours */
function result(found, hours) {
  const rows = Object.entries(found.rules).map(([name, counts]) => ({ name, .../** @type {any} */ (counts) }));
  const sum = (/** @type {string} */ key) => rows.reduce((total, row) => total + row[key], 0);
  const fired = sum("would_fire");
  return [
    h("div", { class: "grid-stats" }, stat({ label: "Would fire", value: number(fired), unit: `in ${duration_s(hours * 3_600)}` }), stat({ label: "Raised then, too", value: number(sum("matched")) }),
      stat({ label: "New by these rules", value: number(sum("only_now")), tone: sum("only_now") ? "warn" : undefined }), stat({ label: "Raised then, not now", value: number(sum("only_then")) })),
    fired ? perHour(found.per_hour, hours) : null,
    rows.length ? byRule(rows) : empty({ title: "Nothing would have fired", hint: `${number(found.rows)} events were replayed.` }),
    examples("New by these rules", found.only_now), examples("Raised then, not by these rules", found.only_then), notes(found),
  ];
}

/** @param {Record<string, [string, number][]>} given @param {number} hours */
function perHour(given, hours) {
  const end = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
  const count = Math.min(hours + 1, 24 * 7 + 1);
  const bins = Array.from({ length: count }, () => 0);
  for (const row of Object.values(given)) for (const [at, fired] of row) {
    const bin = count - 1 - Math.floor((end - 1 - Date.parse(at)) / HOUR_MS);
    if (bin >= 0 && bin < count) bins[bin] += fired;
  }
  return histogram({ label: "Alerts that would begin, by the hour", bins, from: end - count * HOUR_MS, to: end, what: "alerts", format: (at) => timeText(at) }).element;
}

/** @param {any[]} rows */
function byRule(rows) {
  /** @type {any[]} */
  const columns = [
    { key: "name", label: "Rule", head: true, sort: true },
    { key: "would_fire", label: "Would fire", align: "right", sort: true, render: (/** @type {any} */ row) => number(row.would_fire) },
    { key: "matched", label: "Then, too", align: "right", sort: true, render: (/** @type {any} */ row) => number(row.matched) },
    { key: "only_now", label: "New", align: "right", sort: true, render: (/** @type {any} */ row) => number(row.only_now) },
    { key: "only_then", label: "No longer", align: "right", sort: true, render: (/** @type {any} */ row) => number(row.only_then) },
  ];
  return table({ caption: "What would have fired, by rule", columns, rows, keyOf: (row) => row.name, sort: { key: "would_fire", order: "desc" }, compact: true }).element;
}

/** @param {string} title @param {any[]} rows */
function examples(title, rows) {
  if (!rows.length) return null;
  /** @type {any[]} */
  const columns = [
    { key: "started_at", label: "Began", render: (/** @type {any} */ row) => time(row.started_at) },
    { key: "name", label: "Rule", head: true },
    { key: "agent_id", label: "Of", render: (/** @type {any} */ row) => h("a", { class: "wrap-anywhere", href: agentHref(row.agent_id) }, row.agent_id) },
    { key: "metric", label: "Metric", render: (/** @type {any} */ row) => h("span", { class: "nowrap" }, row.metric || "–") },
    { key: "why", label: "Note", render: (/** @type {any} */ row) => h("span", { class: "quiet" }, row.why ?? "–") },
  ];
  const more = rows.length >= MOST_SHOWN ? h("p", { class: "muted small" }, `The first ${MOST_SHOWN} are shown.`) : null;
  return h("details", { class: "examples" }, h("summary", {}, `${title}: ${rows.length >= MOST_SHOWN ? "examples" : number(rows.length)}`), table({ caption: title, columns, rows, compact: true, cards: true }).element, more);
}

/** @param {any} found */
function notes(found) {
  const said = [`${number(found.rows)} events in ${duration_s(found.seconds)}`];
  if (found.gaps) said.push(`${number(found.gaps)} times nothing arrived for a minute or more`);
  if (found.rules_not_replayed.length) said.push(`about many agents, not replayed: ${found.rules_not_replayed.join(", ")}`);
  for (const [reason, count] of Object.entries(found.reasons)) said.push(`${number(Number(count))} stand alone: ${reason}`);
  return h("ul", { class: "notes muted small" }, said.map((each) => h("li", {}, each)));
}
