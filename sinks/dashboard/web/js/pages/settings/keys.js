// @ts-check
/** Keys: who has which, when they were used; making, rotating and ending them. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago, number, time } from "../../core/format.js";
import { badge, button, card, empty, filterBar, input, menu, section, select, table } from "../../core/parts.js";
import { askNewKey, askRevoke, askRotate } from "./orders.js";

const REFRESH_MS = 15_000;

/** @type {Record<string, import("../../core/parts/badges.js").Tone>} */
const TONES = { live: "ok", expired: "muted", revoked: "bad", foreign: "warn" };
const MEANINGS = { live: "opens the doors", expired: "its time is over", revoked: "was ended", foreign: "made under another server's secret: it opens nothing here" };

/** @param {import("../../core/router.js").Context} ctx */
export function keysTab(ctx) {
  /** @type {any[]} */
  let keys = [];
  const note = h("span", {});
  const grid = gridOf(() => void body.reload());
  const refused = h("div", {});
  const whole = h("div", {}, grid.element, refused);
  const search = input({ type: "search", label: "Part of a key's name, tenant or role", placeholder: "Find a key", onInput: draw });
  const states = select({ options: [["live", "Live"], ["", "Every state"], ["expired", "Expired"], ["revoked", "Revoked"]], value: "live", label: "State of the keys", onChange: draw });

  function draw() {
    const text = search.value.toLowerCase();
    const fits = (/** @type {any} */ key) => (!states.value || key.state === states.value) && [key.name, key.lookup, key.role, key.tenant ?? "whole fleet"].join("\n").toLowerCase().includes(text);
    const shown = keys.filter(fits);
    grid.update(shown);
    replace(note, `${number(shown.length)} of ${number(keys.length)}`);
  }
  const body = section(ctx, (signal) => get("/api/keys", { signal }), (found) => {
    keys = found.items;
    draw();
    replace(refused, found.refused_records ? h("p", { class: "settings-refused" }, badge(`${number(found.refused_records)} records refused`, "warn"), " Records of the keys' topic that nobody with this server's secret wrote; they do not count.") : null);
    return whole;
  }, { lines: 6 });
  ctx.every(REFRESH_MS, () => void body.reload());
  const make = button("Make a key…", { kind: "primary", icon: "plus", onClick: () => askNewKey(() => void body.reload()) });
  return h("div", { class: "stack" }, filterBar(search, states, h("span", { class: "align-end" }, make)), card({ title: "Keys", note, flush: true, children: body }));
}

/** @param {() => void} changed */
function gridOf(changed) {
  return table({
    caption: "Keys", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.lookup, cards: true,
    same: (before, after) => JSON.stringify(before) === JSON.stringify(after),
    columns: [
      { key: "name", label: "Name", head: true, render: nameOf },
      { key: "role", label: "Role", render: (row) => h("span", {}, row.role, row.sql ? " + SQL" : "") },
      { key: "tenant", label: "Reaches", render: reach },
      { key: "state", label: "State", render: (row) => badge(row.state, TONES[row.state], { title: MEANINGS[/** @type {keyof typeof MEANINGS} */ (row.state)] }) },
      { key: "last_used", label: "Last used", render: (row) => ago(row.last_used, "never") },
      { key: "created", label: "Made", render: (row) => ago(row.created) },
      { key: "expires", label: "Ends", render: (row) => (row.revoked ? time(row.revoked) : row.expires ? time(row.expires) : h("span", { class: "muted" }, "when revoked")) },
      { key: "do", label: "Change", render: (row) => actions(row, changed) },
    ],
    empty: empty({ title: "No such keys", hint: "Choose another state, or make a key." }),
  });
}

/** @param {any} row */
function nameOf(row) {
  return h("span", { class: "settings-key" }, h("span", { class: "wrap-anywhere" }, row.name), " ", row.own ? badge("yours", "info", { sign: "" }) : null, h("code", { class: "settings-lookup" }, row.lookup));
}

/** @param {any} row */
function reach(row) {
  const agents = row.agents.length ? h("span", { class: "settings-usual wrap-anywhere" }, row.agents.join(", ")) : null;
  return h("span", {}, row.tenant === null ? h("span", { class: "quiet" }, "whole fleet") : h("span", { class: "wrap-anywhere" }, row.tenant), agents);
}

/** @param {any} row @param {() => void} changed */
function actions(row, changed) {
  if (row.state !== "live") return h("span", { class: "muted" }, "–");
  return menu({ label: `Change ${row.name}`, compact: true, items: [
    { label: row.replaced_by ? "Rotated already" : "Rotate…", disabled: Boolean(row.replaced_by), onSelect: () => askRotate(row, changed) },
    { label: "Revoke…", tone: "bad", onSelect: () => void askRevoke(row, changed) },
  ] });
}
