// @ts-check
/** What ECharts is told for a line chart. Lines differ by dash as well as by colour. */
import { millis, number, timeText } from "../format.js";
import { boundsOf, scaleOf } from "./scale.js";

/** @typedef {import("./line.js").LineOptions} LineOptions */
/** @typedef {(name: string) => string} Colours a custom property of the theme, as a colour */

/** @type {("solid" | "dashed" | "dotted")[]} */
export const DASHES = ["solid", "dashed", "dotted"];
const FONT_PX = 12;
/** What stands beneath the axis of time, by how far its marks are apart: a bare "22" would not say that it is a day. */
const TIMES = { year: "{yyyy}", month: "{MMM} {yyyy}", day: "{d} {MMM}", hour: "{HH}:{mm}", minute: "{HH}:{mm}", second: "{HH}:{mm}:{ss}", millisecond: "{HH}:{mm}:{ss}" };

/** @param {LineOptions} options @param {Colours} colours */
export function optionOf(options, colours) {
  const { series, range, format = number } = options;
  const bounds = boundsOf(options);
  const text = { color: colours("--text-faint"), fontSize: FONT_PX, fontFamily: colours("--font") };
  return {
    animation: false,
    textStyle: text,
    grid: { left: 8, right: 16, top: 14, bottom: 4, containLabel: true },
    tooltip: tooltip(options, colours, format),
    toolbox: { show: false },
    brush: options.onBrush ? { toolbox: [], xAxisIndex: 0, brushStyle: { color: colours("--accent-soft"), borderColor: colours("--accent"), opacity: 0.5 } } : undefined,
    xAxis: { type: "time", min: range ? millis(range.from) : undefined, max: range ? millis(range.to) : undefined, axisLine: { lineStyle: { color: colours("--line") } }, axisTick: { show: false }, axisLabel: { ...text, hideOverlap: true, formatter: TIMES }, splitLine: { show: false } },
    yAxis: { type: "value", ...scaleOf(options), axisLabel: { ...text, formatter: (/** @type {number} */ value) => format(value) }, splitLine: { lineStyle: { color: colours("--line") } } },
    series: [...series.flatMap((each, at) => [...bandOf(each, at, colours, bounds), lineOf(each, at, colours), ...flagsOf(each, colours)]), ...limits(options, colours)],
  };
}

/** @param {import("./line.js").Series} series @param {number} at @param {Colours} colours */
const colourOf = (series, at, colours) => colours(series.tone ? `--${series.tone}-fill` : `--c${(at % 8) + 1}`);

/** @param {import("./line.js").Series} series @param {number} at @param {Colours} colours */
function lineOf(series, at, colours) {
  return { id: `line-${at}`, name: series.name, type: "line", data: withLonePoints(series.points), symbol: "none", showSymbol: true, symbolSize: 5, connectNulls: false, sampling: "lttb", z: 3,
    lineStyle: { width: 1.75, type: series.dash ?? DASHES[at % DASHES.length] }, color: colourOf(series, at, colours), emphasis: { disabled: true } };
}

/** A point without a neighbour would draw no line: it gets a dot. @param {import("./line.js").Point[]} points */
function withLonePoints(points) {
  const gap = (/** @type {number} */ at) => (points[at]?.[1] ?? null) === null;
  return points.map((point, at) => (point[1] !== null && gap(at - 1) && gap(at + 1) ? { value: point, symbol: "circle" } : point));
}

/** @param {import("./line.js").Series} series @param {number} at @param {Colours} colours @param {[number, number]} bounds */
function bandOf(series, at, colours, [least, most]) {
  if (!series.band?.length) return [];
  const shared = { type: "line", stack: `band-${at}`, stackStrategy: "all", symbol: "none", silent: true, z: 1, lineStyle: { opacity: 0 }, tooltip: { show: false }, emphasis: { disabled: true } };
  return [
    { ...shared, id: `low-${at}`, data: series.band.map(([when, low]) => [when, low === null ? null : Math.max(least, low)]) },
    { ...shared, id: `high-${at}`, areaStyle: { color: colourOf(series, at, colours), opacity: 0.16 }, data: series.band.map(([when, low, high]) => [when, low === null || high === null ? null : Math.min(most, high) - Math.max(least, low)]) },
  ];
}

/** @param {import("./line.js").Series} series @param {Colours} colours */
function flagsOf(series, colours) {
  if (!series.flags?.length) return [];
  return [{ type: "scatter", name: `${series.name} stood out`, symbol: "diamond", symbolSize: 9, z: 5, color: colours("--bad-fill"), itemStyle: { borderColor: colours("--surface"), borderWidth: 1 },
    data: series.flags.map((flag) => ({ value: [flag.at, flag.value], said: flag.text })) }];
}

/** @param {LineOptions} options @param {Colours} colours */
function limits({ thresholds = [] }, colours) {
  if (!thresholds.length) return [];
  const data = thresholds.map((each) => ({ yAxis: each.value, lineStyle: { color: colours(`--${each.tone ?? "bad"}-fill`), type: "dashed", width: 1 }, label: { formatter: each.label.replace(/[{}]/g, ""), color: colours("--text-quiet"), fontSize: FONT_PX, position: "insideEndTop" } }));
  return [{ type: "line", data: [], silent: true, markLine: { symbol: "none", silent: true, animation: false, data } }];
}

/** @param {LineOptions} options @param {Colours} colours @param {(value: number) => string} format */
function tooltip(options, colours, format) {
  return {
    trigger: "axis",
    renderMode: "richText",
    confine: true,
    backgroundColor: colours("--raised"),
    borderColor: colours("--line-strong"),
    borderWidth: 1,
    padding: [8, 10],
    textStyle: { color: colours("--text"), fontSize: FONT_PX, fontFamily: colours("--font"), lineHeight: 18 },
    axisPointer: { type: "line", lineStyle: { color: colours("--line-strong") } },
    formatter: (/** @type {any[]} */ found) => said(found, options.unit ?? "", format),
  };
}

/** @param {any[]} found @param {string} unit @param {(value: number) => string} format */
function said(found, unit, format) {
  const shown = found.filter((each) => each.seriesName && !/^series\d/.test(each.seriesName));
  if (!shown.length) return "";
  const lines = shown.map((each) => {
    const value = each.value?.[1];
    const flag = each.data?.said ? `: ${each.data.said}` : "";
    return `${each.seriesName}  ${value === null || value === undefined ? "–" : format(value)} ${unit}${flag}`;
  });
  return [timeText(shown[0].value[0], { long: true }), ...lines].join("\n").replace(/[{}|]/g, " ");
}
