// @ts-check
/** The tables that there are, with their columns: pressed, a name is written into the editor. */
import { h, replace } from "../../core/dom.js";
import { empty, input } from "../../core/parts.js";
import { quotedName } from "./complete.js";

/** @param {import("./complete.js").Schema} schema @param {(text: string) => void} onName @param {(table: string) => void} onLook */
export function tableTree(schema, onName, onLook) {
  const ordered = [...schema.tables].sort((one, other) => Number(other.kind === "view") - Number(one.kind === "view"));
  const list = h("div", { class: "sql-tables" });
  const find = input({ type: "search", placeholder: "Find a table or column", label: "Find a table or column", onInput: draw });

  /** @param {string} text */
  function draw(text) {
    const wanted = text.trim().toLowerCase();
    const found = ordered.map((table) => ({ table, columns: table.columns.filter((column) => column.name.includes(wanted)) })).filter(({ table, columns }) => !wanted || table.name.includes(wanted) || columns.length);
    replace(list, found.length ? found.map(({ table, columns }) => entry(table, wanted && columns.length && !table.name.includes(wanted) ? columns : table.columns, Boolean(wanted) && found.length < 6)) : empty({ title: "Nothing is called so" }));
  }

  /** @param {import("./complete.js").Table} table @param {import("./complete.js").Column[]} columns @param {boolean} open */
  function entry(table, columns, open) {
    const look = h("button", { type: "button", class: "sql-look", "aria-label": `Show the newest rows of ${table.name}`, title: "Show its rows", on: { click: () => onLook(table.name) } }, "rows");
    return h("details", { class: "sql-table", open }, h("summary", { title: table.about }, h("span", { class: "mono" }, table.name), h("span", { class: "sql-kind" }, table.kind === "view" ? "view" : "")),
      h("p", { class: "small quiet" }, table.about, " ", look),
      h("ul", {}, columns.map((column) => h("li", {}, h("button", { type: "button", class: "sql-column", title: `${column.about}${column.unit ? ` (${column.unit})` : ""}`, on: { click: () => onName(quotedName(column.name, schema)) } },
        h("span", { class: "mono" }, column.name), h("span", { class: "sql-type" }, shortType(column)))))));
  }

  draw("");
  return h("div", { class: "stack-tight" }, find, list);
}

/** @param {import("./complete.js").Column} column */
function shortType(column) {
  const type = column.type.startsWith("STRUCT") ? "list of records" : column.type.toLowerCase().replace("timestamp with time zone", "time").replace("varchar", "text");
  const unit = ["text", "uuid", "list", "boolean", "day", "hour", "us since 1970-01-01 UTC", ""].includes(column.unit) ? "" : `, ${column.unit}`;
  return type + unit;
}
