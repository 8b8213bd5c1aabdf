// @ts-check
/** Predicted crossings of thresholds, with what each of the three methods says by itself. */
import { h } from "../../core/dom.js";
import { ago, duration_s, number, percent, time } from "../../core/format.js";
import { badge, card, empty, table } from "../../core/parts.js";
import { metricName } from "./words.js";

/** @param {import("./asked.js").Asked} asked @param {{items: any[], next: string | null}} page ForecastPage */
export function forecastsCard(asked, page) {
  return card({
    title: "Forecasts",
    flush: true,
    note: "made within the range, the newest first",
    children: table({
      caption: "Forecasts",
      rows: page.items,
      keyOf: (row) => row.event_id,
      cards: true,
      empty: empty({ title: "No crossing is forecast", hint: "No metric of this agent is expected to cross its threshold." }),
      columns: [
        { key: "metric", label: "Metric", sort: true, head: true, render: (row) => [metricName(row.metric), row.kind === "leak" ? [" ", badge("leak", "warn")] : null] },
        { key: "probability", label: "Probability", align: "right", sort: true, render: (row) => h("strong", {}, percent(row.probability, 0)) },
        { key: "threshold", label: "Crosses", align: "right", render: (row) => [number(row.threshold), h("span", { class: "muted" }, `, was ${number(row.value)}`)] },
        { key: "expected_at", label: "Expected", sort: true, render: (row) => (row.expected_at ? [time(row.expected_at), h("span", { class: "muted" }, " ", ago(row.expected_at))] : h("span", { class: "muted" }, `within ${duration_s(row.horizon_s)}`)) },
        { key: "slope_per_hour", label: "Grows", unit: "per h", align: "right", render: (row) => number(row.slope_per_hour) },
        { key: "methods", label: "By method", class: "agent-words", render: (row) => h("span", { class: "muted" }, `walk ${percent(row.p_walk, 0)}, trend ${percent(row.p_trend, 0)}, habit ${percent(row.p_exceed, 0)}`) },
        { key: "timestamp", label: "Made", sort: true, render: (row) => time(row.timestamp) },
      ],
    }).element,
  });
}
