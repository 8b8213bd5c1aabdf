// @ts-check
/** Whether everything that the agent published arrived: its delivery ledger by session. */
import { aged, counted } from "../../core/age.js";
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { badge, card, section, stat, table } from "../../core/parts.js";

/** @param {import("./asked.js").Asked} asked @param {import("./ledger.js").LedgerFeed} ledger */
export function deliveryTab(asked, ledger) {
  ledger.look();
  const grid = sessions();
  const whole = section(asked.ctx, ledger.read, (told) => shown(told, grid), { lines: 6, class: "stack" });
  ledger.onNews(() => void whole.reload(), asked.ctx.signal);
  ledger.holdWhile(() => whole.contains(document.activeElement));
  return whole;
}

/** @param {any} told Ledger @param {ReturnType<typeof table>} grid */
function shown(told, grid) {
  const { total } = told;
  grid.update(told.sessions.map((/** @type {any} */ row) => ({ ...row, ranges: told.missing[row.session_id] })));
  return [
    h("p", { class: "agent-verdict" }, verdict(total), " ", aged(h("span", {}, "(", counted(told.as_of), ")"), told.as_of, told.every_s)),
    aged(h("div", { class: "grid-stats" },
      stat({ label: "Published", value: number(total.published), unit: "events", note: "numbers given, up to the last that landed" }),
      stat({ label: "Landed", value: number(total.landed), unit: "events" }),
      stat({ label: "Missing", value: number(total.missing), tone: total.missing ? "bad" : "ok" }),
      total.expired ? stat({ label: "Expired", value: number(total.expired), note: "landed, and removed since by retention" }) : null,
      stat({ label: "Came twice", value: number(total.duplicates), note: "kept apart: each counts once" }),
      stat({ label: "Dropped", value: number(total.dropped), note: "given up by the agent itself" }),
      stat({ label: "Not accepted", value: number(total.dead_letters), note: "dead letters", tone: total.dead_letters ? "warn" : undefined })), told.as_of, told.every_s),
    card({ title: "By session", flush: true, note: `${number(total.sessions)} ${total.sessions === 1 ? "run" : "runs"} of its process`, children: grid.element }),
  ];
}

/** @param {any} total LedgerLine */
function verdict(total) {
  if (!total.published) return [badge("nothing landed", "muted"), " No event of it is in the lake."];
  if (total.missing) return [badge(`${number(total.missing)} missing`, "bad"), ` Of ${number(total.published)} events, ${number(total.missing)} did not arrive${total.dropped ? `; the agent says that it dropped ${number(total.dropped)} of them` : ""}.`];
  const end = total.closed ? " and every session said goodbye" : "; what comes after the last event of an open session cannot be known yet";
  return [badge("complete", "ok"), ` Every event up to the last arrived${end}.`];
}

function sessions() {
  return table({
    caption: "Delivery by session",
    rows: /** @type {any[]} */ ([]),
    keyOf: (row) => row.session_id,
    sort: { key: "missing", order: "desc" },
    cards: true,
    empty: "No session of it is in the lake.",
    columns: [
      { key: "session_id", label: "Session", head: true, sort: true, class: "mono agent-words" },
      { key: "published", label: "Published", align: "right", sort: true, render: (row) => number(row.published) },
      { key: "landed", label: "Landed", align: "right", sort: true, render: (row) => number(row.landed) },
      { key: "missing", label: "Missing", align: "right", sort: true, render: (row) => (row.missing ? badge(number(row.missing), "bad") : "0") },
      { key: "expired", label: "Expired", align: "right", sort: true, render: (row) => number(row.expired) },
      { key: "ranges", label: "Which numbers", class: "agent-words", render: (row) => ranges(row.ranges) },
      { key: "duplicates", label: "Twice", align: "right", sort: true, render: (row) => number(row.duplicates) },
      { key: "dropped", label: "Dropped", align: "right", sort: true, render: (row) => number(row.dropped) },
      { key: "closed", label: "Ended", render: (row) => (row.closed ? "said goodbye" : "open") },
    ],
  });
}

/** @param {[number, number][] | undefined} missing both ends included */
function ranges(missing) {
  if (!missing?.length) return "–";
  return missing.map(([first, last]) => (first === last ? number(first) : `${number(first)}–${number(last)}`)).join(", ");
}
