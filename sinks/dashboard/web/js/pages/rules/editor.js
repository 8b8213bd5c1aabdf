// @ts-check
/** The file of rules as text: line numbers, mistakes where they are, a replay of the past, and saving it. */
import { ApiError, post, save } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { number, time } from "../../core/format.js";
import { button, card, confirm, dialog, field, input, select, toast } from "../../core/parts.js";
import { me, may } from "../../core/store.js";
import { changesShown } from "./changes.js";
import { preview } from "./preview.js";
import { textEditor } from "./text.js";

const CHECK_AFTER_MS = 500;
/** @param {number} count */
const usable = (count) => `Can be used: ${number(count)} ${count === 1 ? "rule" : "rules"}.`;
const USUAL_H = 24;
const DRAFT = "fleetpulse.rules.draft";
/** @type {[string, string][]} */
export const HOURS = [["1", "last hour"], ["6", "last 6 hours"], ["24", "last 24 hours"], ["72", "last 3 days"], ["168", "last 7 days"]];

/** @typedef {{line: number, column: number, field: string, message: string}} Mistake */

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {any} found as GET /api/rules tells it
 * @param {() => void} saved called when they were replaced
 */
export function editor(ctx, found, saved) {
  const state = h("p", { class: "editor-state", role: "status" });
  const list = h("div", { class: "mistakes" });
  const text = textEditor({ value: draftOf(found.version) ?? found.text, label: "Rules, as YAML", onInput: () => changed() });
  const tried = preview(ctx, () => text.value(), found.replay_from);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  let asked = 0;
  let wrong = false;
  const keep = button("Save", { kind: "primary", onClick: () => store() });
  const seen = button("Show changes", { kind: "quiet", onClick: () => void dialog({ title: "Changes against what is in force", wide: true, body: changesShown(found.text, text.value()), actions: [{ label: "Close", kind: "primary" }] }) });
  const undo = button("Undo all changes", { kind: "quiet", onClick: () => void revert() });

  /** Whether there is something to save. */
  function differs() {
    const is = text.value() !== found.text;
    keep.disabled = !is || wrong;
    undo.hidden = !is;
    seen.hidden = !is;
    return is;
  }

  function changed() {
    keepDraft(found.version, differs() ? text.value() : null);
    clearTimeout(waiting);
    waiting = setTimeout(() => void check(), CHECK_AFTER_MS);
  }

  async function check() {
    const mine = (asked += 1);
    replace(state, "Checking…");
    state.className = "editor-state";
    try {
      const told = await post("/api/rules/check", { yaml: text.value() || " " }, { signal: ctx.signal });
      if (mine === asked) show(told.errors, told.valid ? usable(told.rules) : "");
    } catch (error) {
      if (mine !== asked || ctx.signal.aborted) return;
      replace(state, error instanceof ApiError ? error.detail || error.message : String(error));
      state.className = "editor-state";
      // Too many are checked just now: it is checked by itself once there is a place.
      if (error instanceof ApiError && error.retryAfter_s) waiting = setTimeout(() => void check(), error.retryAfter_s * 1_000);
    }
  }

  /** @param {Mistake[]} mistakes @param {string} well */
  function show(mistakes, well) {
    wrong = mistakes.length > 0;
    text.mark(mistakes);
    differs();
    replace(state, well && !mistakes.length ? well : `${mistakes.length === 1 ? "One mistake" : `${mistakes.length} mistakes`}: it cannot be used like this.`);
    state.className = `editor-state tone-${mistakes.length ? "bad" : "ok"}`;
    replace(list, mistakes.length ? h("ul", { class: "plain-list" }, mistakes.map((each) => h("li", {}, h("button", { type: "button", class: "link-button mistake", on: { click: () => text.go(each.line, each.column) } },
      h("span", { class: "mistake-place" }, `Line ${each.line}, column ${each.column}`), h("span", { class: "wrap-anywhere" }, `${each.field ? `${each.field}: ` : ""}${each.message}`))))) : null);
    tried.enable(!mistakes.length);
  }

  async function store() {
    const sure = await confirm({ title: "Replace the rules", body: h("div", { class: "stack" }, h("p", {}, "Workers and the alert manager go on by them within seconds. What a rule that is gone had fired is resolved."), changesShown(found.text, text.value())), action: "Replace them" });
    if (!sure) return;
    try {
      const done = await post("/alerts", { action: "rules", yaml: text.value(), replaces: found.version });
      keepDraft(found.version, null);
      toast(`Saved: ${number(done.rules)} ${done.rules === 1 ? "rule is" : "rules are"} in force`, "ok");
      saved();
    } catch (error) {
      refused(error);
    }
  }

  /** @param {unknown} error */
  function refused(error) {
    if (error instanceof ApiError && error.type === "bad-rules") return show(error.errors, "");
    toast(error instanceof ApiError ? error.detail || error.message : String(error), "bad");
  }

  async function revert() {
    if (!(await confirm({ title: "Undo all changes", body: h("div", { class: "stack" }, h("p", {}, "The text becomes what is in force again. These changes are lost:"), changesShown(found.text, text.value())), action: "Undo them", danger: true }))) return;
    text.set(found.text);
    changed();
  }

  if (differs()) changed();
  else show(found.errors, usable(found.rules.length));
  const canSave = found.editable;
  const why = canSave ? null : h("p", { class: "quiet small" }, found.source === "default" ? "This is the pack that comes with the program. To change it, start with a file of yours (--rules FILE): you may check and try changes here, and download them." : `Only an admin of the whole fleet saves rules${me ? `; you are ${me.role}` : ""}. You may check and try changes, and download them.`);
  const foot = h("div", { class: "spread" }, h("div", { class: "row" }, canSave ? keep : null, seen, undo), button("Download", { icon: "download", onClick: () => save(new Blob([text.value()], { type: "application/yaml" }), "rules.yaml") }));
  return h("div", { class: "stack" }, card({ title: "The file", children: h("div", { class: "stack-tight" }, why, text.element, h("div", { class: "editor-said" }, state, list), foot) }), may("operator") ? tried.element : null);
}

