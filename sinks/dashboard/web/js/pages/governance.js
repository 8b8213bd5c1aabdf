// @ts-check
/** Governance: policies and what violated them, every violation, who is governed at all, and the compliance report. */
import { h } from "../core/dom.js";
import { page, rangePicker, tabs } from "../core/parts.js";
import { coveragePanel } from "./governance/coverage.js";
import { policiesPanel } from "./governance/policies.js";
import { reportPanel } from "./governance/report.js";
import { violationsPanel } from "./governance/violations.js";

/** @typedef {import("../core/router.js").Context} Context */
/** @typedef {HTMLElement & {renew?: () => void}} Panel told when the range is another one */

/** @param {Context} ctx */
export function show(ctx) {
  /** @type {Panel[]} */
  const panels = [];
  const keep = (/** @type {Panel} */ panel) => (panels.push(panel), panel);
  const range = rangePicker(ctx, { usual: "24h", spans: ["1h", "6h", "24h", "7d", "30d"], onChange: () => panels.forEach((panel) => panel.renew?.()) });
  const views = tabs([
    { id: "policies", label: "Policies", make: () => keep(policiesPanel(ctx)) },
    { id: "violations", label: "Violations", make: () => keep(violationsPanel(ctx)) },
    { id: "coverage", label: "Coverage", make: () => keep(coveragePanel(ctx)) },
    { id: "report", label: "Compliance report", make: () => reportPanel(ctx) },
  ], { ctx, label: "Views of governance" });
  const days = h("div", { class: "governance-range no-print" }, range);
  // The report has days of its own.
  const fit = () => queueMicrotask(() => void (days.hidden = ctx.query.get("tab") === "report"));
  for (const event of ["click", "keydown"]) views.addEventListener(event, fit);
  fit();
  return page({
    title: "Governance",
    lead: "What policies found, which agents they govern, and the report that proves it.",
    actions: days,
    children: views,
  });
}
