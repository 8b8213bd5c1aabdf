// @ts-check
/** What lies above the page for a while: dialogs, and words that go by themselves. */
import { h, newId, replace } from "../dom.js";
import { icon } from "../icons.js";
import { button, iconButton } from "./buttons.js";
import { failed } from "./states.js";

/** @typedef {import("../dom.js").Child} Child */
/** @typedef {{label: string, kind?: "primary" | "plain" | "danger" | "quiet", onClick?: () => any}} Action `onClick` returning false (or a promise of it) keeps the dialog open; one that throws shows why */

/**
 * A native modal dialog; Escape closes it and focus goes back. It is open when this returns.
 * @param {{title: string, body: Child, actions?: Action[], wide?: boolean, onClose?: () => void}} options
 * @returns {{element: HTMLDialogElement, close: () => void}}
 */
export function dialog({ title, body, actions = [], wide = false, onClose }) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const id = newId("dialog");
  const trouble = h("div", { class: "dialog-trouble" });
  const element = /** @type {HTMLDialogElement} */ (h("dialog", { class: `dialog${wide ? " dialog-wide" : ""}`, "aria-labelledby": id }));
  const close = () => element.close();
  const foot = actions.map((action) => button(action.label, { kind: action.kind, onClick: () => run(action) }));
  /** @param {Action} action */
  async function run(action) {
    replace(trouble);
    try {
      if ((await action.onClick?.()) !== false) close();
    } catch (error) {
      replace(trouble, failed(error));
    }
  }
  element.append(
    h("header", { class: "dialog-head" }, h("h2", { id }, title), iconButton("close", "Close", close)),
    h("div", { class: "dialog-body" }, body, trouble),
    ...(foot.length ? [h("footer", { class: "dialog-foot" }, foot)] : []),
  );
  element.addEventListener("close", () => {
    const elsewhere = document.activeElement !== document.body && !element.contains(document.activeElement);
    element.remove();
    if (before?.isConnected && !elsewhere) before.focus();
    onClose?.();
  });
  element.addEventListener("click", (event) => event.target === element && close());
  window.addEventListener("popstate", close, { once: true });
  document.body.append(element);
  element.showModal();
  return { element, close };
}

/**
 * Ask before something is done. Resolves to whether to do it.
 * @param {{title: string, body?: Child, action?: string, danger?: boolean}} options
 * @returns {Promise<boolean>}
 */
export function confirm({ title, body = null, action = "Go on", danger = false }) {
  return new Promise((resolve) => {
    let said = false;
    dialog({
      title,
      body,
      actions: [
        { label: "Cancel" },
        { label: action, kind: danger ? "danger" : "primary", onClick: () => void (said = true) },
      ],
      onClose: () => resolve(said),
    });
  });
}

/** Words at the edge that go after a while; also read out. @param {string} text @param {import("./badges.js").Tone} [tone] */
export function toast(text, tone = "info") {
  const holder = document.getElementById("toasts") ?? document.body;
  const element = h("div", { class: `toast tone-${tone}` }, icon(tone), h("span", {}, text), iconButton("close", "Dismiss", () => element.remove()));
  holder.append(element);
  setTimeout(() => element.remove(), tone === "bad" || tone === "critical" ? 12_000 : 5_000);
}
