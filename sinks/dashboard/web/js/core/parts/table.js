// @ts-check
/** Rows that are sorted, kept by key while they change, and stepped through. */
import { h, newId, reconcile, replace } from "../dom.js";
import { number } from "../format.js";
import { icon } from "../icons.js";
import { button } from "./buttons.js";

/**
 * @template [R=any]
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {string} [unit] said in the head
 * @property {"left" | "right" | "center"} [align] right for numbers
 * @property {boolean} [sort] whether its head sorts
 * @property {(row: R) => import("../dom.js").Child} [render] default: row[key]
 * @property {string} [class]
 * @property {string} [layout] class of head and cells alike
 * @property {boolean} [head] the cell names its row (th scope=row)
 * @property {string} [title]
 * @property {boolean} [wide] as a card on a phone it takes a whole line
 */

/**
 * @param {{caption: string, columns: Column[], rows: any[], keyOf?: (row: any) => any, sort?: {key: string, order: "asc" | "desc"} | null, onSort?: (sort: {key: string, order: "asc" | "desc"}) => void, onRow?: (row: any) => void, empty?: import("../dom.js").Child, compact?: boolean, stickyHead?: boolean, cards?: boolean, same?: (before: any, after: any) => boolean}} options
 * `onSort` given: the page sorts; else the rows given are sorted here. `cards`: on a phone each row becomes a card.
 * @returns {{element: HTMLElement, update: (rows: any[], sort?: {key: string, order: "asc" | "desc"} | null) => void}}
 */
export function table({ caption, columns, rows, keyOf, sort = null, onSort, onRow, empty = "Nothing here.", compact = false, stickyHead = false, cards = false, same }) {
  let now = sort;
  let all = rows;
  const captionId = newId("caption");
  const body = h("tbody");
  const head = h("tr");
  const hollow = h("div", { class: "table-empty", hidden: true }, empty);
  const grid = h("table", { class: `table${compact ? " table-compact" : ""}${onRow ? " table-rows" : ""}${cards ? " table-cards" : ""}${stickyHead ? " table-sticky" : ""}` },
    h("caption", { class: "visually-hidden", id: captionId }, caption), h("thead", {}, head), body);
  const element = h("div", { class: "table-region", role: "region", "aria-labelledby": captionId, tabindex: "0" }, grid, hollow);

  /** @param {Column} column */
  function order(column) {
    const flipped = now?.key === column.key && now.order === "desc" ? "asc" : "desc";
    const first = column.align === "right" ? "desc" : "asc";
    now = { key: column.key, order: now?.key === column.key ? (now.order === "asc" ? "desc" : "asc") : /** @type {"asc" | "desc"} */ (first ?? flipped) };
    drawHead();
    if (onSort) onSort(now);
    else drawBody();
  }

  function drawHead() {
    const at = document.activeElement instanceof HTMLElement && head.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    replace(head, columns.map((column) => headCell(column, now, () => order(column))));
    if (at) /** @type {HTMLElement | null} */ (head.querySelector(`[data-key="${CSS.escape(at)}"]`))?.focus();
  }

  function drawBody() {
    const shown = onSort || !now ? all : sorted(all, now);
    reconcile(body, shown.map((row, at) => ({ row, key: keyOf ? keyOf(row) : at })), (item) => item.key, (item) => makeRow(item.row), (tr, item) => {
      if (tr.fleetRow === item.row || same?.(tr.fleetRow, item.row)) return;
      tr.fleetRow = item.row;
      fillRow(tr, item.row);
    });
    hollow.hidden = all.length > 0;
    grid.hidden = all.length === 0;
  }

  /** @param {any} row */
  function makeRow(row) {
    const tr = /** @type {any} */ (h("tr"));
    tr.fleetRow = row;
    if (onRow) tr.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      if (!(/** @type {Element} */ (event.target).closest("a,button,input,select,label")) && !String(getSelection())) onRow(tr.fleetRow);
    });
    return fillRow(tr, row);
  }

  /** @param {HTMLElement} tr @param {any} row */
  function fillRow(tr, row) {
    return replace(tr, columns.map((column) => {
      const props = { class: `${column.align ? `align-${column.align} ` : ""}${column.class ?? ""} ${column.layout ?? ""}${column.wide ? " cell-wide" : ""}`.trim() || null, "data-label": column.label };
      const content = column.render ? column.render(row) : /** @type {any} */ (row)[column.key] ?? h("span", { class: "muted nothing" }, "–");
      return column.head ? h("th", { ...props, scope: "row" }, content) : h("td", props, content);
    }));
  }

  drawHead();
  drawBody();
  return {
    element,
    update(next, order) {
      all = next;
      if (order !== undefined) {
        now = order;
        drawHead();
      }
      drawBody();
    },
  };
}

/** @param {Column} column @param {{key: string, order: string} | null} now @param {() => void} onClick */
function headCell(column, now, onClick) {
  const label = h("span", {}, column.label, column.unit ? h("span", { class: "unit" }, column.unit) : null);
  const chosen = now?.key === column.key;
  const props = { scope: "col", class: [column.align ? `align-${column.align}` : "", column.layout].filter(Boolean).join(" ") || null, title: column.title, "aria-sort": chosen ? (now?.order === "asc" ? "ascending" : "descending") : null };
  if (!column.sort) return h("th", props, label);
  const sign = chosen ? icon(now?.order === "asc" ? "sortUp" : "sortDown") : icon("sortDown", "sort-idle");
  return h("th", props, h("button", { type: "button", class: "sort", "data-key": column.key, on: { click: onClick } }, label, sign));
}

/** @param {any[]} rows @param {{key: string, order: string}} sort */
function sorted(rows, { key, order }) {
  const turn = order === "asc" ? 1 : -1;
  return [...rows].sort((one, other) => {
    const [a, b] = [one[key], other[key]];
    if (a === b) return 0;
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))) * turn;
  });
}

/**
 * Where one is in a long list. `total` null: not known.
 * @param {{from: number, to: number, total: number | null, onPrev?: (() => void) | null, onNext?: (() => void) | null, what?: string}} options
 */
export function pager({ from, to, total, onPrev, onNext, what = "" }) {
  const said = to === 0 ? "none" : `${number(from)}–${number(to)}${total === null ? "" : ` of ${number(total)}`}${what ? ` ${what}` : ""}`;
  return h("nav", { class: "pager", "aria-label": "Pages of the list" }, h("span", { class: "pager-said", role: "status" }, said),
    button("Previous", { small: true, icon: "previous", disabled: !onPrev, onClick: () => onPrev?.() }),
    button("Next", { small: true, icon: "next", disabled: !onNext, onClick: () => onNext?.() }));
}
