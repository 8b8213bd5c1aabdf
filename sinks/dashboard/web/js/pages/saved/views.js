// @ts-check
/** Saved views of one kind of page: open one, keep what is shown now, change it, let others see it, delete it. */
import { del, get, post, put } from "../../core/api.js";
import { h, replace } from "../../core/dom.js";
import { ago } from "../../core/format.js";
import { badge, button, checkbox, confirm, dialog, empty, field, input, section, toast } from "../../core/parts.js";
import { may } from "../../core/store.js";

/** @typedef {{id: string, kind: string, name: string, content: any, shared: boolean, own: boolean, owner: string, changed: string}} View */

/**
 * Two buttons: "Saved views" and "Save view".
 * @param {import("../../core/router.js").Context} ctx
 * @param {{kind: string, content: () => any, apply: (content: any, view: View) => void, suggest?: () => string, word?: string, words?: string}} options
 * `content`: what is kept, `apply`: what opening one does. `word`: what a view is called here.
 */
export function savedViews(ctx, { kind, content, apply, suggest = () => "", word = "view", words = `${word}s` }) {
  /** @type {View | null} what was opened last, offered to be replaced */
  let opened = null;
  const open = button(`Saved ${words}`, { onClick: () => list(ctx, kind, word, words, (view) => {
    opened = view;
    apply(view.content, view);
  }) });
  const keep = button(`Save ${word}`, { icon: "plus", onClick: () => save(kind, word, content(), suggest(), opened, (view) => void (opened = view)) });
  return h("div", { class: "row" }, open, keep);
}

/** @param {import("../../core/router.js").Context} ctx @param {string} kind @param {string} word @param {string} words @param {(view: View) => void} onOpen */
function list(ctx, kind, word, words, onOpen) {
  const body = section(ctx, (signal) => get("/api/views", { params: { kind }, signal }), (told) => {
    const items = /** @type {View[]} */ (told.items);
    if (!items.length) return empty({ title: `No ${word} is saved yet`, hint: `Save what you look at, for yourself or for everybody of your team.` });
    return h("ul", { class: "saved-list" }, items.map((view) => row(view, () => {
      shown.close();
      onOpen(view);
    }, () => void body.reload())));
  });
  const shown = dialog({ title: `Saved ${words}`, body });
}

/** @param {View} view @param {() => void} onOpen @param {() => void} onGone */
function row(view, onOpen, onGone) {
  const gone = view.own || may("admin") ? button("Delete", { small: true, kind: "quiet", onClick: async () => {
    if (!(await confirm({ title: `Delete “${view.name}”?`, body: view.shared ? "Everybody of your team loses it." : null, action: "Delete", danger: true }))) return;
    await del(`/api/views/${view.id}`).then(onGone, (error) => toast(error.message, "bad"));
  } }) : null;
  return h("li", { class: "saved-row" },
    h("button", { type: "button", class: "saved-name", on: { click: onOpen } }, view.name),
    h("span", { class: "saved-about" }, view.shared ? badge("shared", "info") : null, view.own ? null : h("span", {}, "by ", view.owner), ago(view.changed)),
    gone);
}

/** @param {string} kind @param {string} word @param {any} content @param {string} name @param {View | null} opened @param {(view: View) => void} onSaved */
function save(kind, word, content, name, opened, onSaved) {
  const called = input({ value: opened?.name ?? name, required: true });
  const named = field({ label: "Name", control: called });
  let shared = opened?.shared ?? false;
  const note = h("p", { class: "small quiet" });
  replace(note, opened?.own ? `“${opened.name}” is open: it can be replaced, or a new one made.` : `It keeps the question, not its answer.`);
  /** @param {() => Promise<View>} write */
  const kept = async (write) => {
    if (!called.value.trim()) {
      named.setError("Give it a name");
      return false;
    }
    onSaved(await write());
    toast(`Saved “${called.value.trim()}”`, "ok");
  };
  const wanted = () => ({ kind, name: called.value.trim(), content, shared });
  const own = opened?.own ? opened : null;
  dialog({
    title: `Save ${word}`,
    body: h("div", { class: "stack" }, note, named, checkbox({ label: "Everybody of my team may see it", checked: shared, onChange: (on) => void (shared = on) })),
    actions: [
      { label: "Cancel" },
      ...(own ? [{ label: `Replace “${own.name.slice(0, 30)}”`, onClick: () => kept(() => put(`/api/views/${own.id}`, wanted())) }] : []),
      { label: own ? "Save as new" : "Save", kind: /** @type {"primary"} */ ("primary"), onClick: () => kept(() => post("/api/views", wanted())) },
    ],
  });
}
