// @ts-check
/** Messages that could not be accepted: by reason for who operates, one by one with their replay for admins. */
import { get, post } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago, bytes, number } from "../../core/format.js";
import { badge, button, card, code, dialog, empty, filterBar, keyValue, nameLink, pager, section, select, table, toast } from "../../core/parts.js";
import { agentHref } from "../../core/paths.js";
import { may } from "../../core/store.js";

const ROWS_A_PAGE = 50;
/** How often what is on its way is looked at again. */
const UNDERWAY_MS = 5_000;

/** @type {Record<string, [string, import("../../core/parts/badges.js").Tone]>} */
const OUTCOMES = {
  accepted: ["can be replayed", "info"],
  replayed: ["published again", "ok"],
  landed: ["landed meanwhile", "ok"],
  underway: ["on its way", "info"],
  unreadable: ["still unreadable", "bad"],
  cut: ["kept in part only", "bad"],
  derived: ["is made anew", "muted"],
  unknown: ["topic is unknown", "muted"],
};

/** @param {any} letter */
const outcomeBadge = (letter) => badge(...(OUTCOMES[letter.outcome] ?? [letter.outcome, "muted"]), { title: letter.why });

/** @param {import("../../core/router.js").Context} ctx @param {import("../pipeline.js").Feed} feed */
export function lettersTab(ctx, feed) {
  const reasons = reasonTable();
  /** @type {string} */
  let offered = "";
  const bar = h("div", {});
  const list = may("admin") ? letterList(ctx) : null;
  const whole = card({ title: "By reason", note: "of the last 14 days", flush: true, children: reasons.element });
  const byReason = section(ctx, feed.read, (told) => {
    reasons.update(told.dead_letters);
    const known = JSON.stringify(told.dead_letters.map((/** @type {any} */ each) => [each.topic, each.error]));
    if (list && known !== offered) replace(bar, filters(ctx, told.dead_letters, list.reload));
    offered = known;
    return whole;
  });
  feed.onNews(() => void byReason.reload());
  return h("div", { class: "stack" }, byReason, list ? [bar, list.element] : null);
}

/** @param {import("../../core/router.js").Context} ctx @param {any[]} reasons @param {() => void} load */
function filters(ctx, reasons, load) {
  const choice = (/** @type {"topic" | "error"} */ name, /** @type {string} */ all) => {
    const values = [...new Set(reasons.map((each) => String(each[name])))].sort();
    const options = /** @type {[string, string][]} */ ([["", all], ...values.map((value) => [value, value])]);
    return select({ options, value: ctx.query.get(name) ?? "", label: name === "topic" ? "Topic" : "Reason", onChange: (value) => {
      ctx.setQuery({ [name]: value });
      load();
    } });
  };
  return filterBar(choice("topic", "Every topic"), choice("error", "Every reason"));
}

function reasonTable() {
  return table({
    caption: "Dead letters by reason", rows: /** @type {any[]} */ ([]), keyOf: (row) => `${row.topic}\n${row.error}`, cards: true,
    columns: [
      { key: "error", label: "Reason", head: true, render: (row) => h("span", { class: "wrap-anywhere" }, row.error) },
      { key: "topic", label: "Topic", render: (row) => h("code", { class: "wrap-anywhere" }, row.topic) },
      { key: "letters", label: "Letters", align: "right", render: (row) => number(row.letters) },
      { key: "first_at", label: "First", render: (row) => ago(row.first_at) },
      { key: "last_at", label: "Last", render: (row) => ago(row.last_at) },
    ],
    empty: empty({ title: "No dead letters", hint: "Every message of the last 14 days could be read." }),
  });
}

/** The letters one by one. @param {import("../../core/router.js").Context} ctx */
function letterList(ctx) {
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @type {(string | null)[]} */
  let cursors = [null];
  /** @type {any[]} */
  let rows = [];
  const replay = button("Replay…", { kind: "primary", small: true, disabled: true, onClick: () => ask([...chosen], done) });
  const all = button("Choose replayable", { small: true, onClick: () => choose(rows.filter((row) => row.outcome === "accepted"), true) });
  const pages = h("div", {});
  const grid = gridOf(chosen, (letter, on) => choose([letter], on));

  /** @param {any[]} letters @param {boolean} on */
  function choose(letters, on) {
    for (const letter of letters) on ? chosen.add(letter.letter) : chosen.delete(letter.letter);
    draw();
  }
  function draw() {
    const label = /** @type {HTMLElement} */ (replay.querySelector("span"));
    label.textContent = chosen.size ? `Replay ${number(chosen.size)}…` : "Replay…";
    replay.disabled = chosen.size === 0;
    all.disabled = !rows.some((row) => row.outcome === "accepted" && !chosen.has(row.letter));
    grid.update(rows.map((row) => ({ ...row })));
  }
  function done() {
    chosen.clear();
    void body.reload();
  }
  const params = () => ({ topic: ctx.query.get("topic"), error: ctx.query.get("error"), cursor: cursors.at(-1), limit: ROWS_A_PAGE });
  const body = section(ctx, (signal) => get("/api/deadletters", { params: params(), signal }), (found) => {
    rows = found.items;
    draw();
    const first = (cursors.length - 1) * ROWS_A_PAGE;
    const step = (/** @type {(string | null)[]} */ next) => () => {
      cursors = next;
      done();
    };
    replace(pages, pager({
      from: rows.length ? first + 1 : 0, to: first + rows.length, total: null, what: "letters",
      onPrev: cursors.length > 1 ? step(cursors.slice(0, -1)) : null, onNext: found.next ? step([...cursors, found.next]) : null,
    }));
    return h("div", {}, grid.element, cursors.length > 1 || found.next ? pages : null);
  });
  ctx.every(UNDERWAY_MS, () => {
    if (!chosen.size && rows.some((row) => row.outcome === "underway")) void body.reload();
  });
  return {
    element: card({ title: "Letters", note: "the newest first", actions: [all, replay], flush: true, children: body }),
    reload: () => {
      cursors = [null];
      done();
    },
  };
}

