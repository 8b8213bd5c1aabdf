// @ts-check
/** What a tile says: how far it is trusted as one of five steps, how it is as a mark; colour never alone. */
import { number, trust } from "../../core/format.js";
import { facetName, valueName } from "../agents/asked.js";

/** @typedef {{names: (string | null)[], agents: number[], trust: (number | null)[], status: number[], places: ([number, number, number] | null)[], more: number}} Tiles */
/** @typedef {import("../agents/grouped.js").Group & {tiles: Tiles}} TileGroup */
/** @typedef {{by: string, within: string, tiles_are: "agents" | "parts", statuses: string[], agents: number, groups_total: number, groups_largest: number, agents_left_out: number, groups: TileGroup[], facets: string[]}} Topology */
/** @typedef {{group: TileGroup, at: number, name: string, agents: number, trust: number | null, status: string, tone: string}} Tile */

/** @type {{least: number, tone: string, label: string}[]} */
export const STEPS = [
  { least: 0.8, tone: "ok", label: "0.80 and more" },
  { least: 0.65, tone: "warn", label: "0.65 to 0.80" },
  { least: 0.5, tone: "degraded", label: "0.50 to 0.65" },
  { least: 0, tone: "bad", label: "below 0.50" },
];
/** @type {Record<string, string>} */
export const MARKS = { offline: "×", degraded: "▲", late: "…", unknown: "?", online: "" };

/** @param {number | null} score */
export const toneOf = (score) => (score === null ? "muted" : (STEPS.find((step) => score >= step.least) ?? STEPS[3]).tone);

/** The tiles of a group. @param {Topology} topology @param {TileGroup} group @returns {Tile[]} */
export function tilesOf(topology, group) {
  const { names, agents, trust: scores, status } = group.tiles;
  return names.map((name, at) => ({ group, at, name: name ?? "", agents: agents[at], trust: scores[at], status: topology.statuses[status[at]], tone: toneOf(scores[at]) }));
}

/** A tile in words. @param {Topology} topology @param {Tile} tile */
export function tileText(topology, tile) {
  const score = tile.trust === null ? "no score yet" : `trust ${trust(tile.trust)}`;
  if (topology.tiles_are === "agents") return `${tile.name}: ${score}, ${tile.status}`;
  const status = tile.status === "online" ? "all online" : `worst status ${tile.status}`;
  return `${facetName(topology.within)} ${valueName(tile.name)}: ${number(tile.agents)} agents, mean ${score}, ${status}`;
}
