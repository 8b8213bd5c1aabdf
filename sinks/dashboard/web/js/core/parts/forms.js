// @ts-check
/** Controls with their labels, hints and errors. */
import { h, newId } from "../dom.js";

/** @typedef {import("../dom.js").Child} Child */

/**
 * A control under its label. `error` is shown in red and read out; `element.setError(text)` changes it.
 * @param {{label: string, hint?: Child, error?: string, control: HTMLElement, inline?: boolean, hideLabel?: boolean}} options
 * @returns {HTMLElement & {setError: (text: string) => void}}
 */
export function field({ label, hint, error = "", control, inline = false, hideLabel = false }) {
  const target = /** @type {HTMLElement} */ (control.matches("input,select,textarea") ? control : control.querySelector("input,select,textarea") ?? control);
  target.id ||= newId("field");
  const hintId = `${target.id}-hint`;
  const errorId = `${target.id}-error`;
  const told = h("p", { class: "field-error", id: errorId, role: "alert" });
  if (hint) target.setAttribute("aria-describedby", `${hintId} ${errorId}`);
  else target.setAttribute("aria-describedby", errorId);
  const root = /** @type {HTMLElement & {setError: (text: string) => void}} */ (
    h("div", { class: `field${inline ? " field-inline" : ""}` }, h("label", { for: target.id, class: hideLabel ? "visually-hidden" : "field-label" }, label), control, hint ? h("p", { class: "field-hint", id: hintId }, hint) : null, told)
  );
  root.setError = (text) => {
    told.textContent = text;
    told.hidden = !text;
    if (text) target.setAttribute("aria-invalid", "true");
    else target.removeAttribute("aria-invalid");
  };
  root.setError(error);
  return root;
}

/**
 * @param {{name?: string, value?: string | number, type?: string, placeholder?: string, onInput?: (value: string) => void, onChange?: (value: string) => void, label?: string, min?: any, max?: any, step?: any, list?: string, autocomplete?: string, spellcheck?: string, required?: boolean, class?: string}} [options] `label`: where no `field` gives one
 */
export function input({ onInput, onChange, label, value = "", type = "text", class: name = "", ...more } = {}) {
  const element = /** @type {HTMLInputElement} */ (h("input", { class: `input ${name}`.trim(), type, value: String(value), "aria-label": label, autocomplete: "off", ...more }));
  if (onInput) element.addEventListener("input", () => onInput(element.value));
  if (onChange) element.addEventListener("change", () => onChange(element.value));
  return element;
}

/** @param {{name?: string, value?: string, rows?: number, placeholder?: string, onInput?: (value: string) => void, label?: string, mono?: boolean}} [options] */
export function textarea({ onInput, label, value = "", rows = 4, mono = false, ...more } = {}) {
  const element = /** @type {HTMLTextAreaElement} */ (h("textarea", { class: `input${mono ? " mono" : ""}`, rows: String(rows), "aria-label": label, spellcheck: "false", ...more }));
  element.value = value;
  if (onInput) element.addEventListener("input", () => onInput(element.value));
  return element;
}

/**
 * @param {{options: (string | [string, string])[], value?: string | null, onChange?: (value: string) => void, label?: string, name?: string}} options each: value, or [value, label]
 */
export function select({ options, value, onChange, label, ...more }) {
  const pairs = options.map((each) => (Array.isArray(each) ? each : [each, each]));
  const element = /** @type {HTMLSelectElement} */ (h("select", { class: "input select", "aria-label": label, ...more }, pairs.map(([given, said]) => h("option", { value: given }, said))));
  element.value = pairs.some(([given]) => given === value) ? String(value) : (pairs[0]?.[0] ?? "");
  if (onChange) element.addEventListener("change", () => onChange(element.value));
  return element;
}

/** @param {{label: string, checked?: boolean, onChange?: (checked: boolean) => void, name?: string}} options */
export function checkbox({ label, checked = false, onChange, name }) {
  const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", checked, name }));
  if (onChange) box.addEventListener("change", () => onChange(box.checked));
  return h("label", { class: "checkbox" }, box, h("span", {}, label));
}
