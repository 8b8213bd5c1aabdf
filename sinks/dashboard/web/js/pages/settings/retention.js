// @ts-check
/** How long the lake keeps what, and changing it: what would go is said before anything goes. */
import { get, put } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago, bytes, duration_s, number, time } from "../../core/format.js";
import { badge, button, card, dialog, field, input, select, table, toast } from "../../core/parts.js";
import { me } from "../../core/store.js";

const DAY_S = 86_400;
const TRY_AFTER_MS = 250;
const OTHER = "other";

/** @param {any} found as GET /api/settings tells it @param {() => void} changed */
export function retentionCard(found, changed) {
  const whole = me?.tenant === null;
  const grid = table({
    caption: "How long each kind of event is kept", rows: found.retention, keyOf: (row) => row.table, cards: true, sort: { key: "table", order: "asc" },
    columns: [
      { key: "table", label: "Table", head: true, sort: true, render: (row) => h("code", {}, row.table) },
      { key: "summary", label: "Holds" },
      { key: "lake_s", label: "In the lake", align: "right", sort: true, render: kept },
      { key: "topic_s", label: "On the broker", align: "right", sort: true, render: (row) => (row.topic_s === null ? (row.topic ? "the latest" : "–") : duration_s(row.topic_s)) },
      ...(whole ? [
        { key: "stored_bytes", label: "Stored", align: /** @type {"right"} */ ("right"), sort: true, render: (/** @type {any} */ row) => bytes(row.stored_bytes) },
        { key: "files", label: "Files", align: /** @type {"right"} */ ("right"), sort: true, render: (/** @type {any} */ row) => number(row.files) },
        { key: "oldest", label: "Oldest", sort: true, render: (/** @type {any} */ row) => time(row.oldest) },
        { key: "do", label: "Change", render: (/** @type {any} */ row) => (row.shortest_s === null ? h("span", { class: "muted" }, "–") : button("Change…", { kind: "quiet", small: true, title: `How long ${row.table} is kept`, onClick: () => askKeep(row, changed) })) },
      ] : []),
    ],
  });
  const sum = found.retention.reduce((/** @type {number} */ all, /** @type {any} */ each) => all + (each.stored_bytes ?? 0), 0);
  return h("div", { class: "stack" }, followed(found, whole), card({ title: "Retention", note: whole ? `${bytes(sum)} in the lake` : undefined, flush: true, children: grid.element }));
}

/** Whether what is decided is what the lake writer goes by. @param {any} found @param {boolean} whole */
function followed(found, whole) {
  if (found.keep_trouble) return h("p", { class: "notice tone-bad", role: "alert" }, `What was decided cannot be read: ${found.keep_trouble}.`);
  if (!whole) return null;
  if (!found.applied_at) return h("p", { class: "notice tone-warn" }, "No lake writer has left word yet of what it goes by: it does so within a minute of its start, unless it was started with --no-compact.");
  return h("p", { class: "quiet" }, "The lake writer goes by this; it last looked for hours to remove ", ago(found.applied_at), ".");
}

/** @param {any} row */
function kept(row) {
  const late = row.applied_s !== null && row.applied_s !== row.lake_s;
  return h("span", {}, h("span", { class: "nowrap" }, duration_s(row.lake_s)),
    row.decided_by === null ? null : h("span", { class: "settings-usual" }, `default: ${duration_s(row.default_s)}`),
    late ? badge(`writer: ${duration_s(row.applied_s)}`, "warn", { title: "The lake writer has not followed yet" }) : null);
}

/** @param {any} row @param {() => void} changed */
function askKeep(row, changed) {
  const days = input({ type: "number", value: String(Math.round(row.lake_s / DAY_S)), onInput: later });
  days.min = String(Math.ceil(row.shortest_s / DAY_S));
  days.max = "3650";
  const other = field({ label: "Days", hint: `${days.min} at least${row.table === "audit" ? ": it says who did what" : ""}`, control: days });
  const choose = select({ options: choices(row), value: String(row.lake_s), onChange: later });
  const goes = h("div", { class: "settings-goes", role: "status" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  let asked = 0;
  const wanted = () => (choose.value === OTHER ? `${days.value || 0}d` : choose.value === String(row.default_s) ? "default" : `${Number(choose.value) / DAY_S}d`);

  function later() {
    other.hidden = choose.value !== OTHER;
    clearTimeout(waiting);
    waiting = setTimeout(() => void look(), TRY_AFTER_MS);
  }
  async function look() {
    const mine = ++asked;
    other.setError("");
    try {
      const found = await get(`/api/settings/retention/${row.table}`, { params: { keep: wanted() } });
      if (mine === asked) replace(goes, whatGoes(found));
    } catch (error) {
      if (mine !== asked) return;
      replace(goes);
      other.hidden = false;
      other.setError(/** @type {Error} */ (error).message);
    }
  }
  later();
  dialog({
    title: `How long is ${row.table} kept?`,
    body: h("div", { class: "stack" }, h("p", { class: "quiet" }, `${row.summary[0].toUpperCase()}${row.summary.slice(1)}. Kept for ${duration_s(row.lake_s)} now, ${duration_s(row.default_s)} by default.`), field({ label: "Keep it for", control: choose }), other, goes),
    actions: [{ label: "Cancel" }, { label: "Keep it so long", kind: "primary", onClick: async () => {
      const done = await put(`/api/settings/retention/${row.table}`, { keep: wanted(), was_s: row.lake_s });
      toast(`${row.table} is kept for ${duration_s(done.retention.lake_s)}${done.files ? `; ${bytes(done.stored_bytes)} go within a minute` : ""}.`, "ok");
      changed();
    } }],
  });
}

/** @param {any} row @returns {[string, string][]} */
function choices(row) {
  const usual = [7, 14, 30, 60, 90, 180, 365, 730].map((days) => days * DAY_S).filter((each) => each >= row.shortest_s);
  const all = [...new Set([...usual, row.lake_s, row.default_s])].sort((one, two) => one - two);
  return [...all.map((each) => /** @type {[string, string]} */ ([String(each), duration_s(each) + (each === row.default_s ? " (default)" : "")])), [OTHER, "another number of days"]];
}

/** @param {any} found */
function whatGoes(found) {
  if (!found.files) return h("p", { class: "quiet" }, "Nothing that is there goes by this.");
  return h("p", { class: "notice tone-warn" }, h("strong", {}, `${bytes(found.stored_bytes)} in ${number(found.files)} files go for ever`), ": ", `${number(found.hours)} ${found.hours === 1 ? "hour" : "hours"} from `, time(found.from), " to ", time(found.to), ".");
}
