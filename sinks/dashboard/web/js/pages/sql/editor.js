// @ts-check
/** A text area that knows SQL: line numbers, colours, a mark at a mistake, completion by keyboard. */
import { h, newId, replace } from "../../core/dom.js";
import { suggestionList } from "./suggestions.js";
import { suggest } from "./complete.js";
import { tokenBefore, tokensOf } from "./tokens.js";

/**
 * @typedef {object} Editor
 * @property {HTMLElement} element
 * @property {() => string} text
 * @property {(text: string) => void} setText
 * @property {() => string} chosen what is selected, else all of it
 * @property {(text: string) => void} insert at the caret
 * @property {(place: {at: number, message: string} | null) => void} mark a mistake, at a place in the text
 * @property {() => void} focus
 */

/**
 * @param {{text: string, schema: () => import("./complete.js").Schema | null, onRun: () => void, onChange: (text: string) => void}} options
 * @returns {Editor}
 */
export function editor({ text, schema, onRun, onChange }) {
  const id = newId("sql");
  const area = /** @type {HTMLTextAreaElement} */ (h("textarea", {
    class: "sql-text", id, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", rows: "10", "aria-label": "SQL",
    "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-describedby": `${id}-keys ${id}-wrong`,
  }));
  const colours = h("pre", { class: "sql-colours", "aria-hidden": "true" });
  const lines = h("div", { class: "sql-lines", "aria-hidden": "true" });
  const wrong = h("p", { class: "visually-hidden", id: `${id}-wrong` });
  const list = suggestionList(area, accept);
  const keys = h("p", { class: "visually-hidden", id: `${id}-keys` }, "Control and Enter runs it. Control and Space completes, the arrows choose, Tab or Enter takes, Escape closes. Tab leaves the editor while nothing is offered.");
  const element = h("div", { class: "sql-editor" }, lines, h("div", { class: "sql-paper" }, h("div", { class: "sql-under" }, colours), area, list.element), wrong, keys);
  /** @type {{at: number, message: string} | null} */
  let place = null;

  function paint() {
    const sql = area.value;
    const tokens = tokensOf(sql);
    const bad = place === null ? null : (tokenBefore(tokens, place.at + 1) ?? null);
    replace(colours, tokens.map((token) => h("span", { class: `sqlt-${kindOf(sql, token)}${token === bad ? " sql-wrong" : ""}` }, sql.slice(token.from, token.to))), "\n");
    const badLine = place === null ? 0 : sql.slice(0, place.at).split("\n").length;
    replace(lines, Array.from({ length: sql.split("\n").length }, (_, index) => h("span", { class: index + 1 === badLine ? "sql-line sql-line-wrong" : "sql-line" }, String(index + 1))));
    scrolled();
  }

  function scrolled() {
    colours.style.transform = `translate(${-area.scrollLeft}px, ${-area.scrollTop}px)`;
    lines.scrollTop = area.scrollTop;
  }

  /** @param {import("./tokens.js").Token} token @param {string} sql */
  function kindOf(sql, token) {
    if (token.kind !== "word") return token.kind;
    const word = sql.slice(token.from, token.to);
    const known = schema();
    if (known?.keywords.includes(word.toUpperCase())) return "keyword";
    if (sql[token.to] === "(") return "function";
    return /\b(from|join)\s+$/i.test(sql.slice(Math.max(0, token.from - 40), token.from)) ? "table" : "word";
  }

  /** @param {boolean} asked */
  function offer(asked) {
    const known = schema();
    const found = known && area.selectionStart === area.selectionEnd ? suggest(area.value, area.selectionStart, known, asked) : null;
    if (found) list.show(found);
    else list.hide();
  }

  /** @param {import("./complete.js").Suggestion} item @param {number} from @param {number} to */
  function accept(item, from, to) {
    area.setRangeText(item.insert, from, to, "end");
    if (item.back) area.selectionEnd = area.selectionStart = area.selectionStart - item.back;
    changed();
    list.hide();
  }

  function changed() {
    mark(null);
    onChange(area.value);
  }

  /** @param {{at: number, message: string} | null} found */
  function mark(found) {
    place = found;
    wrong.textContent = found?.message ?? "";
    if (found) area.setAttribute("aria-invalid", "true");
    else area.removeAttribute("aria-invalid");
    paint();
  }

  area.value = text;
  area.addEventListener("input", () => {
    changed();
    offer(false);
  });
  area.addEventListener("scroll", () => {
    scrolled();
    list.hide();
  });
  area.addEventListener("blur", () => list.hide());
  area.addEventListener("click", () => list.hide());
  area.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      list.hide();
      onRun();
    } else if (event.ctrlKey && event.key === " ") {
      event.preventDefault();
      offer(true);
    } else list.key(event);
  });
  paint();
  return {
    element,
    text: () => area.value,
    setText(next) {
      area.value = next;
      changed();
    },
    chosen: () => (area.selectionStart === area.selectionEnd ? area.value : area.value.slice(area.selectionStart, area.selectionEnd)),
    insert(piece) {
      area.setRangeText(piece, area.selectionStart, area.selectionEnd, "end");
      changed();
      area.focus();
    },
    mark,
    focus: () => area.focus(),
  };
}
