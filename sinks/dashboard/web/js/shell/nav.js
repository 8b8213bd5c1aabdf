// @ts-check
/** The pages at the left; a menu on a phone. */
import { h, replace } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { preload } from "../core/router.js";
import { may, me } from "../core/store.js";

/** @typedef {{path: string, label: string, icon: string, key: string, needs?: string, whole?: boolean}} Page whole: not for who sees one tenant */

/** @type {[string, Page[]][]} */
export const GROUPS = [
  ["Fleet", [
    { path: "", label: "Overview", icon: "overview", key: "o" },
    { path: "agents", label: "Agents", icon: "agents", key: "a" },
    { path: "topology", label: "Topology", icon: "topology", key: "t" },
    { path: "hosts", label: "Hosts", icon: "hosts", key: "h" },
  ]],
  ["Watch", [
    { path: "alerts", label: "Alerts", icon: "alerts", key: "l" },
    { path: "rules", label: "Rules", icon: "rules", key: "r" },
    { path: "governance", label: "Governance", icon: "governance", key: "g" },
  ]],
  ["Explore", [
    { path: "analytics", label: "Analytics", icon: "analytics", key: "y" },
    { path: "sql", label: "SQL", icon: "sql", key: "q", needs: "sql" },
  ]],
  ["System", [
    { path: "pipeline", label: "Pipeline", icon: "pipeline", key: "p", needs: "operator", whole: true },
    { path: "settings", label: "Settings", icon: "settings", key: "s", needs: "admin" },
  ]],
];

/** Every page that the role may see. */
export const pages = () => GROUPS.flatMap(([, list]) => list).filter((each) => (!each.needs || may(each.needs)) && (!each.whole || me?.tenant === null));

const nav = () => /** @type {HTMLElement} */ (document.getElementById("nav"));

export function drawNav() {
  if (!me) return void replace(nav());
  const shown = new Set(pages());
  const brand = h("a", { class: "brand", href: "/ui/" }, icon("overview", "brand-mark"), h("span", {}, "fleetpulse"));
  const groups = GROUPS.map(([name, list]) => [name, list.filter((each) => shown.has(each))]).filter(([, list]) => list.length);
  replace(nav(), brand, /** @type {[string, Page[]][]} */ (groups).map(([name, list]) => group(name, list)), h("p", { class: "nav-foot" }, h("span", { class: "nav-version" }, me.version ? `version ${me.version}` : "")));
  markNav(location.pathname);
}

/** @param {string} name @param {Page[]} list */
function group(name, list) {
  const links = list.map((each) => h("li", {}, h("a", { class: "nav-link", href: `/ui/${each.path}`, "data-path": each.path, on: { pointerenter: () => preload(`/ui/${each.path}`), focus: () => preload(`/ui/${each.path}`), click: () => openNav(false) } }, icon(each.icon), h("span", {}, each.label))));
  return h("div", { class: "nav-group" }, h("p", { class: "nav-title", id: `nav-${name}` }, name), h("ul", { "aria-labelledby": `nav-${name}` }, links));
}

let marked = "";

/** Mark the page of this address, and close the menu where one has come from another: not where the first page has only now been
 * drawn, while somebody had already opened it.
 * @param {string} path
 */
export function markNav(path) {
  const first = path.replace(/^\/ui\/?/, "").split("/")[0];
  for (const link of nav().querySelectorAll("[data-path]")) {
    if (/** @type {HTMLElement} */ (link).dataset.path === first) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (path !== marked) openNav(false);
  marked = path;
}

/** @param {boolean} open on a phone, where the pages are a menu */
export function openNav(open) {
  document.body.classList.toggle("nav-open", open);
  document.getElementById("nav-toggle")?.setAttribute("aria-expanded", String(open));
  if (open) /** @type {HTMLElement | null} */ (nav().querySelector("[aria-current], .nav-link"))?.focus();
}