/** @param {Set<string>} chosen @param {(letter: any, on: boolean) => void} choose */
function gridOf(chosen, choose) {
  return table({
    caption: "Dead letters", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.letter, cards: true,
    columns: [
      { key: "chosen", label: "Choose", render: (row) => h("input", { type: "checkbox", class: "pipeline-choice", "aria-label": `Choose ${row.letter}`, checked: chosen.has(row.letter), disabled: row.outcome !== "accepted", on: { change: (/** @type {Event} */ event) => choose(row, /** @type {HTMLInputElement} */ (event.target).checked) } }) },
      { key: "letter", label: "Letter", head: true, render: (row) => h("button", { type: "button", class: "pipeline-letter", on: { click: () => showLetter(row) } }, row.letter) },
      { key: "timestamp", label: "When", render: (row) => ago(row.timestamp) },
      { key: "error", label: "Reason", render: (row) => h("span", { class: "wrap-anywhere" }, row.error) },
      { key: "agent_id", label: "Agent", render: (row) => (row.agent_id === null ? h("span", { class: "muted" }, "not known") : nameLink(row.agent_id, agentHref(row.agent_id))) },
      { key: "size_bytes", label: "Size", align: "right", render: (row) => bytes(row.size_bytes) },
      { key: "outcome", label: "A replay now", render: outcomeBadge },
    ],
    empty: empty({ title: "No such letters", hint: "Nothing fits the filters, or everything could be read." }),
  });
}

/** @param {any} letter */
function showLetter(letter) {
  const facts = keyValue([
    ["Came", ago(letter.timestamp)],
    ["Reason then", h("span", { class: "wrap-anywhere" }, `${letter.error}: ${letter.detail}`)],
    ["A replay now", outcomeBadge(letter)],
    ["Why", h("span", { class: "wrap-anywhere" }, letter.why)],
    ["Tenant", letter.user_id],
    ["Size", bytes(letter.size_bytes)],
  ]);
  const beginning = letter.beginning ? code(letter.beginning, { label: "Beginning of the message" }) : h("p", { class: "muted" }, "The message is empty.");
  dialog({ title: letter.letter, body: h("div", { class: "stack" }, facts, h("h3", {}, "Beginning of the message"), beginning), wide: true, actions: [{ label: "Close" }] });
}

/** What would become of the letters, and then, if it is wanted, what became of them. @param {string[]} letters @param {() => void} done */
async function ask(letters, done) {
  const found = await post("/api/deadletters/replay", { letters, dry_run: true }).catch((error) => void toast(error.message, "bad"));
  if (!found) return;
  const able = found.letters.filter((/** @type {any} */ each) => each.outcome === "accepted");
  dialog({
    title: `Replay ${number(able.length)} of ${number(letters.length)}?`,
    body: h("div", { class: "stack" },
      h("p", {}, "Each is published once more to the topic that it came from, as its agent sent it. What stands in the lake already is left out. The audit trail says who did it."),
      outcomes(found.letters)),
    actions: [{ label: "Cancel" }, ...(able.length ? [{ label: `Replay ${number(able.length)}`, kind: /** @type {"primary"} */ ("primary"), onClick: async () => {
      const told = await post("/api/deadletters/replay", { letters: able.map((/** @type {any} */ each) => each.letter) });
      if (told.replayed < able.length) notAll(told);
      else toast(`${number(told.replayed)} of ${number(able.length)} published again.`, "ok");
      done();
    } }] : [])],
  });
}

/** Between the question and the order somebody else was quicker, or they landed. @param {any} told */
function notAll(told) {
  const others = told.letters.filter((/** @type {any} */ each) => each.outcome !== "replayed");
  dialog({
    title: `${number(told.replayed)} of ${number(told.letters.length)} published again`,
    body: h("div", { class: "stack" }, h("p", {}, "The others were not:"), h("ul", {}, others.map((/** @type {any} */ each) => h("li", { class: "wrap-anywhere" }, h("code", {}, each.letter), ": ", each.why)))),
    actions: [{ label: "Close" }],
  });
}

/** @param {any[]} letters */
function outcomes(letters) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const each of letters) counts.set(each.outcome, (counts.get(each.outcome) ?? 0) + 1);
  return h("ul", { class: "pipeline-outcomes" }, [...counts].map(([outcome, count]) => h("li", { class: "row" }, h("span", { class: "strong" }, number(count)), outcomeBadge({ outcome, why: "" }))));
}
