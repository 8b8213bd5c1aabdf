// @ts-check
/** Rules: what fires and why; an editor that says what is wrong, and what the change would have done. */
import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { number } from "../core/format.js";
import { alertsHref } from "../core/paths.js";
import { page, section, tabs } from "../core/parts.js";
import { may } from "../core/store.js";
import { editor } from "./rules/editor.js";
import { listing } from "./rules/listing.js";

/** @param {import("../core/router.js").Context} ctx */
export async function show(ctx) {
  const lead = h("span", {}, "What fires, how grave it is, and for whom.");
  const load = async (/** @type {AbortSignal} */ signal) => Promise.all([get("/api/rules", { signal }), firing(signal)]);
  const shown = section(ctx, load, ([found, counts]) => {
    replace(lead, told(found));
    const list = { id: "list", label: "In force", make: () => listing(ctx, found, counts) };
    const edit = { id: "edit", label: "Editor", make: () => editor(ctx, found, () => void shown.reload()) };
    return [broken(found), may("operator") && !found.restricted ? tabs([list, edit], { label: "Views of rules", ctx }) : list.make()];
  }, { lines: 10 });
  return page({ title: "Rules", lead, crumbs: [["Alerts", alertsHref()]], children: shown });
}

/** Alerts that fire now, by their rule; none where nobody answers for alerts. @param {AbortSignal} signal */
async function firing(signal) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const found = await get("/alerts", { params: { limit: 1_000, all: true }, signal }).catch(() => ({ items: [] }));
  for (const each of found.items) if (each.state !== "resolved") counts.set(each.name, (counts.get(each.name) ?? 0) + 1);
  return counts;
}

/** @param {any} found */
function told(found) {
  const count = `${number(found.rules.length)} ${found.rules.length === 1 ? "rule" : "rules"}`;
  if (found.restricted) return `${count} for your agents. There may be others, which are not yours to see.`;
  return found.source === "default" ? `${count}: the pack that comes with the program.` : `${count}, from the file that workers and the alert manager follow.`;
}

/** @param {any} found */
function broken(found) {
  if (found.valid) return null;
  return h("p", { class: "notice tone-bad", role: "alert" }, "The file of rules has mistakes: workers and the alert manager go on by what they had before. The editor shows where.");
}
