// @ts-check
/** What may be written next: tables after FROM, columns of the statement's tables where a value begins, keywords after it. */
import { placeAfter, readingOf, statementAt } from "./sources.js";
import { tokenBefore, tokensOf } from "./tokens.js";

/** @typedef {{name: string, type: string, unit: string, about: string, folder: boolean}} Column */
/** @typedef {{name: string, kind: string, about: string, columns: Column[]}} Table */
/** @typedef {{tables: Table[], functions: {name: string, parameters: string, about: string}[], keywords: string[]}} Schema */
/** @typedef {{label: string, kind: "table" | "column" | "function" | "keyword", detail: string, insert: string, back: number}} Suggestion `back`: characters that the caret goes back after inserting */
/** @typedef {{from: number, to: number, items: Suggestion[]}} Suggestions what would be replaced, and by what */

const MOST = 80;
/** Keywords that most questions have, in the order in which they come: the others are offered once a letter of them is there. */
const USUAL = ["SELECT", "FROM", "WHERE", "AND", "OR", "GROUP", "ORDER", "BY", "HAVING", "LIMIT", "AS", "ON", "DESC", "CASE", "WITH", "OVER", "FILTER"];
/** Functions that stand where a table does. */
const OF_ROWS = new Set(["generate_series", "range", "unnest"]);

/**
 * @param {string} sql
 * @param {number} caret
 * @param {Schema} schema
 * @param {boolean} asked whether somebody asked for it: then also where no letter was written
 * @returns {Suggestions | null}
 */
export function suggest(sql, caret, schema, asked = false) {
  const tokens = tokensOf(sql);
  const here = tokenBefore(tokens, caret);
  if (here && (here.kind === "comment" || here.kind === "text" || here.kind === "name" || here.kind === "number")) return null;
  const from = here?.kind === "word" ? here.from : caret;
  const written = sql.slice(from, caret);
  const owner = ownerBefore(sql, from);
  if (!written && !owner && !asked) return null;
  const items = ranked(owner ? columnsOf(sql, owner, from, schema) : anything(sql, from, schema, Boolean(written)), written);
  if (!items.length || (items.length === 1 && items[0].insert === written)) return null;
  return { from, to: caret, items: items.slice(0, MOST) };
}

/** The name before a point: `a` in `a.tr`. @param {string} sql @param {number} from */
function ownerBefore(sql, from) {
  return /([\p{L}_][\p{L}\p{N}_]*)"?\.$/u.exec(sql.slice(0, from))?.[1] ?? null;
}

/** @param {string} sql @param {string} owner @param {number} at @param {Schema} schema @returns {Suggestion[]} */
function columnsOf(sql, owner, at, schema) {
  const name = readingOf(statementAt(sql, at)).named.get(owner.toLowerCase()) ?? owner.toLowerCase();
  const table = schema.tables.find((each) => each.name === name);
  return table ? table.columns.map((column) => columnItem(column, table.name, schema)) : [];
}

/** What fits the place first, then what may be there as well. @param {string} sql @param {number} from @param {Schema} schema @param {boolean} begun whether a letter is there @returns {Suggestion[]} */
function anything(sql, from, schema, begun) {
  const words = statementAt(sql, from);
  const { named, own } = readingOf(words.filter((word) => word.from !== from));
  const place = placeAfter(words.filter((word) => word.to <= from));
  const tables = schema.tables.map(tableItem);
  const functions = schema.functions.map(functionItem);
  if (place === "table") return [...[...own].map(ownItem), ...tables, ...functions.filter((each) => OF_ROWS.has(each.insert.slice(0, -2)))];
  const known = new Set(schema.keywords);
  const offered = [...USUAL.filter((word) => known.has(word)), ...(begun ? schema.keywords.filter((word) => !USUAL.includes(word)) : [])];
  const keywords = offered.map((word) => /** @type {Suggestion} */ ({ label: word, kind: "keyword", detail: "", insert: word, back: 0 }));
  const columns = columnsIn(new Set(named.values()), schema);
  const aliases = [...named].filter(([name, table]) => name !== table).map(([name, table]) => aliasItem(name, table));
  return place === "value" ? [...columns, ...functions, ...aliases, ...keywords, ...tables] : [...keywords, ...columns, ...functions, ...aliases, ...tables];
}

/** Each name once, of the tables that are read from; where none is named yet, of all. @param {Set<string>} named @param {Schema} schema */
function columnsIn(named, schema) {
  /** @type {Map<string, Suggestion>} */
  const columns = new Map();
  const used = schema.tables.filter((table) => named.has(table.name));
  for (const table of used.length ? used : schema.tables) {
    for (const column of table.columns) if (!columns.has(column.name)) columns.set(column.name, columnItem(column, table.name, schema));
  }
  return [...columns.values()];
}

/** @param {{name: string, parameters: string, about: string}} each @returns {Suggestion} */
const functionItem = (each) => ({ label: `${each.name}(${each.parameters})`, kind: "function", detail: each.about, insert: `${each.name}()`, back: 1 });

/** @param {string} name @returns {Suggestion} */
const ownItem = (name) => ({ label: name, kind: "table", detail: "named in this question by WITH", insert: name, back: 0 });

/** @param {string} name @param {string} table @returns {Suggestion} */
const aliasItem = (name, table) => ({ label: name, kind: "table", detail: `${table}, as this question calls it`, insert: name, back: 0 });

/** @param {Table} table @returns {Suggestion} */
const tableItem = (table) => ({ label: table.name, kind: "table", detail: table.about, insert: table.name, back: 0 });

/** @param {Column} column @param {string} table @param {Schema} schema @returns {Suggestion} */
function columnItem(column, table, schema) {
  const unit = column.unit && column.unit !== "text" ? `, ${column.unit}` : "";
  return { label: column.name, kind: "column", detail: `${table} · ${column.type.toLowerCase()}${unit} · ${column.about}`, insert: quotedName(column.name, schema), back: 0 };
}

/** A name as a text has it: quoted where it is a word of the language. @param {string} name @param {Schema} schema */
export function quotedName(name, schema) {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !schema.keywords.includes(name.toUpperCase()) && name !== "timestamp" ? name : `"${name.replaceAll('"', '""')}"`;
}

/** What begins with what was written first, then what holds it. @param {Suggestion[]} items @param {string} written */
function ranked(items, written) {
  const wanted = written.toLowerCase();
  const name = (/** @type {Suggestion} */ item) => item.label.toLowerCase();
  const begins = items.filter((item) => name(item).startsWith(wanted));
  if (wanted.length < 2) return begins;
  return [...begins, ...items.filter((item) => !name(item).startsWith(wanted) && name(item).split("(")[0].includes(wanted) && item.kind !== "keyword")];
}
