// @ts-check
/** Flagged values of an agent: what was expected, how far out they were, and which evidence said so. */
import { h } from "../../core/dom.js";
import { number, percent, time } from "../../core/format.js";
import { button, card, empty, keyValue, table } from "../../core/parts.js";
import { dialog } from "../../core/parts.js";
import { bandOf, distanceText, metricName, strongestTerm, TERMS } from "./words.js";

/** @param {import("./asked.js").Asked} asked @param {{items: any[], next: string | null}} page AnomalyPage */
export function flagsCard(asked, page) {
  return card({
    title: "Flagged values",
    flush: true,
    note: page.next ? "the newest of the range" : "all of the range",
    children: table({
      caption: "Flagged values",
      rows: page.items,
      keyOf: (row) => row.event_id,
      cards: true,
      empty: empty({ title: "Nothing was flagged", hint: "Every value of this range fitted its own past." }),
      columns: [
        { key: "timestamp", label: "When", sort: true, render: (row) => time(row.timestamp) },
        { key: "metric", label: "Metric", sort: true, head: true, render: (row) => metricName(row.metric) },
        { key: "value", label: "Value", align: "right", sort: true, render: (row) => h("strong", {}, number(row.value)) },
        { key: "expected", label: "Expected", align: "right", render: (row) => [number(row.expected), bandText(row)] },
        { key: "distance", label: "Outside by", class: "agent-words", render: (row) => distanceText(row) },
        { key: "score", label: "Evidence", align: "right", sort: true, render: (row) => [number(row.score), h("span", { class: "muted" }, ` of ${number(row.threshold)}`)] },
        { key: "why", label: "Why", render: (row) => button("Why", { small: true, kind: "quiet", title: `Why ${metricName(row.metric)} was flagged`, onClick: () => why(row) }) },
      ],
    }).element,
  });
}

/** @param {any} flag Anomaly */
function bandText(flag) {
  const band = bandOf(flag);
  return band && h("span", { class: "muted" }, ` (${number(band.lower)} to ${number(band.upper)})`);
}

/** The rest of the sentence. @param {any} flag Anomaly */
function remarkable(flag) {
  const band = bandOf(flag);
  if (!band) return `; ${distanceText(flag)}.`;
  return `, ${number(band.lower)} to ${number(band.upper)} would not have been remarkable. It lies ${distanceText(flag)}.`;
}

/** @param {any} flag Anomaly */
function why(flag) {
  const strongest = strongestTerm(flag);
  dialog({
    title: `Why ${metricName(flag.metric)} was flagged`,
    body: h("div", { class: "stack" },
      h("p", {}, `The value ${number(flag.value)} came at `, time(flag.timestamp), `; ${number(flag.expected)} was expected${remarkable(flag)}`),
      h("p", {}, `The evidence adds up to ${number(flag.score)}; ${number(flag.threshold)} is enough for a flag.`, strongest ? ` Most of it is the ${strongest}.` : ""),
      keyValue(TERMS.map(([key, label]) => [label.charAt(0).toUpperCase() + label.slice(1), number(flag[key])])),
      flag.confidence === null ? null : h("p", { class: "muted" }, `Confidence ${percent(flag.confidence, 0)}.`)),
    actions: [{ label: "Close", kind: "primary" }],
  });
}
