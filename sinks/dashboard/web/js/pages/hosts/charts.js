// @ts-check
/** What a probe measured over time: charts that are made once and follow the history. */
import { lineChart } from "../../core/chart.js";
import { h } from "../../core/dom.js";
import { bytes, millis, number } from "../../core/format.js";
import { card } from "../../core/parts.js";

/** @typedef {{bucket_s: number, at: string[], series: Record<string, (number | null)[]>}} History */
/** @typedef {{title: string, unit: string, names: [string, string][], max?: number, limit?: number, format?: (value: number) => string}} Group */

const rate = (/** @type {number} */ value) => `${bytes(value)}/s`;

/** @type {Group[]} */
const GROUPS = [
  { title: "CPU and memory", unit: "%", max: 100, names: [["cpu_usage", "CPU"], ["memory_usage", "Memory"], ["swap_usage", "Swap"]] },
  { title: "Disk in use", unit: "%", max: 100, limit: 90, names: [["disk_usage", "Disk"]] },
  { title: "Network", unit: "bytes/s", format: rate, names: [["network_receive_rate", "Received"], ["network_send_rate", "Sent"]] },
  { title: "Disk traffic", unit: "bytes/s", format: rate, names: [["disk_read_rate", "Read"], ["disk_write_rate", "Written"]] },
  { title: "Load", unit: "1 min", names: [["load_1m", "Load"]] },
  { title: "GPU", unit: "%", max: 100, names: [["gpu_usage", "GPU"], ["gpu_memory_usage", "GPU memory"]] },
];

/** Which charts a history has, as one text. @param {History} history */
export const chartsIn = (history) => shownOf(history).map((group) => group.title).join();

/** @param {History} history */
const shownOf = (history) => GROUPS.filter((group) => group.names.some(([name]) => history.series[name]));

/** Charts of what the history has. @param {History} history @param {{from: string, to: string}} range */
export function historyCharts(history, range) {
  const charts = shownOf(history).map((group) => ({ group, chart: lineChart({
    label: group.title, unit: group.unit, series: seriesOf(group, history), range, showLabel: false, height: 200,
    min: 0, max: group.max ?? null, format: group.format ?? ((value) => number(value, 1)),
    thresholds: group.limit ? [{ value: group.limit, label: `${group.limit} %`, tone: "bad" }] : [],
  }) }));
  return {
    element: h("div", { class: "columns-2" }, charts.map(({ group, chart }) => card({ title: group.title, children: chart.element }))),
    names: chartsIn(history),
    /** @param {History} next @param {{from: string, to: string}} within */
    update(next, within) {
      for (const { group, chart } of charts) chart.update({ series: seriesOf(group, next), range: within });
    },
  };
}

/** @param {Group} group @param {History} history */
function seriesOf(group, history) {
  return group.names.filter(([name]) => history.series[name]).map(([name, label]) => ({ name: label, points: pointsOf(history, history.series[name]) }));
}

/** A bucket that is missing is a gap. @param {History} history @param {(number | null)[]} values @returns {[number, number | null][]} */
function pointsOf(history, values) {
  /** @type {[number, number | null][]} */
  const points = [];
  const step_ms = history.bucket_s * 1000;
  history.at.forEach((at, index) => {
    const now = millis(at) ?? 0;
    const before = points.at(-1);
    if (before && now - before[0] > 2.5 * step_ms) points.push([before[0] + step_ms, null]);
    points.push([now, values[index]]);
  });
  return points;
}
