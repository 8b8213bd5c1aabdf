// @ts-check
/** What a statement reads from, and what may come where the caret is: read from its words, whole or not. */
import { tokensOf } from "./tokens.js";

/** @typedef {{kind: import("./tokens.js").Token["kind"], text: string, upper: string, from: number, to: number}} Word */
/** @typedef {"table" | "value" | "word"} Place after FROM; where a value begins; after one, or at the begin */
/** @typedef {{named: Map<string, string>, own: Set<string>, wantsTable: boolean}} Reading `named`: tables in lower case by what the statement calls them; `own`: what it names itself by WITH */

const INTO_TABLES = new Set(["FROM", "JOIN", "DESCRIBE", "SUMMARIZE"]);
const CLAUSES = new Set(["SELECT", "WHERE", "ON", "USING", "GROUP", "ORDER", "HAVING", "QUALIFY", "WINDOW", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "VALUES"]);
const NO_ALIAS = new Set([...CLAUSES, ...INTO_TABLES, "LEFT", "RIGHT", "INNER", "OUTER", "FULL", "CROSS", "NATURAL", "SEMI", "ANTI", "ASOF", "POSITIONAL", "LATERAL", "TABLESAMPLE", "PIVOT", "UNPIVOT", "AS", "AND", "OR"]);
const BEFORE_VALUES = new Set(["SELECT", "DISTINCT", "WHERE", "ON", "BY", "HAVING", "QUALIFY", "AND", "OR", "NOT", "CASE", "WHEN", "THEN", "ELSE", "IN", "BETWEEN", "LIKE", "ILIKE", "IS", "USING", "VALUES", "EXCLUDE", "REPLACE"]);

/** The words of the statement around a place: a text may hold several. @param {string} sql @param {number} at @returns {Word[]} */
export function statementAt(sql, at) {
  const words = tokensOf(sql).filter((token) => token.kind !== "space" && token.kind !== "comment").map((token) => {
    const text = sql.slice(token.from, token.to);
    return { ...token, text, upper: token.kind === "word" ? text.toUpperCase() : text };
  });
  const ends = words.filter((word) => word.kind === "sign" && word.text === ";").map((word) => word.from);
  const begin = ends.findLast((each) => each < at) ?? -1;
  const end = ends.find((each) => each >= at) ?? sql.length;
  return words.filter((word) => word.from > begin && word.from < end);
}

/** @param {Word[]} words @returns {Reading} */
export function readingOf(words) {
  /** @type {Reading} */
  const found = { named: new Map(), own: new Set(), wantsTable: false };
  const clauses = [""];
  let lastTable = "";
  words.forEach((word, index) => {
    const here = clauses.length - 1;
    const isName = word.kind === "word" || word.kind === "name";
    const name = nameOf(word);
    if (word.text === "(") clauses.push("");
    else if (word.text === ")") clauses.length = Math.max(1, here);
    else if (INTO_TABLES.has(word.upper)) clauses[here] = "FROM";
    else if (CLAUSES.has(word.upper)) clauses[here] = word.upper;
    else if (isName && words[index + 1]?.upper === "AS" && words[index + 2]?.text === "(") found.own.add(name);
    else if (found.wantsTable && isName) found.named.set(name, name);
    else if (lastTable && isName && !NO_ALIAS.has(word.upper)) found.named.set(name, lastTable);
    lastTable = found.wantsTable && isName && !NO_ALIAS.has(word.upper) ? name : word.upper === "AS" ? lastTable : "";
    found.wantsTable = INTO_TABLES.has(word.upper) || (word.text === "," && clauses.at(-1) === "FROM");
  });
  return found;
}

/** What may come after these words. @param {Word[]} before @returns {Place} */
export function placeAfter(before) {
  if (readingOf(before).wantsTable) return "table";
  const last = before.at(-1);
  if (!last || last.text === ")") return "word";
  if (last.kind === "word") return BEFORE_VALUES.has(last.upper) ? "value" : "word";
  if (last.kind !== "sign") return "word";
  const every = last.text === "*" && ["SELECT", "DISTINCT", ",", "(", "."].includes(before.at(-2)?.upper ?? "");
  return every ? "word" : "value";
}

/** @param {Word} word */
const nameOf = (word) => (word.kind === "name" ? word.text.replace(/^"|"$/g, "").replaceAll('""', '"') : word.text).toLowerCase();
