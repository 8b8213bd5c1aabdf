// @ts-check
/** What was run, kept in this browser for the person who ran it, until they sign out. */
import { h, replace } from "../../core/dom.js";
import { ago, number } from "../../core/format.js";
import { badge, button, empty } from "../../core/parts.js";
import { ownPlace } from "../../core/store.js";

/** @typedef {{sql: string, at: number, rows: number | null, took_ms: number, error: string}} Run */
const MOST = 50;
const LONGEST = 8_000;

const place = () => ownPlace("sql");

/** @returns {Run[]} the newest first */
export function runs() {
  try {
    const found = JSON.parse(localStorage.getItem(place()) ?? "[]");
    return Array.isArray(found) ? found.filter((each) => typeof each?.sql === "string" && typeof each?.at === "number") : [];
  } catch {
    return [];
  }
}

/** @param {Run} run */
export function remember(run) {
  const others = runs().filter((each) => each.sql !== run.sql);
  keep([{ ...run, sql: run.sql.slice(0, LONGEST) }, ...others].slice(0, MOST));
}

/** @param {Run[]} kept */
function keep(kept) {
  try {
    localStorage.setItem(place(), JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing (private, full) still runs questions: only the history is missing then.
  }
}

/** The list of what was run. @param {(sql: string) => void} onOpen */
export function historyList(onOpen) {
  const root = h("div");
  function draw() {
    const found = runs();
    if (!found.length) return void replace(root, empty({ title: "Nothing was run yet", hint: "What you run is kept here, in this browser, until you sign out." }));
    replace(root, h("ul", { class: "sql-history" }, found.map((run) => h("li", {}, h("button", { type: "button", class: "sql-past", title: run.sql, on: { click: () => onOpen(run.sql) } }, run.sql),
      h("span", { class: "saved-about" }, ago(run.at), run.error ? badge("failed", "bad") : `${number(run.rows)} rows, ${number(run.took_ms, 0)} ms`)))),
    button("Forget all", { small: true, kind: "quiet", onClick: () => {
      keep([]);
      draw();
    } }));
  }
  draw();
  return { element: root, draw };
}
