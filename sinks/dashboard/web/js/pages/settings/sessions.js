// @ts-check
/** Who is signed in, from where, until when; ending a session. */
import { ApiError, del, get } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { ago, number, time } from "../../core/format.js";
import { badge, button, card, confirm, empty, section, table, toast } from "../../core/parts.js";
import { may } from "../../core/store.js";

const REFRESH_MS = 15_000;

/** @param {import("../../core/router.js").Context} ctx */
export function sessionsTab(ctx) {
  const note = h("span", {});
  const grid = table({
    caption: "Sessions", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.id, cards: true,
    same: (before, after) => JSON.stringify(before) === JSON.stringify(after),
    columns: [
      { key: "name", label: "Who", head: true, render: nameOf },
      { key: "role", label: "Role" },
      { key: "tenant", label: "Reaches", render: (row) => (row.tenant === null ? h("span", { class: "quiet" }, "whole fleet") : h("span", { class: "wrap-anywhere" }, row.tenant)) },
      { key: "address", label: "From", render: (row) => h("span", { class: "mono wrap-anywhere" }, row.address) },
      { key: "began", label: "Since", render: (row) => ago(row.began) },
      { key: "ends", label: "Until", render: (row) => time(row.ends) },
      { key: "do", label: "End", render: (row) => (row.current ? h("span", { class: "muted" }, "–") : button("End…", { kind: "quiet", small: true, title: `End the session of ${row.name}`, onClick: () => askEnd(row, () => void body.reload()) })) },
    ],
    empty: empty({ title: "Nobody is signed in", hint: "Programs that show a key with each request have no session." }),
  });
  const body = section(ctx, (signal) => get("/api/sessions", { signal }), (found) => {
    grid.update(found.items);
    note.textContent = found.total > found.items.length ? `the newest ${number(found.items.length)} of ${number(found.total)}` : number(found.total);
    return grid.element;
  }, { lines: 4 });
  ctx.every(REFRESH_MS, () => void body.reload());
  return card({ title: may("admin") ? "Sessions" : "Your sessions", note, flush: true, children: body });
}

/** @param {any} row */
function nameOf(row) {
  return h("span", { class: "settings-key" }, h("span", { class: "wrap-anywhere" }, row.name), " ", row.current ? badge("this browser", "info", { sign: "" }) : row.own ? badge("yours", "muted", { sign: "" }) : null, h("code", { class: "settings-lookup wrap-anywhere" }, row.who));
}

/** @param {any} row @param {() => void} changed */
async function askEnd(row, changed) {
  const body = h("p", {}, "That browser is signed out within a second and has to sign in again. To keep somebody out for good, revoke their key, or take their role at the issuer.");
  if (!(await confirm({ title: `End the session of ${row.name}?`, body, action: "End it", danger: true }))) return;
  try {
    await del(`/api/sessions/${row.id}`);
    toast("The session is over.", "ok");
  } catch (error) {
    toast(error instanceof ApiError && error.status === 404 ? "It was over already." : /** @type {Error} */ (error).message, "bad");
  }
  changed();
}
