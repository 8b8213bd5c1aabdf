// Before the first paint: the theme that was chosen, and the one Trusted Types policy of the page.
// @ts-check
(() => {
  const types = /** @type {any} */ (window).trustedTypes;
  if (types) {
    // ECharts' renderer clears its own nodes by assigning the empty string; nothing else is ever let through.
    types.createPolicy("default", {
      /** @param {string} text */
      createHTML: (text) => (text === "" ? "" : null),
    });
  }
  try {
    const chosen = localStorage.getItem("fleetpulse.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's theme holds then.
  }
})();
