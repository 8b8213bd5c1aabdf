// @ts-check
/** How many agents of a group are how, as a bar of parts that also says its numbers. */
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { toneOfStatus } from "../../core/parts.js";

const ORDER = ["online", "late", "degraded", "offline", "unknown"];

/** "41 online, 1 late". @param {Record<string, number>} counts */
export function statusText(counts) {
  return ORDER.filter((word) => counts[word]).map((word) => `${number(counts[word])} ${word}`).join(", ") || "nobody";
}

/** Who is not online, in few words. @param {Record<string, number>} counts */
export function statusInShort(counts) {
  const wrong = ORDER.filter((word) => word !== "online" && counts[word]);
  if (wrong.length < 2) return wrong.length ? `${number(counts[wrong[0]])} ${wrong[0]}` : "all online";
  return `${number(wrong.reduce((sum, word) => sum + counts[word], 0))} not online`;
}

/** @param {Record<string, number>} counts agents by status */
export function statusBar(counts) {
  const present = ORDER.filter((word) => counts[word]);
  const parts = present.map((word) => h("span", { class: `status-part tone-${toneOfStatus(word)}`, css: { "--agents": counts[word] } }));
  const wrong = present.filter((word) => word !== "online").map((word) => `${number(counts[word])} ${word}`).join(", ");
  return h("span", { class: "status-bar", title: statusText(counts) },
    h("span", { class: "status-parts", "aria-hidden": "true" }, parts),
    h("span", { class: "status-said" }, wrong || "all online"));
}
