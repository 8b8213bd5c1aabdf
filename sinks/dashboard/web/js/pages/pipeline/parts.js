// @ts-check
/** Our own processes, as the agents of the fleet that they are: how they are, since when they run, whether they were started again. */
import { aged, counted } from "../../core/age.js";
import { h } from "../../core/dom.js";
import { ago, number } from "../../core/format.js";
import { badge, card, empty, section, statusBadge, table } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { justRestarted, timesText } from "./restarts.js";

/** A process says something of itself every 5 s unless it is told otherwise; how often is learned from its heartbeats. */
const TELLS_EVERY_S = 5;

/** @param {import("../../core/router.js").Context} ctx @param {import("../pipeline.js").Feed} feed */
export function partsTab(ctx, feed) {
  const list = table({
    caption: "Our own processes", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.agent_id, cards: true,
    columns: [
      { key: "process", label: "Part", head: true, render: name },
      { key: "status", label: "Status", render: (row) => h("span", { class: "pipeline-two" }, statusBadge(row.status), h("span", { class: "small quiet" }, ago(row.since))) },
      { key: "started_at", label: "Runs since", render: running },
      { key: "host", label: "Host", render: (row) => h("span", { class: "pipeline-two" }, row.host, h("span", { class: "small quiet" }, row.version)) },
      { key: "numbers", label: "What it says of itself", wide: true, render: numbers },
    ],
    empty: empty({ title: "No part has beaten yet", hint: "Every process of fleetpulse beats as an agent of the fleet, unless FLEETPULSE_SELF_AUDIT is off." }),
  });
  const whole = card({ title: "Parts", note: "what is worst first", flush: true, children: list.element });
  const body = section(ctx, feed.read, (told) => {
    list.update(told.parts);
    return whole;
  });
  feed.onNews(() => void body.reload());
  return body;
}

/** Several processes of a kind differ by their instance alone. @param {any} row */
function name(row) {
  return h("span", { class: "pipeline-two" }, h("a", { href: agentHref(row.agent_id) }, row.process), h("span", { class: "small quiet" }, row.agent_id.split(":").slice(2).join(":")));
}

/** @param {any} row */
function running(row) {
  if (row.started_at === null) return h("span", { class: "muted" }, "not said lately");
  const again = row.restarts ? badge(`restarted ${timesText(row.restarts)}`, justRestarted(row, Date.now()) ? "warn" : "muted", { sign: justRestarted(row, Date.now()) ? "warn" : "" }) : null;
  return h("span", { class: "pipeline-two" }, ago(row.started_at), again);
}

/** @param {any} row */
function numbers(row) {
  const pairs = Object.entries(row.numbers);
  if (!pairs.length) return h("span", { class: "muted" }, "nothing lately");
  const list = h("ul", { class: "pipeline-numbers" }, pairs.map(([name, value]) => h("li", {}, h("span", { class: "quiet" }, name), " ", h("span", { class: "strong" }, number(/** @type {number} */ (value))))));
  return aged(h("div", { class: "pipeline-told" }, list, counted(row.numbers_at, "said")), row.numbers_at, Math.max(row.interval_s ?? 0, TELLS_EVERY_S));
}
