// @ts-check
/** The row of filters: a search, the filters that are set, and one more by choice. */
import { h, replace } from "../../core/dom.js";
import { compact } from "../../core/format.js";
import { button, field, filterBar, iconButton, input, select } from "../../core/parts.js";
import { ask, asked, chosen, facetName, filterOf, valueName } from "./asked.js";

const TRUSTS = /** @type {[string, string][]} */ ([["", "Any trust"], ["0.5", "Trust below 0.50"], ["0.8", "Trust below 0.80"], ["0.9", "Trust below 0.90"], ["1.1", "Any score at all"]]);
const STATUSES = /** @type {[string, string][]} */ ([["", "Any status"], ["online", "online"], ["late", "late"], ["degraded", "degraded"], ["offline", "offline"], ["unknown", "unknown"]]);
const SEARCH_AFTER_MS = 180;

/**
 * Filters that are kept in the address. `onChange` after every choice.
 * @param {import("../../core/router.js").Context} ctx
 * @param {{onChange: () => void, extra?: import("../../core/dom.js").Child}} options
 */
export function agentFilters(ctx, { onChange, extra }) {
  const chips = h("div", { class: "filter-chips" });
  const adder = h("div", { class: "filter-adder" });
  const search = input({ type: "search", placeholder: "Part of the name", label: "Search agents by name", value: ctx.query.get("q") ?? "" });
  const status = select({ options: STATUSES, value: one("status"), label: "Status", onChange: (value) => set({ status: value }) });
  const trust = select({ options: TRUSTS, value: ctx.query.get("trust_below") ?? "", label: "Trust", onChange: (value) => set({ trust_below: value }) });
  /** @type {string[]} */
  let facets = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;

  /** @param {string} name */
  function one(name) {
    const all = ctx.query.getAll(name);
    return all.length === 1 ? all[0] : "";
  }

  /** @param {Record<string, string | null>} values */
  function set(values) {
    ctx.setQuery({ ...values, offset: null });
    draw();
    onChange();
  }

  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => set({ q: search.value.trim() }), SEARCH_AFTER_MS);
  });
  ctx.onLeave(() => clearTimeout(typing));

  /** @param {string} facet @param {string} value */
  function add(facet, value) {
    const [name, text] = filterOf(facet, value);
    ctx.query.append(name, text);
    set({});
  }

  /** @param {string} facet @param {string} value */
  function remove(facet, value) {
    const [name, text] = filterOf(facet, value);
    ctx.query.delete(name, text);
    set({});
  }

  function clear() {
    for (const name of Object.keys(asked(ctx.query))) ctx.query.delete(name);
    search.value = "";
    set({});
    search.focus();
  }

  function draw() {
    status.value = one("status");
    trust.value = ctx.query.get("trust_below") ?? "";
    if (trust.selectedIndex < 0) trust.append(h("option", { value: ctx.query.get("trust_below") ?? "", selected: true }, `Trust below ${ctx.query.get("trust_below")}`));
    const shown = chosen(ctx.query).filter(([facet]) => facet !== "status" || !one("status"));
    const any = Object.keys(asked(ctx.query)).length > 0;
    replace(chips, shown.map(([facet, value]) => chip(facet, value, () => remove(facet, value))), any ? button("Clear filters", { kind: "quiet", small: true, onClick: clear }) : null);
    replace(adder, moreFilters(facets, (facet) => choices(facet)));
  }

  /** @param {string} facet */
  async function choices(facet) {
    const { [facet]: _, ...others } = asked(ctx.query);
    const found = await ask("/api/agents/groups", { ...others, by: facet, limit: 500 }, ctx.signal);
    const options = /** @type {[string, string][]} */ (found.items.map((/** @type {any} */ each) => [each.value ?? "", `${valueName(each.value)} (${compact(each.agents)})`]));
    const picker = select({ options: [["\0", `${facetName(facet)}…`], ...options], label: `Only agents with this ${facetName(facet).toLowerCase()}`, onChange: (value) => add(facet, value) });
    replace(adder, h("div", { class: "row" }, picker, iconButton("close", "No further filter", draw)));
    picker.focus();
  }

  draw();
  const bar = filterBar(field({ label: "Search agents by name", control: search, hideLabel: true }), status, trust, adder, extra ?? null);
  const element = h("div", { class: "stack-tight" }, bar, chips);
  return {
    element,
    clear,
    add,
    /** @param {string[]} names what these agents can be filtered by */
    offer(names) {
      if (names.join() === facets.join()) return;
      facets = names;
      if (!adder.contains(document.activeElement)) draw();
    },
  };
}

/** @param {string[]} facets @param {(facet: string) => void} onPick */
function moreFilters(facets, onPick) {
  const names = facets.filter((name) => name !== "status");
  return select({ options: [["", "More filters…"], ...names.map((name) => /** @type {[string, string]} */ ([name, facetName(name)]))], label: "Filter by something else", onChange: (value) => value && onPick(value) });
}

/** @param {string} facet @param {string} value @param {() => void} onRemove */
function chip(facet, value, onRemove) {
  return h("span", { class: "chip" }, h("span", { class: "chip-name" }, `${facetName(facet)}:`), h("span", { class: "chip-value" }, valueName(value)), iconButton("close", `Remove the filter ${facetName(facet)}: ${valueName(value)}`, onRemove));
}
