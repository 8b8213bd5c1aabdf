// @ts-check
/** A silence for several alerts: each by itself, or whatever fits what they have in common; both shown before. */
import { h, replace } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { dialog, field, input, severityBadge, toast } from "../../core/parts.js";
import { lastingControl, make, matcherRows, matchersOf, preview, silenceDialog, texts } from "./silence.js";

/** @typedef {import("./words.js").Alert} Alert */
/** @typedef {import("./silence.js").Matcher} Matcher */

const SHARED = ["name", "agent_id", "host", "deployment_id", "metric", "gateway", "user_id"];
const MOST_LISTED = 8;

/** What all of them have, and have the same. @param {Alert[]} alerts @returns {Matcher[]} */
export function sharedBy(alerts) {
  const value = (/** @type {Alert} */ alert, /** @type {string} */ name) => alert[name] || alert.labels?.[name] || "";
  return SHARED.map((name) => ({ name, operator: "=", value: value(alerts[0], name) })).filter((each) => each.value && alerts.every((alert) => value(alert, each.name) === each.value));
}

/** @param {Alert[]} alerts @param {() => void} after */
export function silenceChosen(alerts, after) {
  if (alerts.length === 1) return void silenceDialog({ alert: alerts[0], after });
  let left = [...alerts];
  const shared = sharedBy(alerts);
  const seen = preview(new Set(alerts.map((each) => each.fingerprint)));
  const what = h("div", { class: "stack" });
  const lasting = lastingControl();
  const comment = input({ name: "comment" });
  comment.maxLength = 1_000;
  let each = true;
  const draw = () => {
    seen.stop();
    if (each) return replace(what, listed(left));
    replace(what, matcherRows(shared, SHARED, () => seen.look(texts(shared))), seen.element);
    seen.look(texts(shared));
  };
  /** @param {boolean} on @param {string} label @param {boolean} [disabled] */
  const way = (on, label, disabled = false) => h("label", { class: "checkbox" }, h("input", { type: "radio", name: "silence-way", checked: on === each, disabled, on: { change: () => {
    each = on;
    draw();
  } } }), h("span", {}, label));
  draw();
  dialog({
    title: `Silence ${number(alerts.length)} alerts`,
    wide: true,
    body: h("div", { class: "stack" },
      h("p", { class: "quiet" }, "Nobody is told of what is silenced until it ends. Alerts go on being found and written down."),
      h("fieldset", { class: "matchers" }, h("legend", { class: "field-label" }, "Which alerts"),
        way(true, "Each of these alerts, by a silence of its own"),
        way(false, shared.length ? "Whatever fits what they have in common, by one silence" : "What they have in common: nothing", !shared.length)),
      what, h("div", { class: "silence-foot" }, lasting.element, field({ label: "Comment", hint: "For the others: why.", control: comment }))),
    actions: [{ label: "Cancel" }, { label: "Silence", kind: "primary", onClick: async () => {
      const given = texts(shared);
      if (!each && !given.length) return seen.complain("Say what is to be quiet: a field and its value."), false;
      if (!lasting.value()) return lasting.complain(), false;
      if (each) await oneByOne();
      else await make(given, lasting.value(), comment.value.trim());
      after();
    } }],
    onClose: seen.stop,
  });

  /** What was done is not done again where a later one is refused: the dialog goes on with those that are left. */
  async function oneByOne() {
    let kept = 0;
    const made = new Set();
    while (left.length) {
      const given = texts(matchersOf(left[0]));
      if (!made.has(given.join())) kept += (await make(given, lasting.value(), comment.value.trim(), false)).done ? 0 : 1;
      made.add(given.join());
      left = left.slice(1);
      draw();
    }
    toast(kept ? `${number(kept)} silences are kept until an alert manager works` : `Silenced: ${number(alerts.length)} alerts`, kept ? "warn" : "ok");
  }
}

/** @param {Alert[]} alerts */
function listed(alerts) {
  return h("div", { class: "silence-preview" }, h("p", { class: "strong" }, `${number(alerts.length)} ${alerts.length === 1 ? "alert" : "alerts"}:`),
    h("ul", { class: "plain-list" }, alerts.slice(0, MOST_LISTED).map((each) => h("li", { class: "row" }, severityBadge(each.severity), h("span", { class: "wrap-anywhere" }, `${each.name} of ${each.agent_id}`)))),
    alerts.length > MOST_LISTED ? h("p", { class: "muted small" }, `and ${number(alerts.length - MOST_LISTED)} more`) : null);
}
