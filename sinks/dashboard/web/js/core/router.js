// @ts-check
/** Pages by address: each a module, loaded when first gone to, and left cleanly. */
import { live } from "./live.js";

/**
 * @typedef {object} Context
 * @property {Record<string, string>} params of the address, decoded
 * @property {URLSearchParams} query as it is now
 * @property {string} path
 * @property {(path: string) => void} go to another page
 * @property {(values: Record<string, any>, options?: {push?: boolean}) => void} setQuery keeps filters in the address: null or "" takes one out; the page is not shown anew
 * @property {AbortSignal} signal aborted when the page is left: give it to every request
 * @property {(period_ms: number, fn: () => void) => () => void} every again and again while the page is shown and visible
 * @property {{on: typeof live.on}} live as `live`, ended with the page
 * @property {(fn: () => void) => void} onLeave
 */
/** @typedef {Element | {element: Element, title?: string, leave?: () => void}} Shown */
/** @typedef {{show: (ctx: Context) => Shown | Promise<Shown>}} PageModule */
/** @typedef {{pattern: string, match: RegExp, names: string[], load: () => Promise<any>}} Route */

/** @type {Route[]} */
const routes = [];
/** @type {{controller: AbortController, leave: (() => void)[]} | null} */
let current = null;
/** @type {Element | null} */
let outlet = null;
/** @type {{missing: (error: unknown, retry: () => void) => Element, changed: (path: string, title: string) => void, busy: (on: boolean) => void}} */
let hooks = { missing: () => document.createElement("p"), changed: () => {}, busy: () => {} };
let shownPath = "";
let shownAddress = "";
let turn = 0;

/**
 * @param {string} pattern beneath /ui/, e.g. "agents/:id"
 * @param {() => Promise<any>} load e.g. () => import("../pages/agent.js")
 */
export function route(pattern, load) {
  /** @type {string[]} */
  const names = [];
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/:(\w+)/g, (_, name) => {
    names.push(name);
    return "([^/]+)";
  });
  routes.push({ pattern, match: new RegExp(`^/ui/${source}/?$`), names, load });
}

/**
 * Begin: show the page of the address in `into`, and every one that is gone to.
 * @param {Element} into
 * @param {typeof hooks} told
 */
export function start(into, told) {
  outlet = into;
  hooks = told;
  document.addEventListener("click", intercept);
  window.addEventListener("popstate", () => address() !== shownAddress && void show(false)); // else it was a place within the page
  return show(true);
}

/** @param {string} path of a page, with its query */
export function go(path) {
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin || !url.pathname.startsWith("/ui")) throw new TypeError("not a page of the dashboard");
  if (url.pathname + url.search !== location.pathname + location.search) history.pushState(null, "", url.pathname + url.search + url.hash);
  return show(false);
}

/** Show the page of the address again, from the beginning. */
export const again = () => show(false);

/** @param {MouseEvent} event */
function intercept(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(anchor instanceof HTMLAnchorElement) || anchor.target || anchor.hasAttribute("download")) return;
  const url = new URL(anchor.href);
  if (url.origin !== location.origin || !/^\/ui(\/|$)/.test(url.pathname)) return;
  if (url.pathname === location.pathname && url.search === location.search && url.hash) return;
  event.preventDefault();
  void go(url.pathname + url.search + url.hash);
}

/** @param {string} path @returns {{found: Route, params: Record<string, string>} | null} */
function resolve(path) {
  for (const each of routes) {
    const match = each.match.exec(path === "/ui" ? "/ui/" : path);
    if (match) return { found: each, params: Object.fromEntries(each.names.map((name, index) => [name, decoded(match[index + 1])])) };
  }
  return null;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Fetch the module of a page that will probably be gone to. @param {string} path without its query */
export function preload(path) {
  resolve(path)?.found.load().catch(() => {}); // going there tries again, and tells
}

const address = () => location.pathname + location.search;

/** @param {boolean} first */
async function show(first) {
  shownAddress = address();
  const mine = (turn += 1);
  const path = location.pathname;
  leave();
  const controller = new AbortController();
  /** @type {(() => void)[]} */
  const leaving = [];
  current = { controller, leave: leaving };
  const slow = setTimeout(() => hooks.busy(true), 120);
  let shown;
  try {
    shown = await made(path, context(controller.signal, leaving));
  } catch (error) {
    if (mine !== turn) return;
    shown = { element: hooks.missing(error, again) };
  } finally {
    clearTimeout(slow);
    if (mine === turn) hooks.busy(false);
  }
  if (mine !== turn || !outlet) return;
  const page = shown instanceof Element ? { element: shown } : shown;
  if (page.leave) leaving.push(page.leave);
  outlet.replaceChildren(page.element);
  const heading = outlet.querySelector("h1");
  const title = page.title ?? heading?.textContent ?? "";
  document.title = title ? `${title} · fleetpulse` : "fleetpulse";
  if (path !== shownPath) window.scrollTo(0, 0);
  shownPath = path;
  hooks.changed(path, title);
  if (!first && heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}

/** @param {string} path @param {Context} ctx @returns {Promise<Shown>} */
async function made(path, ctx) {
  const resolved = resolve(path);
  if (!resolved) throw new NoPageError();
  ctx.params = resolved.params;
  const module = /** @type {PageModule} */ (await resolved.found.load());
  return module.show(ctx);
}

/** No page has this address. */
export class NoPageError extends Error {}

function leave() {
  if (!current) return;
  current.controller.abort();
  for (const fn of current.leave.splice(0)) fn();
  current = null;
}

/** @param {AbortSignal} signal @param {(() => void)[]} leaving @returns {Context} */
function context(signal, leaving) {
  const ctx = {
    params: {},
    query: new URLSearchParams(location.search),
    path: location.pathname,
    go,
    signal,
    setQuery(/** @type {Record<string, any>} */ values, /** @type {{push?: boolean}} */ { push = false } = {}) {
      if (signal.aborted) return;
      for (const [name, value] of Object.entries(values)) {
        if (value === null || value === undefined || value === "" || value === false) ctx.query.delete(name);
        else ctx.query.set(name, String(value));
      }
      const search = ctx.query.toString();
      history[push ? "pushState" : "replaceState"](null, "", location.pathname + (search ? `?${search}` : ""));
      shownAddress = address();
    },
    every(/** @type {number} */ period_ms, /** @type {() => void} */ fn) {
      const timer = setInterval(() => document.hidden || fn(), period_ms);
      const stop = () => clearInterval(timer);
      leaving.push(stop);
      return stop;
    },
    live: {
      on(/** @type {any} */ kind, /** @type {(data: any) => void} */ fn) {
        const off = live.on(kind, fn);
        leaving.push(off);
        return off;
      },
    },
    onLeave: (/** @type {() => void} */ fn) => void leaving.push(fn),
  };
  return ctx;
}
