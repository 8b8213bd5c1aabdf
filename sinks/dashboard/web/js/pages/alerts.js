// @ts-check
/** Alerts: what fires and who looks after it, the silences, the past. */
import { h, replace } from "../core/dom.js";
import { number } from "../core/format.js";
import { pageHref } from "../core/paths.js";
import { icon, page, tabs } from "../core/parts.js";
import { historyTab } from "./alerts/history.js";
import { firingTab } from "./alerts/list.js";
import { newSilence, silencesTab } from "./alerts/silences.js";

/** @param {import("../core/router.js").Context} ctx */
export async function show(ctx) {
  const lead = h("span", { role: "status" }, "What fires now, who looks after it, and who was told.");
  const parts = tabs([
    { id: "firing", label: "Firing", make: () => firingTab(ctx, (seen) => replace(lead, told(seen))) },
    { id: "silences", label: "Silences", make: () => silencesTab(ctx) },
    { id: "history", label: "History", make: () => historyTab(ctx) },
  ], { label: "Views of alerts", ctx });
  const rules = h("a", { class: "button button-plain", href: pageHref("rules") }, icon("rules"), h("span", {}, "Rules"));
  return page({ title: "Alerts", lead, actions: [newSilence(() => parts.select("silences")), rules], children: parts });
}

/** @param {any} seen the first page */
function told(seen) {
  if (!seen.total) return "Nothing fires.";
  const free = seen.items.filter((/** @type {any} */ each) => each.state === "firing");
  const taken = seen.items.length - free.length;
  const counts = ["critical", "warning", "info"].map((severity) => [severity, free.filter((/** @type {any} */ each) => each.severity === severity).length]);
  const some = counts.filter(([, count]) => count).map(([severity, count]) => `${number(Number(count))} ${severity}`);
  const first = seen.next ? `${number(seen.total)} alerts fire; of the first: ` : "";
  const needs = some.length ? `${some.join(", ")} ${free.length === 1 ? "needs" : "need"} somebody` : "all are looked after";
  return `${first}${needs}${taken ? `; ${number(taken)} acknowledged` : ""}.`;
}
