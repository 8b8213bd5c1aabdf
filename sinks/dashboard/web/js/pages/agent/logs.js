// @ts-check
/** Log lines of an agent, by level and words. */
import { h } from "../../core/dom.js";
import { time } from "../../core/format.js";
import { card, empty, filterBar, input, select, severityBadge } from "../../core/parts.js";
import { runHref } from "../../core/paths.js";
import { listing } from "./listing.js";
import { named } from "./named.js";

const LEVELS = ["debug", "info", "warn", "error", "critical"];
const PAUSE_MS = 250;

/** @param {import("./asked.js").Asked} asked */
export function logsTab(asked) {
  const { ctx } = asked;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;
  const params = () => ({ level: atLeast(ctx.query.get("level")), q: ctx.query.get("q") });
  const list = listing(asked, { route: "logs", params, what: "lines", page: 100, table: lines(asked.id) });
  const level = select({ label: "Least level", value: ctx.query.get("level") ?? "", options: [["", "All levels"], ...LEVELS.slice(1).map((each) => /** @type {[string, string]} */ ([each, `${each} and above`]))], onChange: (value) => changed({ level: value }) });
  const words = input({ label: "Words in the message", type: "search", placeholder: "Words in the message", value: ctx.query.get("q") ?? "", onInput: (value) => {
    clearTimeout(pause);
    pause = setTimeout(() => changed({ q: value }), PAUSE_MS);
  } });
  /** @param {Record<string, string>} values */
  function changed(values) {
    ctx.setQuery(values);
    void list.reload();
  }
  return card({ title: "Logs", flush: true, actions: filterBar(level, words), children: list });
}

/** @param {string | null} level */
const atLeast = (level) => (level ? LEVELS.slice(LEVELS.indexOf(level)) : null);

/** @param {string} id */
function lines(id) {
  return {
    caption: "Log lines, the newest first",
    keyOf: (/** @type {any} */ row) => row.event_id,
    compact: true,
    cards: true,
    empty: empty({ title: "No such lines", hint: "Nothing was logged in this range that fits. Take a longer range or fewer filters." }),
    columns: [
      { key: "timestamp", label: "When", class: "nowrap", render: (/** @type {any} */ row) => time(row.timestamp) },
      { key: "level", label: "Level", render: (/** @type {any} */ row) => severityBadge(row.level === "warn" ? "warning" : row.level) },
      { key: "message", label: "Message", head: true, class: "agent-words agent-line", render: (/** @type {any} */ row) => [h("span", { class: "mono" }, row.message), named(row.metadata)] },
      { key: "source", label: "Source", render: (/** @type {any} */ row) => [row.source || "–", row.category ? h("span", { class: "muted" }, ` ${row.category}`) : null] },
      { key: "run_id", label: "Run", render: (/** @type {any} */ row) => (row.run_id ? h("a", { href: runHref(row.run_id, id) }, row.run_id) : "–") },
    ],
  };
}
