// @ts-check
/** Every agent, filtered, sorted, grouped; the rows on screen follow the stream of changes. */
import { h, replace } from "../core/dom.js";
import { number } from "../core/format.js";
import { card, empty, failed, page, pager, select, skeleton, table } from "../core/parts.js";
import { agentHref } from "../core/paths.js";
import { ask, asked, facetName } from "./agents/asked.js";
import { agentFilters } from "./agents/filters.js";
import { GROUPS_A_PAGE, groupTable } from "./agents/grouped.js";
import { changed, columnsOf, keyOf } from "./agents/rows.js";

const ROWS_A_PAGE = 50;
/** What changes elsewhere in the list (who fits, who comes first) is fetched at most so often. */
const SETTLE_MS = 4_000;
/** Heartbeats that come in time change nothing that is streamed: when they came last is asked for. */
const BEATS_MS = 15_000;

/** @param {import("../core/router.js").Context} ctx */
export async function show(ctx) {
  const lead = h("span", {}, " ");
  const body = h("div", { "aria-busy": "true" }, skeleton(10));
  const grouping = h("div", { class: "agents-by" });
  const filters = agentFilters(ctx, { onChange: () => void load(), extra: grouping });
  const list = agentList(ctx, body, () => void load());
  let loadedAt_ms = 0;
  /** @type {AbortController | null} */
  let running = null;

  /** @param {{unasked?: boolean}} [why] `unasked`: nobody chose anything; where it fails, what is shown stays */
  async function load({ unasked = false } = {}) {
    loadedAt_ms = Date.now();
    running?.abort();
    const mine = (running = new AbortController());
    const signal = AbortSignal.any([ctx.signal, mine.signal]);
    body.setAttribute("aria-busy", "true");
    const by = ctx.query.get("by");
    try {
      const found = await (by ? groupsOf(ctx, by, signal) : list.fetch(signal));
      if (signal.aborted) return;
      offer(found.facets, by);
      if (by) showGroups(found);
      else list.show(found);
      replace(lead, by ? `${said(found.total, "group")} of ${said(found.agents, "agent")}` : said(found.total, "agent"), Object.keys(asked(ctx.query)).length ? " fit the filters" : ", as they are now");
    } catch (error) {
      if (signal.aborted || (unasked && body.querySelector("table"))) return;
      list.forget();
      replace(body, failed(error, () => void load()));
    } finally {
      if (!signal.aborted) body.setAttribute("aria-busy", "false");
    }
  }

  /** @param {any} groups */
  function showGroups(groups) {
    list.forget();
    const place = { query: ctx.query, offset: offsetOf(ctx), onPage: (/** @type {number} */ offset) => turn(ctx, offset, load) };
    replace(body, card({ flush: true, class: "agents-list", children: groupTable(groups, place) }));
  }

  /** @param {string[]} facets @param {string | null} by */
  function offer(facets, by) {
    filters.offer(facets);
    if (grouping.contains(document.activeElement)) return;
    const options = /** @type {[string, string][]} */ ([["", "Not grouped"], ...(by && !facets.includes(by) ? [...facets, by] : facets).map((name) => [name, `By ${facetName(name).toLowerCase()}`])]);
    replace(grouping, select({ options, value: by ?? "", label: "Group agents", onChange: (value) => {
      ctx.setQuery({ by: value, offset: null });
      void load();
    } }));
  }

  follow(ctx, list, () => load({ unasked: true }), () => Date.now() - loadedAt_ms);
  void load();
  return page({ title: "Agents", lead, children: [filters.element, body] });
}

/** @param {number} count @param {string} what */
const said = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

/** @param {import("../core/router.js").Context} ctx */
const offsetOf = (ctx) => Math.max(0, Number.parseInt(ctx.query.get("offset") ?? "0", 10) || 0);

/** @param {import("../core/router.js").Context} ctx @param {number} offset @param {() => void} load */
function turn(ctx, offset, load) {
  ctx.setQuery({ offset: offset || null });
  load();
}

/** @param {import("../core/router.js").Context} ctx @param {string} by @param {AbortSignal} signal */
function groupsOf(ctx, by, signal) {
  return ask("/api/agents/groups", { ...asked(ctx.query), by, limit: GROUPS_A_PAGE, offset: offsetOf(ctx) }, signal);
}

