// @ts-check
/** How full something is, and how the agents of a host are: as small bars with their numbers. */
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { statusBadge } from "../../core/parts.js";

const FULL = 90;
const NEARLY = 75;

/** @param {number} share percent @returns {"ok" | "warn" | "bad"} */
export const usageTone = (share) => (share >= FULL ? "bad" : share >= NEARLY ? "warn" : "ok");

/** Percent in use. @param {number | null | undefined} share @param {string} what e.g. "disk" */
export function usageMeter(share, what) {
  if (share === null || share === undefined) return h("span", { class: "muted", title: `${what}: not measured` }, "–");
  const bar = h("span", { class: "meter-track", "aria-hidden": "true" }, h("span", { class: "meter-fill", css: { "--share": Math.max(0, Math.min(1, share / 100)) } }));
  return h("span", { class: `meter tone-${usageTone(share)}`, title: `${what}: ${number(share, 1)} percent in use` }, bar, h("span", { class: "meter-number" }, `${number(share, 0)}%`));
}

/** "12 agents" with those that are not online beside. @param {{agents: number, by_status: Record<string, number>}} line */
export function agentsOn(line) {
  const troubled = Object.entries(line.by_status).filter(([word, count]) => word !== "online" && count > 0);
  return h("span", { class: "hosts-agents" }, h("span", { class: "strong" }, number(line.agents)),
    troubled.map(([word, count]) => h("span", { class: "hosts-some" }, statusBadge(word), ` ${number(count)}`)));
}
