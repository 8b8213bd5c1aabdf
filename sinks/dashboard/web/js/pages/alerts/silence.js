// @ts-check
/** A silence: what is to be quiet, for how long, and what that fits right now. */
import { ApiError, get, post } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { button, dialog, field, iconButton, input, select, severityBadge, toast } from "../../core/parts.js";
import { me } from "../../core/store.js";

/** @typedef {{name: string, operator: string, value: string}} Matcher */

const FIELDS = ["name", "agent_id", "severity", "host", "deployment_id", "user_id", "gateway", "metric", "rule_kind"];
/** @type {[string, string][]} */
const OPERATORS = [["=", "is"], ["!=", "is not"], ["=~", "fits pattern"], ["!~", "does not fit"]];
/** @type {[string, string][]} */
const SPANS = [["30m", "30 minutes"], ["2h", "2 hours"], ["8h", "8 hours"], ["1d", "1 day"], ["7d", "7 days"], ["", "another time…"]];
const WAIT_MS = 250;
const SHOWN = 5;
const MOST_COMPARED = 200;
const NEVER_QUIET = ["resolved", "watchdog"];

/** @param {Matcher[]} matchers */
export const texts = (matchers) => matchers.filter((each) => each.name && each.value).map((each) => `${each.name}${each.operator}${each.value}`);

/** What fits this alert and hardly another. @param {import("./words.js").Alert} alert @returns {Matcher[]} */
export function matchersOf(alert) {
  const found = [{ name: "name", operator: "=", value: alert.name }, { name: "agent_id", operator: "=", value: alert.agent_id }];
  if (alert.labels?.metric) found.push({ name: "metric", operator: "=", value: alert.labels.metric });
  // Another tenant's agent may have the same name; a tenant's own silence is of that tenant by itself.
  if (alert.user_id && me?.tenant === null) found.push({ name: "user_id", operator: "=", value: alert.user_id });
  return found;
}

/**
 * Ask what to keep quiet, show what that fits while it is written, and order it.
 * @param {{alert?: import("./words.js").Alert, after: () => void}} options
 */
export function silenceDialog({ alert, after }) {
  /** @type {Matcher[]} */
  const matchers = alert ? matchersOf(alert) : [{ name: "name", operator: "=", value: "" }];
  const known = [...new Set([...FIELDS, ...Object.keys(alert?.labels ?? {})])];
  const seen = preview();
  const rows = matcherRows(matchers, known, () => seen.look(texts(matchers)));
  const lasting = lastingControl();
  const comment = input({ name: "comment" });
  comment.maxLength = 1_000;
  const { close } = dialog({
    title: "Silence alerts",
    wide: true,
    body: h("div", { class: "stack" },
      h("p", { class: "quiet" }, "Nobody is told of alerts that fit all of these, those that fire and those to come, until it ends. Alerts go on being found and written down."),
      rows, seen.element,
      h("div", { class: "silence-foot" }, lasting.element, field({ label: "Comment", hint: "For the others: why.", control: comment }))),
    actions: [{ label: "Cancel" }, { label: "Silence", kind: "primary", onClick: async () => {
      const given = texts(matchers);
      if (!given.length) return seen.complain("Say what is to be quiet: a field and its value."), false;
      if (!lasting.value()) return lasting.complain(), false;
      await make(given, lasting.value(), comment.value.trim());
      after();
    } }],
    onClose: seen.stop,
  });
  seen.look(texts(matchers));
  return close;
}

/** Order a silence. @param {string[]} matchers @param {string} lasting @param {string} comment @param {boolean} [tell] say what became of it */
export async function make(matchers, lasting, comment, tell = true) {
  const done = await post("/alerts", { action: "silence", matchers, for: lasting, comment });
  if (tell) toast(done.done ? `Silenced: ${number(done.silence?.alerts.length ?? 0)} that fire now` : "Kept until an alert manager works", done.done ? "ok" : "warn");
  if (done.unknown_fields?.length) toast(`No known alert has ${done.unknown_fields.join(", ")}: is it misspelt?`, "warn");
  return done;
}

