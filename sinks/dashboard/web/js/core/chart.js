// @ts-check
/** Every chart by one name to import from; each lives in chart/. ECharts is loaded when the first line chart is drawn. */
export { barChart, stackedBar } from "./chart/bars.js";
export { histogram } from "./chart/histogram.js";
export { lineChart } from "./chart/line.js";
export { legend } from "./chart/frame.js";
export { ZOOM_HINT } from "./chart/zoom.js";
export { sparkline, timelineBand } from "./chart/small.js";
