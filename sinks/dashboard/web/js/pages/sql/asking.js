// @ts-check
/** A question that runs: how long already, the way to end it, what came of it. */
import { ApiError, download, post } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { button, empty, failed, select, toast } from "../../core/parts.js";
import { remember } from "./history.js";
import { resultOf } from "./result.js";
import { unitsOf } from "./tokens.js";

const LIMITS = /** @type {[string, string][]} */ ([["100", "100 rows"], ["1000", "1,000 rows"], ["10000", "10,000 rows"]]);

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {() => import("./editor.js").Editor} editing
 * @param {() => void} onRan
 */
export function asking(ctx, editing, onRan) {
  /** @type {AbortController | null} */
  let running = null;
  let limit = "1000";
  const said = h("span", { class: "sql-said", role: "status" });
  const answer = h("div", { class: "sql-answer" }, empty({ title: "No question yet", hint: "Write one SELECT and press Ctrl+Enter. The tables at the side say what there is." }));
  const go = button("Run", { kind: "primary", title: "Ctrl+Enter", onClick: () => void run() });
  const stop = button("Cancel", { onClick: () => running?.abort() });
  const files = [button("CSV", { icon: "download", small: true, onClick: () => file("csv") }), button("Parquet", { icon: "download", small: true, onClick: () => file("parquet") })];
  const bar = h("div", { class: "sql-bar" }, go, stop, select({ options: LIMITS, value: limit, label: "Rows at most", onChange: (value) => void (limit = value) }), said, h("span", { class: "sql-files" }, files));
  stop.hidden = true;
  ctx.onLeave(() => running?.abort());

  /** @param {boolean} on */
  function busy(on) {
    go.hidden = on;
    stop.hidden = !on;
    answer.setAttribute("aria-busy", String(on));
    for (const each of files) each.disabled = on;
  }

  const asked = () => editing().chosen().trim().replace(/;\s*$/, "");

  async function run() {
    await working(asked(), async (sql, signal) => {
      const told = await post("/api/sql", { sql, limit: Number(limit) }, { signal, exact: true });
      said.textContent = `${number(told.row_count)} ${told.row_count === 1 ? "row" : "rows"}${told.truncated ? ", there are more" : ""} in ${number(told.took_ms, 0)} ms`;
      replace(answer, resultOf(ctx, told));
      remember({ sql, at: Date.now(), rows: told.row_count, took_ms: told.took_ms, error: "" });
    });
  }

  /** One thing at a time, with the seconds that it takes and the way to end it. @param {string} sql @param {(sql: string, signal: AbortSignal) => Promise<void>} work */
  async function working(sql, work) {
    if (running || !sql) return;
    const mine = (running = new AbortController());
    const began_ms = performance.now();
    const seconds = () => (said.textContent = `running for ${number((performance.now() - began_ms) / 1000, 1)} s`);
    const ticking = setInterval(seconds, 100);
    busy(true);
    seconds();
    editing().mark(null);
    try {
      await work(sql, mine.signal);
    } catch (error) {
      if (mine.signal.aborted) said.textContent = `cancelled after ${number((performance.now() - began_ms) / 1000, 1)} s`;
      else wrong(sql, error, performance.now() - began_ms);
    } finally {
      clearInterval(ticking);
      running = null;
      busy(false);
      onRan();
    }
  }

  /** @param {string} sql @param {unknown} error @param {number} took_ms */
  function wrong(sql, error, took_ms) {
    const found = error instanceof ApiError ? error.errors.find((each) => typeof each.position === "number") : null;
    const detail = error instanceof Error ? error.message : String(error);
    said.textContent = found ? `a mistake in line ${found.line}, column ${found.column}` : "";
    replace(answer, error instanceof ApiError && error.status === 422 ? mistake(detail, found) : failed(error, () => void run()));
    if (found) editing().mark({ at: placeOf(sql, found.position), message: detail });
    remember({ sql, at: Date.now(), rows: null, took_ms, error: detail });
  }

  /** Where in the editor a place of the text that was sent is: a selection may have been sent. @param {string} sql @param {number} position */
  function placeOf(sql, position) {
    const whole = editing().text();
    return Math.max(0, whole.indexOf(sql)) + unitsOf(sql, position);
  }

  /** @param {"csv" | "parquet"} format */
  const file = (format) => working(asked(), async (sql, signal) => {
    const headers = await download("/api/sql/export", { sql }, { params: { format }, signal });
    const count = Number(headers.get("x-row-count"));
    const rows = `${number(count)} ${count === 1 ? "row" : "rows"}`;
    const cut = headers.get("x-truncated") === "true";
    said.textContent = "";
    toast(`Saved as ${format === "csv" ? "CSV" : "Parquet"}: ${cut ? `the first ${rows}, there are more` : rows}`, cut ? "warn" : "ok");
  });

  return { bar, answer, run };
}

/** DuckDB's words and where they are about. @param {string} detail @param {any} found */
function mistake(detail, found) {
  return h("div", { class: "failed", role: "alert" }, h("div", {},
    h("p", { class: "failed-title" }, found ? `Line ${found.line}, column ${found.column}` : "The question cannot be run"),
    h("p", { class: "failed-hint mono wrap-anywhere" }, detail)));
}
