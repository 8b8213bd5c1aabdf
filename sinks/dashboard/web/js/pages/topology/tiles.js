// @ts-check
/** The fleet in two dimensions: a card for each group, a tile for each agent or part of the group. */
import { h } from "../../core/dom.js";
import { number, trust } from "../../core/format.js";
import { agentHref } from "../../core/paths.js";
import { badge, card } from "../../core/parts.js";
import { facetName, filterOf, valueName } from "../agents/asked.js";
import { groupHref } from "../agents/grouped.js";
import { statusText } from "../agents/status-bar.js";
import { MARKS, STEPS, tilesOf, tileText } from "./words.js";

/** @typedef {import("./words.js").Topology} Topology */
/** @typedef {import("./words.js").Tile} Tile */

/** All groups. @param {Topology} topology @param {URLSearchParams} query */
export function groupCards(topology, query) {
  const cards = topology.groups.map((group) => groupCard(topology, group, query));
  const largest = topology.groups_largest;
  if (largest >= cards.length) return h("div", { class: "tile-groups" }, cards);
  return h("div", { class: "stack" }, part("The largest groups", cards.slice(0, largest)), part("The least trusted of the others", cards.slice(largest)));
}

/** @param {string} title @param {HTMLElement[]} cards */
const part = (title, cards) => h("section", { class: "stack-tight" }, h("h2", {}, title), h("div", { class: "tile-groups" }, cards));

/** @param {Topology} topology @param {import("./words.js").TileGroup} group @param {URLSearchParams} query */
function groupCard(topology, group, query) {
  const name = valueName(group.value);
  const note = `${number(group.agents)} agent${group.agents === 1 ? "" : "s"}, mean trust ${trust(group.trust_mean)}`;
  const label = `${facetName(topology.by)} ${name}, least trusted first; arrow keys move`;
  const tiles = tilesOf(topology, group).map((tile) => tileLink(topology, tile, query));
  tiles[0]?.setAttribute("tabindex", "0");
  const grid = h("div", { class: `tiles tiles-${topology.tiles_are}`, role: "group", "aria-label": label, on: { keydown: walk } }, tiles);
  const more = group.tiles.more ? h("p", { class: "small quiet" }, `and ${number(group.tiles.more)} more, each better trusted`) : null;
  return card({ title: name, href: groupHref(query, topology.by, group.value), note, class: "tile-card", children: [grid, more, h("p", { class: "visually-hidden" }, statusText(group.by_status))] });
}

/** @param {Topology} topology @param {Tile} tile @param {URLSearchParams} query */
function tileLink(topology, tile, query) {
  const text = tileText(topology, tile);
  const props = { class: `tile tone-${tile.tone}`, href: tileHref(topology, tile, query), tabindex: "-1", title: text, "aria-label": text, "data-name": tile.name, "data-status": tile.status, css: { "--share": tile.trust ?? 0 } };
  if (topology.tiles_are === "agents") return h("a", props, h("span", { class: "tile-mark", "aria-hidden": "true" }, MARKS[tile.status] ?? ""));
  return h("a", props, h("span", { class: "tile-name" }, valueName(tile.name)), h("span", { class: "tile-facts" }, `${number(tile.agents)} · ${trust(tile.trust)}${MARKS[tile.status] ? ` ${MARKS[tile.status]}` : ""}`));
}

/** @param {Topology} topology @param {Tile} tile @param {URLSearchParams} query */
export function tileHref(topology, tile, query) {
  if (topology.tiles_are === "agents") return agentHref(tile.name);
  const [name, text] = filterOf(topology.within, tile.name);
  return `${groupHref(query, topology.by, tile.group.value)}&${new URLSearchParams([[name, text]])}`;
}

/** Arrows move between the tiles of a group; one of them is in the order of Tab. @param {KeyboardEvent} event */
function walk(event) {
  const grid = /** @type {HTMLElement} */ (event.currentTarget);
  const all = /** @type {HTMLElement[]} */ ([...grid.children]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const columns = Math.max(1, all.findIndex((tile) => tile.offsetTop !== all[0].offsetTop));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: all.length - 1 - at }[event.key];
  if (at < 0 || step === undefined) return;
  event.preventDefault();
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  all[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** What colours and marks mean. */
export function legend() {
  const steps = STEPS.map((step) => h("li", { class: `legend-step tone-${step.tone}` }, h("span", { class: "legend-tile", "aria-hidden": "true", css: { "--share": Math.min(1, step.least + 0.15) } }), step.label));
  const none = h("li", { class: "legend-step tone-muted" }, h("span", { class: "legend-tile", "aria-hidden": "true" }), "no score");
  const marks = Object.entries(MARKS).filter(([, mark]) => mark).map(([word, mark]) => h("li", { class: "legend-step" }, badge(mark, "muted", { sign: "" }), word));
  return h("div", { class: "legend" }, h("span", { class: "legend-name", id: "legend-trust" }, "Trust"), h("ul", { class: "legend-list", "aria-labelledby": "legend-trust" }, steps, none),
    h("span", { class: "legend-name", id: "legend-status" }, "Status"), h("ul", { class: "legend-list", "aria-labelledby": "legend-status" }, marks));
}
