// @ts-check
/** Runs of an agent; one of them with its steps, failures and lifecycle. */
import { get } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { duration_s, number, time } from "../../core/format.js";
import { badge, card, empty, filterBar, select } from "../../core/parts.js";
import { runHref } from "../../core/paths.js";
import { rangeParams } from "./asked.js";
import { listing } from "./listing.js";
import { runBadge, runPart } from "./run.js";

/** @param {import("./asked.js").Asked} asked */
export function runsTab(asked) {
  const { ctx } = asked;
  const one = h("div", { class: "stack" });
  const list = listing(asked, {
    route: "runs",
    params: () => ({ status: ctx.query.get("status") }),
    what: "runs",
    load: async (params, signal) => get("/v1/runs", { params: { agent: asked.id, ...rangeParams(await asked.range), ...params }, signal }),
    table: rows(asked.id, open),
  });
  const status = select({
    label: "Status of the run",
    value: ctx.query.get("status") ?? "",
    options: [["", "All runs"], ...["failure", "running", "success", "cancelled"].map((each) => /** @type {[string, string]} */ ([each, each]))],
    onChange: (value) => {
      ctx.setQuery({ status: value });
      void list.reload();
    },
  });
  /** @param {Event} event @param {string} run */
  function open(event, run) {
    event.preventDefault();
    ctx.setQuery({ tab: "runs", run });
    show(run);
  }
  /** @param {string} run */
  function show(run) {
    replace(one, runPart(asked, run, () => {
      ctx.setQuery({ run: null });
      replace(one);
    }));
    /** @type {HTMLElement | null} */ (one.querySelector("section"))?.scrollIntoView({ block: "nearest" });
  }
  const chosen = ctx.query.get("run");
  if (chosen) show(chosen);
  return h("div", { class: "stack" }, one, card({ title: "Runs", flush: true, actions: filterBar(status), children: list }));
}

/** @param {string} id @param {(event: Event, run: string) => void} open */
function rows(id, open) {
  return {
    caption: "Runs, the newest first",
    keyOf: (/** @type {any} */ row) => `${row.run_id} ${row.user_id}`,
    cards: true,
    empty: empty({ title: "No runs", hint: "None in this range that fits. Take a longer range, or all of them." }),
    columns: [
      { key: "started_at", label: "Started", class: "nowrap", render: (/** @type {any} */ row) => time(row.started_at) },
      { key: "name", label: "Run", head: true, class: "agent-words", render: (/** @type {any} */ row) => [h("a", { href: runHref(row.run_id, id), on: { click: (/** @type {Event} */ event) => open(event, row.run_id) } }, row.name ?? row.run_id), row.name ? h("span", { class: "muted mono" }, ` ${row.run_id}`) : null] },
      { key: "status", label: "Status", render: (/** @type {any} */ row) => runBadge(row.status) },
      { key: "steps", label: "Steps", align: "right", render: (/** @type {any} */ row) => number(row.steps) },
      { key: "failures", label: "Failures", align: "right", render: (/** @type {any} */ row) => (row.failures ? badge(number(row.failures), "bad") : "0") },
      { key: "latency_ms", label: "Took", align: "right", render: (/** @type {any} */ row) => duration_s(row.latency_ms === null ? null : row.latency_ms / 1000) },
    ],
  };
}
