// @ts-check
/** The silences in force: what they keep quiet, until when, who made them and why. */
import { get, post } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { ago, number, time } from "../../core/format.js";
import { button, card, confirm, empty, section, table, toast } from "../../core/parts.js";
import { may } from "../../core/store.js";
import { silenceDialog } from "./silence.js";
import { who } from "./words.js";

/** @param {import("../../core/router.js").Context} ctx */
export function silencesTab(ctx) {
  const shown = section(ctx, (signal) => get("/silences", { signal }), (found) => silencesTable(found.silences, () => void shown.reload()), { lines: 5 });
  ctx.every(10_000, () => void shown.reload());
  return card({ title: "Silences in force", flush: true, children: shown, actions: newSilence(() => void shown.reload()) });
}

/** @param {() => void} after */
export function newSilence(after) {
  return may("operator") ? button("New silence", { icon: "plus", onClick: () => void silenceDialog({ after }) }) : null;
}

/** @param {any[]} rows @param {() => void} after */
function silencesTable(rows, after) {
  if (!rows.length) return empty({ title: "No silence is in force", hint: "A silence keeps people from being told of alerts that are known, for a while. What comes again and again belongs into the rules, as a maintenance window." });
  /** @type {any[]} */
  const columns = [
    { key: "matchers", label: "Keeps quiet", head: true, render: (/** @type {any} */ row) => h("div", { class: "chips" }, row.matchers.map((/** @type {string} */ each) => h("code", { class: "chip" }, each))) },
    { key: "alerts", label: "Fit now", align: "right", render: (/** @type {any} */ row) => number(row.alerts.length) },
    { key: "until", label: "Ends", render: (/** @type {any} */ row) => h("span", {}, ago(row.until), h("span", { class: "muted small" }, " · ", time(row.until))) },
    { key: "by", label: "By", render: (/** @type {any} */ row) => who(row.by) },
    { key: "comment", label: "Why", render: (/** @type {any} */ row) => h("span", { class: "wrap-anywhere" }, row.comment || "–") },
  ];
  if (may("operator")) columns.push({ key: "end", label: "", render: (/** @type {any} */ row) => button("End", { small: true, kind: "danger", onClick: () => end(row, after) }) });
  return table({ caption: "Silences in force", columns, rows, keyOf: (row) => row.id, cards: true }).element;
}

/** @param {any} silence @param {() => void} after */
async function end(silence, after) {
  const sure = await confirm({ title: "End this silence", body: h("p", {}, `People are told of what still fires: ${number(silence.alerts.length)} now.`), action: "End it", danger: true });
  if (!sure) return;
  try {
    await post("/alerts", { action: "unsilence", ids: [silence.id] });
    toast("The silence has ended", "ok");
  } catch (error) {
    toast(String(/** @type {any} */ (error)?.message ?? error), "bad");
  }
  after();
}
