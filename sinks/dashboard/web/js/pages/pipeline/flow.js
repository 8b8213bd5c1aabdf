// @ts-check
/** Who reads what and how far behind they are; what flows through each topic. */
import { lineChart } from "../../core/chart.js";
import { h, replace } from "../../core/dom.js";
import { ago, compact, millis, number } from "../../core/format.js";
import { badge, button, card, dialog, empty, section, table } from "../../core/parts.js";
import { MUCH_LAG } from "./figures.js";

/** @param {import("../../core/router.js").Context} ctx @param {import("../pipeline.js").Feed} feed */
export function flowTab(ctx, feed) {
  const groups = groupTable();
  const topics = topicTable();
  const charts = chartsOf();
  const note = h("span", {});
  const trouble = h("div", {});
  const whole = h("div", { class: "stack" }, trouble, charts.element, card({ title: "Readers", note, flush: true, children: groups.element }), card({ title: "Topics", flush: true, children: topics.element }));
  const body = section(ctx, feed.read, (told) => {
    replace(note, told.as_of ? ["read ", ago(told.as_of)] : "not read yet");
    groups.update(told.groups);
    topics.update(told.topics);
    charts.update(told.history);
    trouble.hidden = !told.trouble;
    replace(trouble, told.trouble ? card({ children: empty({ title: "Offsets cannot be read", hint: `${told.trouble}. It is tried again; what is below may be old.` }) }) : null);
    return whole;
  }, { lines: 8 });
  feed.onNews(() => void body.reload());
  return body;
}

function chartsOf() {
  const rate = lineChart({ label: "Events in", unit: "events/s", series: [], showLabel: false, height: 160, min: 0 });
  const lag = lineChart({ label: "Lag by reader", unit: "records", series: [], showLabel: false, height: 160, min: 0 });
  return {
    element: h("div", { class: "columns-2" }, card({ title: "Events in", children: rate.element }), card({ title: "Records behind", children: lag.element })),
    /** @param {any[]} history */
    update(history) {
      const names = Object.keys(history.at(-1)?.lag ?? {});
      const at = (/** @type {any} */ point) => millis(point.at) ?? 0;
      rate.update({ series: [{ name: "Events in", points: history.map((point) => [at(point), point.records_per_s]) }] });
      lag.update({ series: names.map((name) => ({ name: short(name), points: history.map((point) => [at(point), point.lag[name] ?? null]) })) });
    },
  };
}

/** @param {string} group */
const short = (group) => group.replace(/^fleetpulse-/, "");

/** @param {number} lag */
function lagBadge(lag) {
  if (lag === 0) return badge("caught up", "ok");
  return lag > MUCH_LAG ? badge(`${compact(lag)} behind`, "warn") : h("span", {}, `${number(lag)} behind`);
}

function groupTable() {
  return table({
    caption: "Readers and their lag", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.group, cards: true,
    columns: [
      { key: "reader", label: "Reader", head: true, render: (row) => h("span", { class: "wrap-anywhere" }, row.reader) },
      { key: "group", label: "Consumer group", render: (row) => h("code", { class: "wrap-anywhere" }, row.group) },
      { key: "lag", label: "Lag", unit: "records", align: "right", render: (row) => lagBadge(row.lag) },
      { key: "topics", label: "Partitions", align: "right", render: (row) => (row.topics.length ? button("Show", { small: true, kind: "quiet", title: `Partitions that ${row.reader} reads`, onClick: () => showPartitions(row) }) : h("span", { class: "muted" }, "nothing to read")) },
    ],
    empty: empty({ title: "No readers yet", hint: "The broker is being asked." }),
  });
}

/** @param {any} group */
function showPartitions(group) {
  const rows = group.topics.flatMap((/** @type {any} */ each) => each.partitions.map((/** @type {any} */ part) => ({ ...part, topic: each.topic })));
  rows.sort((/** @type {any} */ one, /** @type {any} */ other) => other.lag - one.lag);
  const list = table({
    caption: `Partitions of ${group.reader}`, rows, compact: true, keyOf: (row) => `${row.topic}/${row.partition}`,
    columns: [
      { key: "topic", label: "Topic", head: true },
      { key: "partition", label: "Partition", align: "right" },
      { key: "committed", label: "Committed", align: "right", render: (row) => (row.committed === null ? h("span", { class: "muted" }, "never") : number(row.committed)) },
      { key: "end", label: "End", align: "right", render: (row) => number(row.end) },
      { key: "lag", label: "Lag", align: "right", render: (row) => number(row.lag) },
    ],
  });
  dialog({ title: `Partitions: ${group.reader}`, body: list.element, wide: true, actions: [{ label: "Close" }] });
}

function topicTable() {
  return table({
    caption: "Topics", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.topic, sort: { key: "records_per_s", order: "desc" },
    columns: [
      { key: "topic", label: "Topic", head: true, sort: true, render: (row) => h("code", {}, row.topic) },
      { key: "records_per_s", label: "Rate", unit: "records/s", align: "right", sort: true, render: (row) => number(row.records_per_s, 1) },
      { key: "records", label: "Records", unit: "so far", align: "right", sort: true, render: (row) => compact(row.records) },
      { key: "written_by", label: "Written by", sort: true },
      { key: "summary", label: "Holds", class: "pipeline-words" },
    ],
  });
}
