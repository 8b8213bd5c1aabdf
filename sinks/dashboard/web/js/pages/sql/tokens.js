// @ts-check
/** A text in SQL as words: for colours, and to know where one is. */

/** @typedef {{kind: "comment" | "text" | "name" | "number" | "word" | "space" | "sign", from: number, to: number}} Token */

const SHAPES = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$))|("(?:[^"]|"")*(?:"|$))|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_$]*)|(\s+)|([\s\S])/gu;
const KINDS = /** @type {Token["kind"][]} */ (["comment", "text", "name", "number", "word", "space", "sign"]);

/** @param {string} sql @returns {Token[]} */
export function tokensOf(sql) {
  return [...sql.matchAll(SHAPES)].map((match) => {
    const kind = KINDS[match.slice(1).findIndex((part) => part !== undefined)];
    return { kind, from: match.index, to: match.index + match[0].length };
  });
}

/** The token that holds the place before `at`, if any. @param {Token[]} tokens @param {number} at */
export const tokenBefore = (tokens, at) => tokens.find((each) => each.from < at && at <= each.to);

/** A place in code points, as the server counts, as one of JavaScript's. @param {string} text @param {number} points */
export function unitsOf(text, points) {
  return [...text].slice(0, points).join("").length;
}
