// @ts-check
/** Every host: what its probe measured last, and how the agents on it are. */
import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { ago, number } from "../core/format.js";
import { card, empty, filterBar, input, page, pager, section, select, statusBadge, table, trustMeter } from "../core/parts.js";
import { hostHref } from "../core/paths.js";
import { agentsOn, usageMeter } from "./hosts/usage.js";

const ROWS_A_PAGE = 50;
const REFRESH_MS = 10_000;
const TYPED_MS = 250;
/** @type {[string, string][]} */
const SORTS = [["host", "By name"], ["-agents", "Most agents first"], ["-cpu_usage", "Busiest CPU first"], ["-memory_usage", "Fullest memory first"], ["-disk_usage", "Fullest disk first"], ["trust", "Least trusted first"]];

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const lead = h("span", {}, "Machines that agents run on, and what their probes measure.");
  const grid = gridOf();
  const pages = h("div", {});
  const whole = h("div", {}, grid.element, pages);
  const body = section(ctx, (signal) => get("/api/hosts", { params: asked(ctx), signal }), (found) => {
    grid.update(found.items);
    replace(pages, found.total > ROWS_A_PAGE ? pagerOf(ctx, found, () => void body.reload()) : null);
    return whole;
  }, { lines: 8 });
  ctx.every(REFRESH_MS, () => void body.reload());
  return page({ title: "Hosts", lead, children: [filters(ctx, () => void body.reload()), card({ flush: true, children: body })] });
}

/** @param {import("../core/router.js").Context} ctx */
function asked(ctx) {
  return { q: ctx.query.get("q"), sort: sortOf(ctx), offset: offsetOf(ctx), limit: ROWS_A_PAGE };
}

/** @param {import("../core/router.js").Context} ctx */
const sortOf = (ctx) => SORTS.find(([name]) => name === ctx.query.get("sort"))?.[0] ?? "host";

/** @param {import("../core/router.js").Context} ctx */
const offsetOf = (ctx) => Math.max(0, Number.parseInt(ctx.query.get("offset") ?? "0", 10) || 0);

/** @param {import("../core/router.js").Context} ctx @param {() => void} load */
function filters(ctx, load) {
  let timer = 0;
  const search = input({ type: "search", value: ctx.query.get("q") ?? "", label: "Part of a host's name", placeholder: "Find a host", onInput: (text) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      ctx.setQuery({ q: text, offset: null });
      load();
    }, TYPED_MS);
  } });
  const order = select({ options: SORTS, value: sortOf(ctx), label: "Order of the hosts", onChange: (sort) => {
    ctx.setQuery({ sort: sort === "host" ? null : sort, offset: null });
    load();
  } });
  return filterBar(search, order);
}

/** @param {import("../core/router.js").Context} ctx @param {any} found @param {() => void} load */
function pagerOf(ctx, found, load) {
  const offset = offsetOf(ctx);
  const to = offset + found.items.length;
  const turn = (/** @type {number} */ next) => () => {
    ctx.setQuery({ offset: next || null });
    load();
  };
  return pager({ from: to ? offset + 1 : 0, to, total: found.total, what: "hosts", onPrev: offset > 0 ? turn(Math.max(0, offset - ROWS_A_PAGE)) : null, onNext: to < found.total ? turn(to) : null });
}

function gridOf() {
  return table({
    caption: "Hosts", rows: /** @type {any[]} */ ([]), keyOf: (row) => row.host, cards: true,
    columns: [
      { key: "host", label: "Host", head: true, render: (row) => h("a", { class: "wrap-anywhere", href: hostHref(row.host) }, row.host) },
      { key: "agents", label: "Agents", render: agentsOn },
      { key: "trust_lowest", label: "Lowest trust", render: (row) => trustMeter(row.trust_lowest) },
      { key: "cpu", label: "CPU", render: (row) => usageMeter(row.measured?.cpu_usage, "CPU") },
      { key: "memory", label: "Memory", render: (row) => usageMeter(row.measured?.memory_usage, "memory") },
      { key: "disk", label: "Disk", render: (row) => usageMeter(row.measured?.disk_usage, "disk") },
      { key: "load", label: "Load", unit: "1 min", align: "right", render: (row) => number(row.measured?.load_1m, 2) },
      { key: "probe", label: "Probe", render: (row) => (row.probe ? statusBadge(row.probe) : h("span", { class: "muted" }, "none")) },
      { key: "measured", label: "Measured", render: (row) => ago(row.measured?.at, "not within the hour") },
    ],
    empty: empty({ title: "No hosts here", hint: "A host appears when an agent's heartbeat names it, or when its probe runs: fleetpulse probe." }),
  });
}