/**
 * The table, made once and then changed in place, so that focus and scroll stay.
 * @param {import("../core/router.js").Context} ctx
 * @param {HTMLElement} body
 * @param {() => void} load
 */
function agentList(ctx, body, load) {
  /** @type {{element: HTMLElement, update: (rows: any[], sort?: any) => void} | null} */
  let grid = null;
  /** @type {import("./agents/rows.js").AgentLine[]} */
  let rows = [];
  let shape = "";
  const pages = h("div", {});

  return {
    /** @param {AbortSignal} signal */
    fetch: (signal) => ask("/api/agents", { ...asked(ctx.query), sort: ctx.query.get("sort") ?? "agent_id", offset: offsetOf(ctx), limit: ROWS_A_PAGE }, signal),
    /** @param {any} found */
    show(found) {
      rows = found.items;
      if (!grid || shape !== found.facets.join()) {
        shape = found.facets.join();
        grid = gridOf(ctx, rows, found.facets, load);
        replace(body, card({ flush: true, class: "agents-list", children: [grid.element, pages] }));
      }
      grid.update(rows, sortOf(ctx));
      const offset = offsetOf(ctx);
      const to = offset + rows.length;
      replace(pages, pager({
        from: rows.length ? offset + 1 : 0, to, total: found.total, what: "agents",
        onPrev: offset > 0 ? () => turn(ctx, Math.max(0, offset - ROWS_A_PAGE), load) : null,
        onNext: to < found.total ? () => turn(ctx, to, load) : null,
      }));
    },
    forget() {
      grid = null;
    },
    /** Rows on screen take what the stream told; whether any did. @param {"status" | "trust"} kind @param {any[]} items */
    take(kind, items) {
      const news = new Map(items.map((each) => [keyOf(each), each]));
      const any = rows.some((row) => news.has(keyOf(row)));
      if (!grid || !any) return;
      rows = rows.map((row) => (news.has(keyOf(row)) ? changed(row, kind, news.get(keyOf(row))) : row));
      grid.update(rows);
    },
  };
}

/** @param {import("../core/router.js").Context} ctx @param {any[]} rows @param {string[]} facets @param {() => void} load */
function gridOf(ctx, rows, facets, load) {
  return table({
    caption: "Agents", columns: columnsOf(facets), rows, keyOf, cards: true, sort: sortOf(ctx),
    same: (before, after) => JSON.stringify(before) === JSON.stringify(after),
    onSort: ({ key, order }) => {
      ctx.setQuery({ sort: key === "agent_id" && order === "asc" ? null : (order === "desc" ? "-" : "") + key, offset: null });
      load();
    },
    onRow: (row) => ctx.go(agentHref(row.agent_id)),
    empty: empty({ title: "No agents fit", hint: "Take filters out, or wait for an agent to send its first heartbeat." }),
  });
}

/** @param {import("../core/router.js").Context} ctx @returns {{key: string, order: "asc" | "desc"}} */
function sortOf(ctx) {
  const sort = ctx.query.get("sort") ?? "agent_id";
  return sort.startsWith("-") ? { key: sort.slice(1), order: "desc" } : { key: sort, order: "asc" };
}

/**
 * Rows follow at once; the list as a whole is fetched anew when things have changed, not more often than it settles.
 * @param {import("../core/router.js").Context} ctx
 * @param {ReturnType<typeof agentList>} list
 * @param {() => Promise<void>} load
 * @param {() => number} age_ms of what is shown
 */
function follow(ctx, list, load, age_ms) {
  let stale = false;
  for (const kind of /** @type {const} */ (["status", "trust"])) {
    ctx.live.on(kind, (told) => {
      list.take(kind, told.items);
      stale = true;
    });
  }
  ctx.live.on("lagged", () => (stale = true));
  ctx.live.on("connection", (told) => told.state === "live" && (stale = true));
  ctx.every(SETTLE_MS, () => {
    if (!stale && age_ms() < BEATS_MS) return;
    stale = false;
    void load();
  });
}
