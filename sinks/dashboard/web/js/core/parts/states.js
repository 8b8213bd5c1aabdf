// @ts-check
/** Nothing yet, nothing at all, nothing because it failed: said for people, each with a way out. */
import { ApiError } from "../api.js";
import { h, replace } from "../dom.js";
import { icon } from "../icons.js";
import { button } from "./buttons.js";

/** @typedef {import("../dom.js").Child} Child */

/** Grey lines where text will be. @param {number} [lines] */
export function skeleton(lines = 4) {
  const rows = Array.from({ length: lines }, (_, at) => h("span", { class: "skeleton-line", css: { "--width": `${[92, 78, 85, 64, 73][at % 5]}%` } }));
  return h("div", { class: "skeleton", role: "status", "aria-label": "Loading" }, rows);
}

/** @param {{title: string, hint?: Child, action?: Child}} options */
export function empty({ title, hint, action }) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), hint ? h("p", { class: "empty-hint" }, hint) : null, action ? h("div", { class: "empty-action" }, action) : null);
}

/**
 * What went wrong, and trying again.
 * @param {unknown} error
 * @param {() => void} [retry]
 */
export function failed(error, retry) {
  const { title, hint, id } = words(error);
  return h("div", { class: "failed", role: "alert" }, icon("warn"), h("div", {},
    h("p", { class: "failed-title" }, title), hint ? h("p", { class: "failed-hint" }, hint) : null,
    id ? h("p", { class: "failed-id" }, "request ", h("code", {}, id)) : null,
    retry ? wayOut(error, retry) : null));
}

/** What cannot be asked is not asked again: it stands in the address. @param {unknown} error @param {() => void} retry */
function wayOut(error, retry) {
  if (location.search && isUnfit(error)) return h("a", { class: "button button-plain button-small", href: location.pathname }, "Show the page without it");
  return button("Try again", { onClick: retry, small: true });
}

/** @param {unknown} error */
const isUnfit = (error) => error instanceof ApiError && (error.status === 400 || error.status === 422);

/** What of a question does not fit, in the words of the server. @param {ApiError} error */
function unfit(error) {
  const [first] = error.errors;
  if (error.type !== "invalid" || !first?.message) return error.detail;
  const name = String(first.field ?? "").replace(/^(query|path|body)\./, "").replace(/\.\d+$/, "");
  return name ? `${name}: ${first.message}` : first.message;
}

/** @param {unknown} error */
function words(error) {
  if (!(error instanceof ApiError)) return { title: "This part of the page broke", hint: String(/** @type {any} */ (error)?.message ?? error), id: "" };
  const wait = error.retryAfter_s ? ` Try again in ${error.retryAfter_s} s.` : "";
  const told = error.detail ? sentence(error.detail) : "";
  if (error.status === 0) return { title: "No answer from the server", hint: told, id: "" };
  if (error.status === 401) return { title: "The session has ended", hint: "Sign in again to go on.", id: "" };
  if (error.status === 403) return { title: "Your role may not see this", hint: told, id: error.requestId };
  if (error.status === 404) return { title: "Not found", hint: told || "It does not exist, or is not yours to see.", id: "" };
  if (error.status === 429) return { title: "Too many requests", hint: told + wait, id: "" };
  if (error.status === 503) return { title: "Not ready just now", hint: told + wait, id: error.requestId };
  if (isUnfit(error)) return { title: "This cannot be asked", hint: sentence(unfit(error)), id: "" };
  return { title: error.title || `The server answered ${error.status}`, hint: told + wait, id: error.requestId };
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/**
 * A piece of a page that loads by itself: grey lines, then what `render` makes, or the failure with a way to try again.
 * `element.reload()` loads anew and keeps what is shown until the new is there; not awaiting it is fine.
 * @template T
 * @param {{signal: AbortSignal}} ctx
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {(data: T) => Child} render
 * @param {{lines?: number, class?: string}} [options]
 * @returns {HTMLElement & {reload: () => Promise<void>}}
 */
export function section(ctx, load, render, { lines = 4, class: name = "" } = {}) {
  const element = /** @type {HTMLElement & {reload: () => Promise<void>}} */ (h("div", { class: `section ${name}`.trim(), "aria-busy": "true" }, skeleton(lines)));
  /** @type {AbortController | null} */
  let running = null;
  element.reload = async () => {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const signal = AbortSignal.any([ctx.signal, mine.signal]);
    element.setAttribute("aria-busy", "true");
    try {
      const data = await load(signal);
      if (signal.aborted) return;
      const next = render(data);
      // What stays the same element stays where it is: focus, open menus and scroll with it.
      if (!(next instanceof Node) || element.childNodes.length !== 1 || element.firstChild !== next) replace(element, next);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) console.error(error);
      replace(element, failed(error, () => {
        replace(element, skeleton(lines));
        void element.reload();
      }));
    } finally {
      if (!signal.aborted) element.setAttribute("aria-busy", "false");
    }
  };
  void element.reload();
  return element;
}
