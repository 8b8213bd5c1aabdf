// @ts-check
/** Orders about alerts: acknowledge, take back, resolve, escalate; each says what it does before it is done. */
import { post } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { button, dialog, field, input, menu, toast } from "../../core/parts.js";
import { may } from "../../core/store.js";
import { silenceDialog } from "./silence.js";
import { isRoot } from "./words.js";

/** @typedef {import("./words.js").Alert} Alert */
/** @typedef {{action: string, label: string, done: string, about: string, kind?: "primary" | "danger"}} Order */

/** @type {Record<string, Order>} */
const ORDERS = {
  acknowledge: { action: "acknowledge", label: "Acknowledge", done: "acknowledged", about: "You look after it: escalation ends, and whoever was told hears that you do.", kind: "primary" },
  unacknowledge: { action: "unacknowledge", label: "Take back", done: "given back", about: "Nobody looks after it: people are told again, and escalation begins anew." },
  resolve: { action: "resolve", label: "Resolve", done: "resolved", about: "It is over for everybody, whatever its rule says; it comes back only when the rule was over and fires anew.", kind: "danger" },
  escalate: { action: "escalate", label: "Escalate", done: "escalated", about: "Whom the next step of its route names is told now. An acknowledgement ends by it.", kind: "primary" },
};

/**
 * Ask for a comment, then give the order.
 * @param {keyof typeof ORDERS & string} name
 * @param {Alert[]} alerts
 * @param {() => void} after
 */
export function orderDialog(name, alerts, after) {
  const order = ORDERS[name];
  const comment = input({ name: "comment", autocomplete: "off" });
  comment.maxLength = 1_000;
  const many = alerts.length === 1 ? `${alerts[0].name} of ${alerts[0].agent_id}` : `${alerts.length} alerts`;
  const { element } = dialog({
    title: `${order.label} ${alerts.length === 1 ? "this alert" : `${alerts.length} alerts`}`,
    body: h("div", { class: "stack" }, h("p", { class: "strong wrap-anywhere" }, many), h("p", { class: "quiet" }, order.about),
      field({ label: "Comment", hint: "For the others: why, or what you do about it.", control: comment })),
    actions: [
      { label: "Cancel" },
      { label: order.label, kind: order.kind ?? "primary", onClick: async () => {
        await give(order, alerts, comment.value.trim());
        after();
      } },
    ],
  });
  comment.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) /** @type {HTMLElement | null} */ (element.querySelector(".dialog-foot button:last-child:not(:disabled)"))?.click();
  });
  comment.focus();
}

/** @param {Order} order @param {Alert[]} alerts @param {string} comment */
async function give(order, alerts, comment) {
  const done = await post("/alerts", { action: order.action, fingerprints: alerts.map((each) => each.fingerprint), comment });
  const what = alerts.length === 1 ? alerts[0].name : `${alerts.length} alerts`;
  if (done.done) toast(`${what}: ${order.done}`, "ok");
  else toast("No alert manager works just now: the order is kept, and carried out once one does.", "warn");
}

/** What may be done about one alert, as buttons; none for who may only look. @param {Alert} alert @param {() => void} after */
export function alertActions(alert, after) {
  if (!may("operator") || alert.state === "resolved") return [];
  const free = alert.state === "acknowledged";
  const more = [{ label: "Escalate…", onSelect: () => orderDialog("escalate", [alert], after) }];
  if (!isRoot(alert) && alert.rule_kind !== "fleet" && alert.rule_kind !== "budget") more.push({ label: "Resolve…", onSelect: () => orderDialog("resolve", [alert], after) });
  return [
    free ? button("Take back…", { onClick: () => orderDialog("unacknowledge", [alert], after) }) : button("Acknowledge…", { kind: "primary", onClick: () => orderDialog("acknowledge", [alert], after) }),
    button("Silence…", { onClick: () => silenceDialog({ alert, after }) }),
    menu({ label: "More", items: more }),
  ];
}