/** A draft of this very version, kept while the tab is open. @param {string} version @returns {string | null} */
function draftOf(version) {
  const [of, ...text] = (sessionStorage.getItem(DRAFT) ?? "").split("\n");
  return of === version ? text.join("\n") : null;
}

/** @param {string} version @param {string | null} text */
function keepDraft(version, text) {
  if (text === null) sessionStorage.removeItem(DRAFT);
  else sessionStorage.setItem(DRAFT, `${version}\n${text}`);
}

/** The range that shows most of what there is, a day at most: a fleet of some minutes is not replayed for a day. @param {string | null} since @param {number} [now_ms] */
export function usualHours(since, now_ms = Date.now()) {
  const age_h = since === null ? 0 : (now_ms - Date.parse(since)) / 3_600_000;
  return (HOURS.find(([hours]) => Number(hours) >= Math.min(age_h, USUAL_H)) ?? HOURS[0])[0];
}

/** Controls of a replay. @param {() => any} start @param {string | null} since begin of what there is */
export function previewControls(start, since) {
  const hours = select({ options: HOURS, value: usualHours(since) });
  const agent = input({ value: "", placeholder: "every agent", class: "mono" });
  const press = button("Try it on the past", { icon: "refresh", onClick: start });
  const reach = h("p", { class: "quiet small" }, since === null ? "Nothing has arrived in the lake yet." : ["The oldest hour of events in the lake began at ", time(since), "."]);
  return { hours, agent, press, element: h("div", { class: "stack-tight" }, reach, h("div", { class: "filters" }, field({ label: "On the", control: hours }), field({ label: "Agents", control: agent }), press)) };
}
