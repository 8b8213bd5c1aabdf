// @ts-check
/** Agents by what they have in common: a row for each group. */
import { h } from "../../core/dom.js";
import { number, trust } from "../../core/format.js";
import { empty, nameLink, pager, table, trustMeter } from "../../core/parts.js";
import { pageHref } from "../../core/paths.js";
import { asked, facetName, filterOf, valueName } from "./asked.js";
import { statusBar } from "./status-bar.js";

/** @typedef {{value: string | null, agents: number, by_status: Record<string, number>, trust_mean: number | null, trust_p10: number | null, trust_lowest: number | null, violations_24h: number}} Group */

export const GROUPS_A_PAGE = 100;

/** The list of one group's agents, with the filters that are set. @param {URLSearchParams} query @param {string} by @param {string | null} value @param {string} [path] */
export function groupHref(query, by, value, path = "agents") {
  const given = new URLSearchParams();
  const [name, text] = filterOf(by, value ?? "");
  for (const [each, values] of Object.entries(asked(query))) for (const one of values) if (each !== name || name === "label") given.append(each, one);
  given.append(name, text);
  return `${pageHref(path)}?${given}`;
}

/** The list of all groups, with the filters that are set. @param {URLSearchParams} query @param {string} by */
export function everyGroupHref(query, by) {
  const given = new URLSearchParams({ by });
  for (const [each, values] of Object.entries(asked(query))) for (const one of values) given.append(each, one);
  return `${pageHref("agents")}?${given}`;
}

/**
 * @param {{by: string, total: number, agents: number, items: Group[]}} found
 * @param {{query: URLSearchParams, offset: number, onPage: (offset: number) => void}} place
 */
export function groupTable(found, { query, offset, onPage }) {
  const grid = table({
    caption: `Agents by ${facetName(found.by).toLowerCase()}`,
    columns: groupColumns(found.by, query),
    rows: found.items,
    keyOf: (row) => row.value ?? "",
    cards: true,
    sort: { key: "agents", order: "desc" },
    empty: empty({ title: "No agents fit these filters" }),
  });
  const to = offset + found.items.length;
  const pages = pager({
    from: found.items.length ? offset + 1 : 0, to, total: found.total, what: "groups",
    onPrev: offset > 0 ? () => onPage(Math.max(0, offset - GROUPS_A_PAGE)) : null,
    onNext: to < found.total ? () => onPage(to) : null,
  });
  return [grid.element, pages];
}

/** @param {string} by @param {URLSearchParams} query @returns {import("../../core/parts/table.js").Column<Group>[]} */
export function groupColumns(by, query) {
  return [
    { key: "value", label: facetName(by), sort: true, head: true, class: "agent-name", render: (row) => nameLink(valueName(row.value), groupHref(query, by, row.value)) },
    { key: "agents", label: "Agents", sort: true, align: "right", render: (row) => number(row.agents) },
    { key: "by_status", label: "Status", wide: true, render: (row) => statusBar(row.by_status) },
    { key: "trust_mean", label: "Mean trust", sort: true, render: (row) => trustMeter(row.trust_mean) },
    { key: "trust_p10", label: "Lowest tenth", class: "phone-hide", layout: "list-1", sort: true, align: "right", title: "a tenth of its agents have this score or less", render: (row) => trust(row.trust_p10) },
    { key: "trust_lowest", label: "Lowest", sort: true, align: "right", render: (row) => trust(row.trust_lowest) },
    { key: "violations_24h", label: "Violations", unit: "24 h", sort: true, align: "right", render: (row) => number(row.violations_24h) },
  ];
}
