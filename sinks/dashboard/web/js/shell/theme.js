// @ts-check
/** Light, dark, or as the system has it; kept on this device. */

/** @typedef {"light" | "dark" | "system"} Theme */

const KEY = "fleetpulse.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What was chosen. @returns {Theme} */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export const themeWord = () => ({ light: "light", dark: "dark", system: "as the system" })[theme()];

/** The next of the three, first the one that looks otherwise; tells who draws with colours of its own by the event "fleetpulse:theme". */
export function nextTheme() {
  /** @type {Theme[]} */
  const order = dark.matches ? ["system", "light", "dark"] : ["system", "dark", "light"];
  setTheme(order[(order.indexOf(theme()) + 1) % order.length]);
}

/** @param {Theme} chosen */
export function setTheme(chosen) {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  window.dispatchEvent(new Event("fleetpulse:theme"));
}

dark.addEventListener("change", () => window.dispatchEvent(new Event("fleetpulse:theme")));