/** @param {Matcher[]} matchers changed in place @param {string[]} known @param {() => void} changed */
export function matcherRows(matchers, known, changed) {
  const list = h("datalist", { id: "silence-fields" }, known.map((name) => h("option", { value: name })));
  const rows = h("div", { class: "stack-tight" });
  const root = h("fieldset", { class: "matchers" }, h("legend", { class: "field-label" }, "What is to be quiet"), list, rows,
    h("div", {}, button("Add a condition", { small: true, icon: "plus", onClick: () => {
      matchers.push({ name: "", operator: "=", value: "" });
      draw();
      /** @type {HTMLElement | null} */ (rows.lastElementChild?.querySelector("input"))?.focus();
    } })));
  const draw = () => {
    replace(rows, matchers.map((each, at) => row(each, at)));
    changed();
  };
  /** @param {Matcher} each @param {number} at */
  const row = (each, at) => h("div", { class: "matcher" },
    input({ label: `Field ${at + 1}`, value: each.name, list: "silence-fields", placeholder: "field", class: "mono", onInput: (value) => { each.name = value.trim(); changed(); } }),
    select({ label: `Operator ${at + 1}`, options: OPERATORS, value: each.operator, onChange: (value) => { each.operator = value; changed(); } }),
    input({ label: `Value ${at + 1}`, value: each.value, placeholder: each.operator.endsWith("~") ? "web-.*" : "value", class: "mono", onInput: (value) => { each.value = value; changed(); } }),
    matchers.length > 1 ? iconButton("close", `Remove condition ${at + 1}`, () => { matchers.splice(at, 1); draw(); }) : h("span"));
  draw();
  return root;
}

/** For how long: one of the usual, or as written. */
export function lastingControl() {
  const own = input({ placeholder: "1h30m", label: "Another time" });
  own.hidden = true;
  const usual = select({ options: SPANS, value: "2h", onChange: (value) => {
    own.hidden = value !== "";
    if (!own.hidden) own.focus();
  } });
  const element = field({ label: "For", hint: "It ends by itself.", control: h("div", { class: "row" }, usual, own) });
  return { element, value: () => usual.value || own.value.trim(), complain: () => element.setError("Write for example 45m, 3h or 1d12h") };
}

/** What conditions fit now, asked a moment after they were written. @param {Set<string>} [chosen] alerts that are meant: others that fit are told apart */
export function preview(chosen) {
  const element = h("div", { class: "silence-preview", role: "status" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  let running = new AbortController();
  const stop = () => {
    clearTimeout(waiting);
    running.abort();
  };
  /** @param {string} text */
  const complain = (text) => void replace(element, h("p", { class: "field-error" }, text));
  /** @param {string[]} matchers */
  const look = (matchers) => {
    stop();
    if (!matchers.length) return void replace(element, h("p", { class: "muted" }, "Nothing is written yet."));
    const mine = (running = new AbortController());
    waiting = setTimeout(() => void show(matchers, mine.signal), WAIT_MS);
  };
  /** @param {string[]} matchers @param {AbortSignal} signal */
  const show = async (matchers, signal) => {
    try {
      const found = await get("/alerts", { params: { matcher: matchers, limit: chosen ? MOST_COMPARED : SHOWN }, signal });
      replace(element, fits(found, chosen));
    } catch (error) {
      if (!signal.aborted) complain(error instanceof ApiError ? error.detail || error.message : String(error));
    }
  };
  return { element, look, complain, stop };
}

/** @param {any} found a page of alerts @param {Set<string>} [chosen] */
function fits(found, chosen) {
  const strange = chosen ? found.items.filter((/** @type {any} */ each) => !chosen.has(each.fingerprint)) : [];
  const shown = (strange.length ? strange : found.items).slice(0, SHOWN);
  const quiet = Object.entries(found.hidden).filter(([why]) => !NEVER_QUIET.includes(why));
  const others = quiet.reduce((sum, [, count]) => sum + Number(count), 0);
  const total = found.total + others;
  const title = total === 0 ? "No alert fits now; those to come would." : `${number(total)} ${total === 1 ? "alert fits" : "alerts fit"} now${others ? `, ${number(others)} of them quiet already` : ""}:`;
  const more = (strange.length || found.total) - shown.length;
  const besides = strange.length ? h("p", { class: "field-error" }, `${number(strange.length)}${found.next ? " or more" : ""} of them you did not choose:`) : null;
  return [h("p", { class: "strong" }, title), besides, h("ul", { class: "plain-list" }, shown.map((/** @type {any} */ each) => h("li", { class: "row" }, severityBadge(each.severity), h("span", { class: "wrap-anywhere" }, `${each.name} of ${each.agent_id}`)))),
    more > 0 ? h("p", { class: "muted small" }, `and ${number(more)} more`) : null];
}
