// @ts-check
/** The fleet as a picture: by deployment, host, department or anything else, flat or in three dimensions. */
import { h, replace } from "../core/dom.js";
import { number } from "../core/format.js";
import { card, empty, failed, page, select, skeleton, table } from "../core/parts.js";
import { ask, asked, facetName } from "./agents/asked.js";
import { agentFilters } from "./agents/filters.js";
import { everyGroupHref, groupColumns } from "./agents/grouped.js";
import { statusInShort, statusText } from "./agents/status-bar.js";
import { groupCards, legend, tileHref } from "./topology/tiles.js";
import { view3d } from "./topology/view3d.js";

/** @typedef {import("./topology/words.js").Topology} Topology */

const SETTLE_MS = 5_000;
const BESIDE = ["value", "agents", "by_status", "trust_mean"];

/** @param {import("../core/router.js").Context} ctx */
export async function show(ctx) {
  const lead = h("span", {}, " ");
  const picture = h("div", { class: "topology-picture", "aria-busy": "true" }, skeleton(12));
  const beside = h("div", { class: "topology-beside" });
  const left = h("div", { hidden: true });
  const choices = h("div", { class: "row" });
  const filters = agentFilters(ctx, { onChange: () => void load(), extra: choices });
  /** @type {ReturnType<typeof view3d> | null} */
  let third = null;
  /** @type {Topology | null} */
  let last = null;

  async function load() {
    const by = ctx.query.get("by") || "deployment";
    const within = ctx.query.get("within") || (by === "host" ? "deployment" : "host");
    picture.setAttribute("aria-busy", "true");
    try {
      const found = /** @type {Topology} */ (await ask("/api/topology", { ...asked(ctx.query), by, within }, ctx.signal));
      if (same(found, last) && picture.getAttribute("data-view") === viewOf(ctx)) return;
      last = found;
      filters.offer(found.facets);
      offer(found);
      draw(found);
    } catch (error) {
      if (ctx.signal.aborted) return;
      leaveThird();
      last = null;
      replace(picture, failed(error, () => void load()));
    } finally {
      if (!ctx.signal.aborted) picture.setAttribute("aria-busy", "false");
    }
  }

  /** @param {Topology} found */
  function draw(found) {
    picture.setAttribute("data-view", viewOf(ctx));
    replace(lead, `${number(found.agents)} agents by ${facetName(found.by).toLowerCase()}`, found.tiles_are === "parts" ? `; each tile is the agents of one ${facetName(found.within).toLowerCase()}` : "");
    replace(left, leftOut(found, ctx.query));
    left.hidden = !left.hasChildNodes();
    if (!found.agents) {
      leaveThird();
      replace(picture, empty({ title: "No agents fit", hint: "Take filters out to see more of the fleet." }));
    } else if (viewOf(ctx) === "3d") {
      if (!third) replace(picture, (third = view3d(ctx, { hrefOf: (tile) => tileHref(last ?? found, tile, ctx.query), onFlat: () => view("2d") })).element);
      third.update(found);
    } else {
      leaveThird();
      keepingFocus(picture, () => replace(picture, groupCards(found, ctx.query)));
    }
    replace(beside, tableBeside(found, ctx.query));
  }

  function leaveThird() {
    third?.stop();
    third = null;
  }

  /** @param {"2d" | "3d"} which */
  function view(which) {
    ctx.setQuery({ view: which === "3d" ? "3d" : null });
    if (!last) return;
    offer(last);
    draw(last);
  }

  /** @param {Topology} found */
  function offer(found) {
    const names = found.facets.includes(found.by) ? found.facets : [...found.facets, found.by];
    const options = /** @type {[string, string][]} */ (names.map((name) => [name, `By ${facetName(name).toLowerCase()}`]));
    const is3d = viewOf(ctx) === "3d";
    const segment = (/** @type {"2d" | "3d"} */ which, /** @type {string} */ label) => h("button", { type: "button", class: "segment", "aria-pressed": String(is3d === (which === "3d")), on: { click: () => view(which) } }, label);
    const had = choices.contains(document.activeElement) ? document.activeElement?.textContent : null;
    if (had !== null && document.activeElement instanceof HTMLSelectElement) return;
    replace(choices,
      select({ options, value: found.by, label: "Group agents", onChange: (by) => {
        ctx.setQuery({ by: by === "deployment" ? null : by, within: null });
        /** @type {HTMLElement} */ (document.activeElement)?.blur();
        void load();
      } }),
      h("div", { class: "segments", role: "group", "aria-label": "View" }, segment("2d", "Flat"), segment("3d", "3D")));
    if (had) /** @type {HTMLElement[]} */ ([...choices.querySelectorAll("button")]).find((each) => each.textContent === had)?.focus();
  }

  follow(ctx, load);
  ctx.onLeave(leaveThird);
  void load();
  return page({ title: "Topology", lead, children: [filters.element, legend(), left, h("div", { class: "topology" }, picture, beside)] });
}

/** @param {import("../core/router.js").Context} ctx */
const viewOf = (ctx) => (ctx.query.get("view") === "3d" ? "3d" : "2d");

/** Whether there is nothing new to draw. @param {Topology} found @param {Topology | null} last */
const same = (found, last) => last !== null && JSON.stringify({ ...found, as_of: 0 }) === JSON.stringify({ ...last, as_of: 0 });

/** How many groups are not in the picture, and where they are; nothing where all are. @param {Topology} found @param {URLSearchParams} query */
function leftOut(found, query) {
  const rest = found.groups_total - found.groups.length;
  if (rest <= 0) return null;
  return h("p", { class: "topology-left" }, `Shown are the ${number(found.groups_largest)} largest groups and, of the others, the ${number(found.groups.length - found.groups_largest)} least trusted. `,
    h("span", { class: "strong" }, `${number(rest)} groups with ${number(found.agents_left_out)} agents are left out.`),
    " Filter or group otherwise to see them as a picture, or see ", h("a", { href: everyGroupHref(query, found.by) }, `all ${number(found.groups_total)} as a list`), ".");
}

/** @param {Topology} found @param {URLSearchParams} query */
function tableBeside(found, query) {
  const columns = groupColumns(found.by, query).filter((column) => BESIDE.includes(column.key))
    .map((column) => (column.key === "by_status" ? { ...column, render: shortly } : column.key === "trust_mean" ? { ...column, label: "Trust", title: "mean of its agents" } : column));
  const grid = table({ caption: `Agents by ${facetName(found.by).toLowerCase()}`, columns, rows: found.groups, keyOf: (row) => row.value ?? "", sort: { key: "trust_mean", order: "asc" }, compact: true });
  return card({ title: "In numbers", flush: true, children: grid.element });
}

/** @param {import("./agents/grouped.js").Group} group */
const shortly = (group) => h("span", { class: "small quiet nowrap", title: statusText(group.by_status) }, statusInShort(group.by_status));

/** Whoever was on a tile is on it again after it was drawn anew. @param {Element} box @param {() => void} redraw */
function keepingFocus(box, redraw) {
  const name = box.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.name : undefined;
  redraw();
  if (name !== undefined) /** @type {HTMLElement | null} */ (box.querySelector(`[data-name="${CSS.escape(name)}"]`))?.focus();
}

/** @param {import("../core/router.js").Context} ctx @param {() => Promise<void>} load */
function follow(ctx, load) {
  let stale = false;
  for (const kind of /** @type {const} */ (["status", "trust", "lagged"])) ctx.live.on(kind, () => (stale = true));
  ctx.every(SETTLE_MS, () => {
    if (!stale) return;
    stale = false;
    void load();
  });
}
