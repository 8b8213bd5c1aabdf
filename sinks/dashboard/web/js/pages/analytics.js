// @ts-check
/** How any measure went over any range, by whatever agents can be grouped by. */
import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { sqlHref } from "../core/paths.js";
import { button, checkbox, field, filterBar, page, rangeOf, rangePicker, section, select, skeleton } from "../core/parts.js";
import { may } from "../core/store.js";
import { answered } from "./analytics/answer.js";
import { FAMILIES, STATS, byWord } from "./analytics/words.js";
import { savedViews } from "./saved/views.js";

/** @typedef {import("./analytics/words.js").Measure} Measure */
const ASKED = ["metric", "by", "stat", "top", "lowest", "range", "from", "to"];
const USUAL = "24h";

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const controls = h("div", {}, skeleton(1));
  const range = h("div", { class: "row" });
  /** @type {Map<string, Measure>} */
  let known = new Map();
  const measures = get("/api/trends/measures", { signal: ctx.signal }).then((told) => {
    known = new Map(told.measures.map((/** @type {Measure} */ each) => [each.name, each]));
    draw();
  });
  const body = section(ctx, async (signal) => {
    const [told] = await Promise.all([get("/api/trends", { params: asked(ctx), signal }), measures]);
    return told;
  }, (told) => answered(told, known.get(told.metric), zoom), { lines: 8 });

  function draw() {
    replace(controls, bar(ctx, known, () => {
      draw();
      void body.reload();
    }));
    replace(range, ctx.query.has("from") ? button("Zoom out", { small: true, onClick: zoomOut }) : null, rangePicker(ctx, { usual: USUAL, onChange: () => void body.reload() }));
  }

  /** @param {{from: number, to: number}} span */
  async function zoom({ from, to }) {
    const held = body.contains(document.activeElement) && document.activeElement?.closest(".chart-canvas");
    ctx.setQuery({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() }, { push: true });
    draw();
    await body.reload();
    if (held) /** @type {HTMLElement | null} */ (body.querySelector(".chart-canvas"))?.focus({ preventScroll: true });
  }

  function zoomOut() {
    ctx.setQuery({ range: null, from: null, to: null }, { push: true });
    draw();
    void body.reload();
  }

  /** @param {any} content */
  function apply(content) {
    const given = content && typeof content === "object" ? content : {};
    ctx.setQuery(Object.fromEntries(ASKED.map((name) => [name, typeof given[name] === "string" ? given[name] : null])), { push: true });
    draw();
    void body.reload();
  }

  const saved = savedViews(ctx, {
    kind: "trends",
    content: () => Object.fromEntries(ASKED.filter((name) => ctx.query.has(name)).map((name) => [name, ctx.query.get(name)])),
    apply,
    suggest: () => `${known.get(metricOf(ctx))?.label ?? ""}${ctx.query.get("by") ? ` by ${byWord(ctx.query.get("by") ?? "")}` : ""}`,
  });
  ctx.every(60_000, () => ctx.query.has("from") || void body.reload());
  return page({
    title: "Analytics",
    lead: may("sql") ? ["Trends over any range, grouped as you like. For other questions there is the ", h("a", { href: sqlHref() }, "SQL workbench"), "."] : "Trends over any range, grouped as you like.",
    actions: saved,
    children: [h("div", { class: "spread" }, controls, range), body],
  });
}

/** @param {import("../core/router.js").Context} ctx */
const metricOf = (ctx) => ctx.query.get("metric") ?? "trust";

/** What is asked of the server. @param {import("../core/router.js").Context} ctx */
function asked(ctx) {
  const range = rangeOf(ctx, USUAL);
  const when = range.name === "custom" ? { from: range.from, to: range.to } : { range: range.name };
  const given = Object.fromEntries(["by", "stat", "top", "lowest"].map((name) => [name, ctx.query.get(name)]));
  return { metric: metricOf(ctx), ...given, ...when, compare: range.span_s <= 32 * 86_400 };
}

/** @param {import("../core/router.js").Context} ctx @param {Map<string, Measure>} known @param {() => void} onChange */
function bar(ctx, known, onChange) {
  const now = known.get(metricOf(ctx));
  /** @param {Record<string, any>} query */
  const choose = (query) => {
    const next = known.get(query.metric ?? metricOf(ctx));
    const by = query.by ?? ctx.query.get("by");
    const stat = query.stat ?? ctx.query.get("stat");
    ctx.setQuery({ ...query, by: next?.by.includes(by) ? by : null, stat: next?.stats.includes(stat) ? stat : null });
    onChange();
  };
  const by = ctx.query.get("by") ?? "";
  return filterBar(
    field({ label: "Measure", control: measureSelect(ctx, known, (metric) => choose({ metric })) }),
    field({ label: "Group by", control: select({ options: [["", byWord("")], ...(now?.by ?? []).map((each) => /** @type {[string, string]} */ ([each, byWord(each)]))], value: by, onChange: (chosen) => choose({ by: chosen }) }) }),
    (now?.stats.length ?? 0) > 1 ? field({ label: "Told as", control: select({ options: (now?.stats ?? []).map((each) => /** @type {[string, string]} */ ([each, STATS[each] ?? each])), value: ctx.query.get("stat") ?? now?.stats[0], onChange: (stat) => choose({ stat }) }) }) : null,
    by ? field({ label: "Lines", control: select({ options: ["4", "8", "16"], value: ctx.query.get("top") ?? "8", onChange: (top) => choose({ top }) }) }) : null,
    by ? checkbox({ label: "Lowest first", checked: ctx.query.get("lowest") === "true", onChange: (on) => choose({ lowest: on ? "true" : null }) }) : null,
  );
}

/** @param {import("../core/router.js").Context} ctx @param {Map<string, Measure>} known @param {(metric: string) => void} onChange */
function measureSelect(ctx, known, onChange) {
  const now = metricOf(ctx);
  const families = Object.entries(FAMILIES).map(([family, label]) => h("optgroup", { label }, [...known.values()].filter((each) => each.family === family).map((each) => h("option", { value: each.name }, each.label))));
  const own = known.has(now) ? [] : [h("option", { value: now }, now.replace(/^custom:/, ""))];
  const element = /** @type {HTMLSelectElement} */ (h("select", { class: "input select" }, own, families));
  element.value = now;
  element.title = known.get(now)?.about ?? "";
  element.addEventListener("change", () => onChange(element.value));
  return element;
}
