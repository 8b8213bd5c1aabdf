// @ts-check
/** The pipeline in a handful of figures. */
import { aged, counted } from "../../core/age.js";
import { get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { ago, compact, number } from "../../core/format.js";
import { icon, section, stat } from "../../core/parts.js";
import { pageHref } from "../../core/paths.js";
import { restartedLately } from "./restarts.js";

const LEDGER_MS = 10_000;
/** Offsets are read every few seconds while somebody looks, and the lake is asked beside. */
const READ_EVERY_S = 5;
const COUNTED_EVERY_S = 30;
/** More than so many records to read is worth a look. */
export const MUCH_LAG = 10_000;

/** @param {import("../../core/router.js").Context} ctx @param {import("../pipeline.js").Feed} feed */
export function figures(ctx, feed) {
  const flow = section(ctx, feed.read, (told) => h("div", { class: "grid-stats" }, ofFlow(told)), { lines: 2 });
  feed.onNews(() => void flow.reload());
  const ledger = section(ctx, (signal) => get("/api/overview", { signal }), (told) => (told.ledger ? ofLedger(told.ledger) : null), { lines: 2 });
  ctx.every(LEDGER_MS, () => void ledger.reload());
  return h("div", { class: "stack-tight" }, flow, ledger);
}

/** @param {any} told */
function ofFlow(told) {
  const sent = told.topics.filter((/** @type {any} */ each) => each.written_by === "producers" && each.records_per_s !== null);
  const perSecond = sent.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.records_per_s, 0);
  const worst = [...told.groups].sort((one, other) => other.lag - one.lag)[0];
  const letters = told.dead_letters.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.letters, 0);
  const lagTone = worst && worst.lag > MUCH_LAG ? "warn" : undefined;
  return [
    aged(stat({ label: "Events in", value: sent.length ? number(perSecond, perSecond < 10 ? 1 : 0) : "–", unit: "events/s", note: told.trouble || (sent.length ? ["over 10 s, ", counted(told.as_of, "read")] : "measuring…"), tone: told.trouble ? "bad" : undefined, sign: told.trouble ? icon("bad") : undefined }), told.as_of, READ_EVERY_S),
    aged(stat({ label: "Largest lag", value: worst ? compact(worst.lag) : "–", unit: "records", note: worst ? [worst.reader, ", ", counted(told.as_of, "read")] : undefined, tone: lagTone, sign: lagTone ? icon("warn") : undefined }), told.as_of, READ_EVERY_S),
    atWork(told.parts),
    aged(stat({ label: "Dead letters", value: compact(letters), note: ["of 14 days, ", counted(told.counted_at)], tone: letters ? "warn" : undefined, sign: letters ? icon("warn") : undefined, href: pageHref("pipeline", { tab: "letters" }) }), told.counted_at, COUNTED_EVERY_S),
  ];
}

/** @param {any[]} parts */
function atWork(parts) {
  const troubled = parts.filter((each) => each.status !== "online").length;
  const restarted = restartedLately(parts, Date.now());
  const said = troubled ? `${number(troubled)} not well` : parts.length ? "all well" : "none has beaten yet";
  const [newest] = restarted;
  const news = !newest ? null : restarted.length === 1 ? [", ", newest.process, " restarted ", ago(newest.started_at)] : [`, ${number(restarted.length)} restarted, the last `, ago(newest.started_at)];
  const uneasy = troubled > 0 || restarted.length > 0;
  return stat({ label: "Parts at work", value: parts.length ? `${number(parts.length - troubled)} of ${number(parts.length)}` : "–", tone: uneasy ? "warn" : undefined, sign: uneasy ? icon("warn") : undefined, href: pageHref("pipeline", { tab: "parts" }), note: [said, news] });
}

/** @param {any} ledger */
function ofLedger(ledger) {
  const missing = ledger.missing > 0;
  const figure = (/** @type {string} */ label, /** @type {number} */ value, /** @type {string} */ note, /** @type {{tone?: string, sign?: SVGElement}} */ more = {}) => stat({ label, value: compact(value), unit: "events", note: [note, ", ", counted(ledger.as_of)], ...more });
  return aged(h("div", { class: "grid-stats" },
    figure("Published", ledger.published, "by all agents"),
    figure("Landed", ledger.landed, "in the lake, each once"),
    figure("Missing", ledger.missing, "not landed", missing ? { tone: "bad", sign: icon("bad") } : {}),
    figure("Duplicates", ledger.duplicates, "came twice, kept apart")), ledger.as_of, ledger.every_s);
}
