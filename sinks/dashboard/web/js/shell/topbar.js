// @ts-check
/** Above the page: finding an agent, how the stream is, the theme, who one is. */
import { onAnswered, send } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { agoText } from "../core/format.js";
import { icon } from "../core/icons.js";
import { live } from "../core/live.js";
import { agentsHref } from "../core/paths.js";
import { iconButton, input, menu, toast } from "../core/parts.js";
import { go } from "../core/router.js";
import { forgetMe, may, me } from "../core/store.js";
import { openNav } from "./nav.js";
import { showShortcuts } from "./shortcuts.js";
import { nextTheme, theme, themeWord } from "./theme.js";

const WORDS = { idle: "not live", connecting: "connecting", live: "live", reconnecting: "reconnecting" };
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export function drawTopbar() {
  const bar = /** @type {HTMLElement} */ (document.getElementById("topbar"));
  if (!me) return void replace(bar, h("span", { class: "brand brand-alone" }, icon("overview", "brand-mark"), h("span", {}, "fleetpulse")), h("span", { class: "grow" }), themeButton());
  const toggle = h("button", { type: "button", id: "nav-toggle", class: "icon-button nav-toggle", "aria-label": "Pages", "aria-controls": "nav", "aria-expanded": "false", on: { click: () => openNav(!document.body.classList.contains("nav-open")) } }, icon("menu"));
  replace(bar, toggle, search(), h("span", { class: "grow" }), connection(), iconButton("info", "Keyboard shortcuts", showShortcuts), themeButton(), account(me));
}

function search() {
  const box = input({ type: "search", name: "q", label: "Find an agent", placeholder: "Find an agent", class: "top-search-input" });
  box.id = "top-search";
  const form = h("form", { class: "top-search", role: "search", "aria-label": "Agents", on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    void go(agentsHref({ q: box.value.trim() }));
  } } }, icon("search"), box, h("kbd", { "aria-hidden": "true" }, "/"));
  return form;
}

/** @type {() => void} */
let forget = () => {};

/** How the stream is; of a page that has none, when it last heard from the server. */
function connection() {
  const words = h("span", { class: "connection-words", role: "status" });
  const at = h("span", { class: "connection-at" });
  const element = h("span", {}, h("span", { class: "connection-dot", "aria-hidden": "true" }), words, at);
  let heardAt_ms = Date.now();
  const draw = () => {
    const { state, since_ms } = live.connection;
    const since = state === "reconnecting" ? ` since ${agoText(since_ms).replace(" ago", "")}` : "";
    element.className = `connection connection-${state}`;
    element.title = state === "idle" ? "This page does not change by itself" : "";
    if (words.textContent !== WORDS[state] + since) replace(words, WORDS[state] + since);
    replace(at, state === "idle" ? `as of ${minute.format(heardAt_ms)}` : null);
  };
  forget();
  forget = live.on("connection", draw);
  onAnswered(() => {
    heardAt_ms = Date.now();
    if (live.connection.state === "idle") draw();
  });
  draw();
  return element;
}

function themeButton() {
  const button = iconButton("auto", "", () => {
    nextTheme();
    draw();
  });
  const draw = () => {
    replace(button, icon({ light: "sun", dark: "moon", system: "auto" }[theme()]));
    button.setAttribute("aria-label", `Theme: ${themeWord()}`);
    button.title = `Theme: ${themeWord()}`;
  };
  draw();
  return button;
}

/** @param {NonNullable<typeof me>} who */
function account(who) {
  const about = who.tenant ? `${who.role} of ${who.tenant}` : `${who.role} of the whole fleet`;
  return h("div", { class: "account", title: about }, menu({ label: who.name || about, icon: "user", items: [
    { label: may("admin") ? "Settings" : "Your sessions", onSelect: () => void go("/ui/settings") },
    { label: "Keyboard shortcuts", onSelect: showShortcuts },
    { label: "Sign out", onSelect: () => void signOut() },
  ] }));
}

async function signOut() {
  try {
    await send("DELETE", "/session", undefined);
  } catch (error) {
    return toast(`Signing out failed: ${/** @type {Error} */ (error).message}`, "bad");
  }
  forgetMe();
  location.assign("/ui/sign-in");
}
