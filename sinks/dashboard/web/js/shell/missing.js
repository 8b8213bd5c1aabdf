// @ts-check
/** Pages that are not there, and the bar that says that one is coming. */
import { ApiError } from "../core/api.js";
import { h } from "../core/dom.js";
import { button, failed, page } from "../core/parts.js";
import { NoPageError } from "../core/router.js";

const AGAIN_MS = 4_000;

/** @param {unknown} error @param {() => void} retry @returns {Element} */
export function missingPage(error, retry) {
  const home = h("p", {}, h("a", { href: "/ui/" }, "Go to the overview"));
  if (error instanceof ApiError && error.status === 404) return page({ title: "Not there", children: [failed(error, retry), home] });
  if (error instanceof ApiError) return page({ title: "Nothing to show yet", children: failed(error, retry) });
  if (error instanceof NoPageError) return page({ title: "Not there", lead: "No page has this address.", children: home });
  if (error instanceof TypeError && /module/i.test(error.message)) return away(retry);
  console.error(error);
  return page({ title: "Something broke", children: [failed(error, retry), home] });
}

/** The page's script did not come: tried again by itself while one looks at it. @param {() => void} retry @returns {Element} */
function away(retry) {
  const shown = page({ title: "No connection to the server", lead: "This page could not be loaded. It is tried again by itself.", children: h("p", {}, button("Try again", { onClick: retry })) });
  const again = setInterval(() => {
    if (!shown.isConnected) return clearInterval(again);
    if (!navigator.onLine) return;
    clearInterval(again);
    retry();
  }, AGAIN_MS);
  return shown;
}

/** @param {boolean} on */
export function busy(on) {
  document.documentElement.classList.toggle("is-busy", on);
}
