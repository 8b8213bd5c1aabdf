// @ts-check
/** Line icons on a 16-unit grid, drawn here; decorative, so hidden from screen readers: words stand beside them. */
import { svg } from "./dom.js";

/** @type {Record<string, string>} */
const PATHS = {
  overview: "M2 9.5h2.6L6.4 4l3 9 2-5.5h2.6",
  agents: "M5.5 7.2a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6ZM1.8 13.4c0-2.4 1.6-3.9 3.7-3.9s3.7 1.5 3.7 3.9M10.4 3a2.2 2.2 0 0 1 0 4.1M11.6 9.8c1.6.5 2.6 1.8 2.6 3.6",
  topology: "M8 2v4M8 6 3.5 10M8 6l4.5 4M6.5 2h3v3h-3zM2 10h3v3.5H2zM11 10h3v3.5h-3z",
  hosts: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01M8 5h3M8 11h3",
  alerts: "M8 2.2a3.8 3.8 0 0 0-3.8 3.8c0 4-1.7 5-1.7 5h11s-1.7-1-1.7-5A3.8 3.8 0 0 0 8 2.2ZM6.7 13.3a1.5 1.5 0 0 0 2.6 0",
  rules: "M3 3.5h10M3 8h6M3 12.5h4M11.5 8.5l3 3-3 3",
  governance: "M8 1.8 13 3.6v4c0 3.3-2.1 5.6-5 6.6-2.9-1-5-3.3-5-6.6v-4ZM5.7 8l1.7 1.7 3-3.2",
  analytics: "M2.5 2.5v11h11M5.5 10.5V8M8.5 10.5V5M11.5 10.5V7",
  sql: "M2.5 4.2c0-1.1 2.5-2 5.5-2s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2ZM2.5 4.2v7.6c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4.2M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2",
  pipeline: "M2 8h2.5M7 8h2.5M12 8h2M4.5 6h2.5v4H4.5zM9.5 6H12v4H9.5z",
  settings: "M2 4.5h6M11.5 4.5H14M2 11.5h2.5M8 11.5h6M8 3h3v3H8zM4.5 10h3v3h-3z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3 14 14",
  menu: "M2.5 4h11M2.5 8h11M2.5 12h11",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  moon: "M13.3 9.8A5.6 5.6 0 0 1 6.2 2.7a5.6 5.6 0 1 0 7.1 7.1Z",
  auto: "M8 2.2a5.8 5.8 0 1 0 0 11.6ZM8 2.2a5.8 5.8 0 0 1 0 11.6",
  user: "M8 7.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4ZM3 13.8c0-2.7 2.1-4.4 5-4.4s5 1.7 5 4.4",
  ok: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.4 8.2l1.8 1.8 3.5-3.7",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.3v3.7M8 5h.01",
  warn: "M8 2.3 14.3 13.3H1.7ZM8 6.5v3.2M8 11.5h.01",
  bad: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.9 5.9l4.2 4.2M10.1 5.9 5.9 10.1",
  critical: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5ZM8 5v3.7M8 11h.01",
  muted: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.5 8h5",
  late: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.7V8l2.2 1.6",
  degraded: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM4.8 6.5 8 9.5l3.2-3",
  sortUp: "M4.5 9.5 8 6l3.5 3.5",
  sortDown: "M4.5 6.5 8 10l3.5-3.5",
  next: "M6 3.5 10.5 8 6 12.5",
  previous: "M10 3.5 5.5 8l4.5 4.5",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  download: "M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M2.5 13.5h11",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5",
  external: "M9 2.5h4.5V7M13.5 2.5 7.5 8.5M11.5 9.5v4h-9v-9h4",
  more: "M3.5 7.6a.4.4 0 1 0 .01 0ZM8 7.6a.4.4 0 1 0 .01 0ZM12.5 7.6a.4.4 0 1 0 .01 0Z",
  table: "M2.5 3h11v10h-11zM2.5 6.5h11M2.5 9.8h11M6.5 3v10",
  filter: "M2 3.5h12L9.5 8.8v4.2l-3-1.5V8.8Z",
  print: "M4.5 6V2.5h7V6M4.5 11.5h-2V6h11v5.5h-2M4.5 9.5h7v4h-7z",
  plus: "M8 3v10M3 8h10",
  up: "M8 13V3.5M4 7.5l4-4 4 4",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
};

/**
 * @param {string} name of the set; an unknown one is an empty picture
 * @param {string} [className]
 */
export function icon(name, className = "") {
  const path = svg("path", { d: PATHS[name] ?? "" });
  return svg("svg", { class: `icon ${className}`.trim(), viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, path);
}
