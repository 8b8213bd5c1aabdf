// @ts-check
/** What narrows a page down: its filters in a row, and the range of time. */
import { h, replace } from "../dom.js";
import { timeText } from "../format.js";
import { button } from "./buttons.js";
import { field, input } from "./forms.js";
import { dialog } from "./overlays.js";

/** @type {[string, string, number][]} */
const SPANS = [["15m", "15 min", 900], ["1h", "1 h", 3_600], ["6h", "6 h", 21_600], ["24h", "24 h", 86_400], ["7d", "7 d", 604_800], ["30d", "30 d", 2_592_000]];

/** Controls in a row that wraps, filters left and what is done with them right. @param {...import("../dom.js").Child} children */
export function filterBar(...children) {
  return h("div", { class: "filters", role: "search" }, children);
}

/**
 * The range in the address: `range=1h`, or `from` and `to`.
 * @param {{query: URLSearchParams}} ctx
 * @param {string} [usual]
 * @returns {{from: string, to: string, span_s: number, name: string}} from, to: ISO in UTC
 */
export function rangeOf(ctx, usual = "1h") {
  const [from, to] = [ctx.query.get("from"), ctx.query.get("to")].map((text) => (text ? Date.parse(text) : Number.NaN));
  if (to > from) return { from: iso(from), to: iso(to), span_s: (to - from) / 1000, name: "custom" };
  const found = SPANS.find(([name]) => name === (ctx.query.get("range") ?? usual)) ?? SPANS[1];
  const now = Date.now();
  return { from: iso(now - found[2] * 1000), to: iso(now), span_s: found[2], name: found[0] };
}

/** @param {number} at_ms */
const iso = (at_ms) => new Date(at_ms).toISOString();

/**
 * Buttons for the usual ranges and a custom one; the choice goes into the address.
 * @param {any} ctx
 * @param {{onChange?: (range: ReturnType<typeof rangeOf>) => void, usual?: string, spans?: string[]}} [options]
 */
export function rangePicker(ctx, { onChange = () => {}, usual = "1h", spans } = {}) {
  const root = h("div", { class: "segments", role: "group", "aria-label": "Range of time" });
  const offered = SPANS.filter(([name]) => !spans || spans.includes(name));
  /** @param {Record<string, any>} query */
  const choose = (query) => {
    ctx.setQuery({ range: null, from: null, to: null, ...query });
    const focused = root.contains(document.activeElement);
    draw();
    if (focused) /** @type {HTMLElement | null} */ (root.querySelector("[aria-pressed='true']"))?.focus();
    onChange(rangeOf(ctx, usual));
  };
  const draw = () => {
    const now = rangeOf(ctx, usual);
    const custom = now.name === "custom";
    replace(root,
      offered.map(([name, label]) => segment(label, now.name === name, () => choose({ range: name }))),
      segment(custom ? `${timeText(now.from)} – ${timeText(now.to)}` : "Custom…", custom, () => ask(now, choose)));
  };
  draw();
  return root;
}

/** @param {string} label @param {boolean} pressed @param {() => void} onClick */
function segment(label, pressed, onClick) {
  return h("button", { type: "button", class: "segment", "aria-pressed": String(pressed), on: { click: onClick } }, label);
}

/** @param {{from: string, to: string}} now @param {(query: Record<string, any>) => void} choose */
function ask(now, choose) {
  const from = input({ type: "datetime-local", value: local(now.from) });
  const to = input({ type: "datetime-local", value: local(now.to) });
  const last = field({ label: "To", control: to, hint: "in your zone" });
  dialog({
    title: "Range of time",
    body: h("div", { class: "stack" }, field({ label: "From", control: from }), last),
    actions: [{ label: "Cancel" }, { label: "Show", kind: "primary", onClick: () => {
      const [begin, end] = [new Date(from.value), new Date(to.value)];
      if (!(end > begin)) {
        last.setError("The end must be after the beginning");
        return false;
      }
      choose({ from: begin.toISOString(), to: end.toISOString() });
    } }],
  });
}

/** @param {string} at ISO */
function local(at) {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** A button that clears filters. @param {() => void} onClick */
export const clearFilters = (onClick) => button("Clear filters", { kind: "quiet", onClick, small: true });
