// @ts-check
/** Named values that came with an event. */
import { h } from "../../core/dom.js";

/** @param {Record<string, any> | null | undefined} values @param {string} [label] */
export function named(values, label = "Details") {
  const pairs = Object.entries(values ?? {});
  if (!pairs.length) return null;
  return h("details", { class: "agent-named" }, h("summary", {}, `${label} (${pairs.length})`),
    h("dl", {}, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value ?? "–"))))));
}
