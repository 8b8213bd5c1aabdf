// @ts-check
/** Counts of the overview, each a link to its list. */
import { aged, counted } from "../../core/age.js";
import { sparkline } from "../../core/chart.js";
import { h } from "../../core/dom.js";
import { compact, duration_s, number, percent } from "../../core/format.js";
import { icon, stat, toneOfSeverity, toneOfStatus } from "../../core/parts.js";
import { agentsHref, alertsHref, governanceHref, pageHref } from "../../core/paths.js";
import { may, me } from "../../core/store.js";

/** @typedef {import("./shape.js").Overview} Overview */

const SIGNS = { online: "ok", late: "late", offline: "bad", degraded: "degraded", unknown: "muted" };
const SAID = { online: "Online", late: "Late", offline: "Offline", degraded: "Degraded", unknown: "Unknown" };

/** Agents, and how they are. @param {Overview} data */
export function statusCounts({ agents, by_status: counts }) {
  const shown = /** @type {(keyof typeof SAID)[]} */ (Object.keys(SAID)).filter((word) => word !== "unknown" || counts.unknown);
  const figures = shown.map((word) => stat({
    label: SAID[word], value: compact(counts[word] ?? 0), href: agentsHref({ status: word }), sign: icon(SIGNS[word]),
    tone: counts[word] || word === "online" ? toneOfStatus(word) : undefined,
    note: agents ? `${percent((counts[word] ?? 0) / agents)} of the fleet` : undefined,
  }));
  return h("div", { class: "grid-stats overview-status" }, stat({ label: "Agents", value: compact(agents), href: agentsHref(), note: "known to the fleet" }), figures);
}

/** One line a word: its sign, its name, its number. @param {string} word @param {number} count @param {string} href @param {string} tone */
function line(word, count, href, tone) {
  return h("li", {}, h("a", { class: `overview-line${count ? ` tone-${tone}` : ""}`, href }, icon(count ? tone : "muted"), h("span", { class: "overview-word" }, word), h("strong", { class: "overview-number" }, number(count))));
}

/** @param {import("../../core/dom.js").Child} value @param {string} href @param {string} label @param {string} note */
function headline(value, href, label, note) {
  return h("a", { class: "overview-headline", href }, h("span", { class: "stat-value" }, value), h("span", { class: "overview-label" }, label), note ? h("span", { class: "stat-note" }, note) : null);
}

/** What is quiet, and why: nobody is told of it, and the list leaves it out. */
const QUIET = { silence: "silenced", maintenance: "in maintenance", inhibited: "inhibited" };

/** Alerts that go on though nobody is told, where there are any. @param {Overview["alerts"]} alerts */
function quietCounts({ quiet }) {
  const words = Object.entries(QUIET).filter(([kind]) => quiet[kind]).map(([kind, word]) => `${number(quiet[kind])} ${word}`);
  return words.length ? h("a", { class: "stat-note overview-quiet", href: alertsHref({ all: "true" }) }, words.join(", ")) : null;
}

/** @param {Overview["alerts"]} alerts */
const handled = ({ whole, total, acknowledged }) => (whole ? (total ? `${number(acknowledged)} acknowledged` : "") : "being read; these may be old");

/** @param {Overview} data */
export function alertCounts({ alerts }) {
  const words = ["critical", "warning", "info"];
  const { total } = alerts;
  return h("div", { class: "overview-counts" },
    h("div", {}, headline(number(total), alertsHref(), total === 1 ? "open alert" : "open alerts", handled(alerts)), quietCounts(alerts)),
    h("ul", { class: "overview-lines" }, words.map((word) => line(word, alerts.by_severity[word] ?? 0, alertsHref({ severity: word }), toneOfSeverity(word)))));
}

/** @param {Overview} data */
export function violationCounts({ violations }) {
  const words = ["critical", "high", "medium", "low"];
  const list = (/** @type {string | undefined} */ severity) => governanceHref({ tab: "violations", range: "1h", severity });
  return h("div", { class: "overview-counts" },
    headline(number(violations.total), list(undefined), violations.total === 1 ? "violation" : "violations", violations.as_of ? "" : "not counted yet"),
    h("ul", { class: "overview-lines" }, words.map((word) => line(word, violations.by_severity[word] ?? 0, list(word), toneOfSeverity(word)))));
}

/** Where one sees what arrives: the pipeline is for operators of the whole fleet. */
export const flowHref = () => (may("operator") && !me?.tenant ? pageHref("pipeline") : pageHref("analytics"));

/** @param {number} value */
const perSecond = (value) => number(value, value > 0 && value < 10 ? 1 : 0);

/** @param {Overview} data */
export function throughputNow({ throughput }) {
  if (!throughput) return h("p", { class: "quiet" }, "Not counted yet: it is read from what lands in the lake.");
  const most = Math.max(...throughput.per_minute);
  return h("div", { class: "overview-flow" },
    headline(perSecond(throughput.events_per_s), flowHref(), "events per second", `mean of the last ${duration_s(throughput.window_s)}`),
    h("div", { class: "overview-spark" }, sparkline(throughput.per_minute, { label: "Events per second, minute by minute in the last hour", tone: "info" })),
    h("p", { class: "small quiet" }, `Most in a minute of the last hour: ${perSecond(most)}/s`));
}

/** @param {Overview} data */
export function deliveryCounts({ ledger }) {
  if (!ledger) return h("p", { class: "quiet" }, "Being added up from the lake.");
  const href = pageHref("delivery");
  const over = ledger.span_s ? `of the last ${duration_s(ledger.span_s)}` : "of all the lake holds";
  const share = ledger.published ? percent((ledger.landed + ledger.expired) / ledger.published, ledger.missing ? 2 : 0) : null;
  return [
    aged(h("div", { class: "grid-stats" },
      stat({ label: "Published", value: compact(ledger.published), unit: "events", href, note: `${compact(ledger.sessions)} sessions` }),
      stat({ label: "Landed", value: compact(ledger.landed), unit: "events", href, note: share ? `${share} of published` : undefined }),
      stat({ label: "Missing", value: number(ledger.missing), unit: "events", href, tone: ledger.missing ? "bad" : "ok", sign: icon(ledger.missing ? "bad" : "ok"), note: ledger.missing ? "by agent, the worst first" : "none" }),
      ledger.expired ? stat({ label: "Expired", value: compact(ledger.expired), unit: "events", href, note: "landed, removed since by retention" }) : null,
      ledger.duplicates === null ? null : stat({ label: "Duplicate", value: number(ledger.duplicates), unit: "events", href, note: "kept apart, counted once" }),
      ledger.dead_letters === null ? null : stat({ label: "Dead letters", value: number(ledger.dead_letters), href: may("operator") && !me?.tenant ? pageHref("pipeline") : href, tone: ledger.dead_letters ? "warn" : undefined, sign: ledger.dead_letters ? icon("warn") : null, note: "not accepted" })), ledger.as_of, ledger.every_s),
    aged(h("p", { class: "small quiet overview-foot" }, `Events ${over}, `, counted(ledger.as_of), ". What has been on its way for less than half a minute is not missing."), ledger.as_of, ledger.every_s),
  ];
}
