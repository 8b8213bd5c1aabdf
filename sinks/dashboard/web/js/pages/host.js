// @ts-check
/** One host: its latest, its past, and the agents that run on it. */
import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { ago, bytes, number } from "../core/format.js";
import { card, empty, nameLink, page, rangeOf, rangePicker, section, stat, statusBadge, table, trustMeter } from "../core/parts.js";
import { agentHref, pageHref } from "../core/paths.js";
import { chartsIn, historyCharts } from "./hosts/charts.js";
import { usageTone } from "./hosts/usage.js";

const REFRESH_MS = 15_000;
const USUAL = "6h";

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const host = ctx.params.host;
  const agents = gridOf();
  /** @type {ReturnType<typeof historyCharts> | null} */
  let charts = null;
  const top = h("div", {});
  const past = h("div", {});
  const last = h("div", {});
  const whole = h("div", { class: "stack" }, top, past, last);
  const lead = h("span", {}, "What its probe measures, and who runs here.");
  const body = section(ctx, (signal) => get(`/api/hosts/${encodeURIComponent(host)}`, { params: params(ctx), signal }), (found) => {
    agents.update(found.on_it);
    const range = { from: found.from, to: found.to };
    replace(top, figures(found));
    replace(lead, found.measured ? ["Measured ", ago(found.measured.at), "."] : "Not measured within the last hour.");
    if (charts?.names === chartsIn(found.history)) charts.update(found.history, range);
    else {
      charts = found.history.at.length ? historyCharts(found.history, range) : null;
      replace(past, charts?.element ?? nothingMeasured());
    }
    if (!last.firstChild) last.append(agentCard(found, agents.element));
    return whole;
  }, { lines: 10 });
  ctx.every(REFRESH_MS, () => void body.reload());
  const range = rangePicker(ctx, { usual: USUAL, onChange: () => void body.reload() });
  return page({ title: h("span", { class: "wrap-anywhere" }, host), crumbs: [["Hosts", pageHref("hosts")]], lead, actions: range, children: body });
}

/** @param {import("../core/router.js").Context} ctx */
function params(ctx) {
  const range = rangeOf(ctx, USUAL);
  return range.name === "custom" ? { from: range.from, to: range.to } : { range: range.name };
}

/** @param {any} found */
function figures(found) {
  const now = found.measured;
  const said = now ? ago(now.at) : "not within the hour";
  return h("div", { class: "grid-stats" },
    stat({ label: "Agents", value: number(found.agents), note: found.probe ? h("span", {}, "probe ", statusBadge(found.probe)) : "no probe" }),
    usage("CPU", now?.cpu_usage, now?.cpu_cores ? `${number(now.cpu_cores)} cores` : said),
    usage("Memory", now?.memory_usage, now ? `${bytes(now.memory_used_bytes)} of ${bytes(now.memory_total_bytes)}` : said),
    usage("Disk", now?.disk_usage, now?.disk_free_bytes ? `${bytes(now.disk_free_bytes)} free` : said),
    stat({ label: "Load", value: number(now?.load_1m, 2), note: now?.processes ? `${number(now.processes)} processes` : "1 min" }),
    now?.gpu_count ? usage("GPU", now.gpu_usage, now.gpu_temperature ? `${number(now.gpu_temperature, 0)} °C` : `${number(now.gpu_count)} GPU`) : null,);
}

/** @param {string} label @param {number | null | undefined} share @param {import("../core/dom.js").Child} note */
function usage(label, share, note) {
  const known = share !== null && share !== undefined;
  return stat({ label, value: known ? number(share, 1) : "–", unit: known ? "%" : undefined, tone: known && usageTone(share) !== "ok" ? usageTone(share) : undefined, note });
}

function nothingMeasured() {
  return card({ children: empty({ title: "Nothing was measured in this range", hint: "A probe on the host measures it: fleetpulse probe. Agents can run here without one." }) });
}

/** @param {any} found @param {HTMLElement} list */
function agentCard(found, list) {
  const more = found.agents > found.on_it.length ? `the ${number(found.on_it.length)} least trusted of ${number(found.agents)}` : "the least trusted first";
  return card({ title: "Agents on this host", note: found.agents ? more : undefined, href: pageHref("agents", { host: found.host }), flush: true, children: list });
}

function gridOf() {
  return table({
    caption: "Agents on this host", rows: /** @type {any[]} */ ([]), keyOf: (row) => `${row.user_id}\n${row.agent_id}`, cards: true,
    columns: [
      { key: "agent_id", label: "Agent", head: true, render: (row) => nameLink(row.agent_id, agentHref(row.agent_id)) },
      { key: "status", label: "Status", render: (row) => statusBadge(row.status) },
      { key: "status_since", label: "Since", render: (row) => ago(row.status_since) },
      { key: "trust", label: "Trust", render: (row) => trustMeter(row.trust) },
      { key: "deployment_id", label: "Deployment" },
      { key: "last_heartbeat", label: "Last beat", render: (row) => ago(row.last_heartbeat, "never") },
    ],
    empty: empty({ title: "No agents here", hint: "No agent's heartbeat names this host." }),
  });
}
