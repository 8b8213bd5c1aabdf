// @ts-check
/** A textarea with the numbers of its lines, of which some are marked. */
import { h, replace } from "../../core/dom.js";

/**
 * @param {{value: string, label: string, onInput: () => void}} options
 * @returns {{element: HTMLElement, value: () => string, set: (text: string) => void, mark: (mistakes: {line: number, message: string}[]) => void, go: (line: number, column: number) => void}}
 */
export function textEditor({ value, label, onInput }) {
  const area = /** @type {HTMLTextAreaElement} */ (h("textarea", { class: "editor-text", wrap: "off", spellcheck: "false", autocapitalize: "off", "aria-label": label }));
  const numbers = h("div", { class: "editor-lines", "aria-hidden": "true" });
  const element = h("div", { class: "editor" }, numbers, area);
  /** @type {Map<number, string>} */
  let marked = new Map();
  const draw = () => {
    const count = area.value.split("\n").length;
    area.rows = count + 1;
    if (numbers.childElementCount === count && !marked.size && !numbers.querySelector(".editor-wrong")) return;
    replace(numbers, Array.from({ length: count }, (_, at) => h("span", { class: marked.has(at + 1) ? "editor-wrong" : null, title: marked.get(at + 1) ?? null }, String(at + 1))));
  };
  area.value = value;
  area.addEventListener("input", () => {
    draw();
    onInput();
  });
  area.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && indent(event, area));
  draw();
  return {
    element,
    value: () => area.value,
    set(text) {
      area.value = text;
      draw();
    },
    mark(mistakes) {
      marked = new Map(mistakes.map((each) => [each.line, each.message]));
      area.setAttribute("aria-invalid", String(marked.size > 0));
      draw();
    },
    go(line, column) {
      const lines = area.value.split("\n");
      const at = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + Math.max(0, column - 1);
      area.focus();
      area.setSelectionRange(at, at + Math.max(1, (lines[line - 1] ?? "").length - column + 1));
      numbers.children[line - 1]?.scrollIntoView({ block: "center" });
    },
  };
}

/** A new line begins where the one before did; an item of a list goes on beneath its dash. @param {KeyboardEvent} event @param {HTMLTextAreaElement} area */
function indent(event, area) {
  const before = area.value.slice(0, area.selectionStart);
  const space = /(?:^|\n)([ ]*)(- )?[^\n]*$/.exec(before);
  if (!space || !(space[1] || space[2])) return;
  event.preventDefault();
  // insertText keeps the browser's own undo, which setting the value would lose.
  document.execCommand("insertText", false, `\n${space[1]}${space[2] ? "  " : ""}`);
}
