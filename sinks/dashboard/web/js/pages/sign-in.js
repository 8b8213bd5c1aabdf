// @ts-check
/** Who one is: by a key, or through the issuer that the server names. */
import { ApiError, get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { button, card, code, field, input, page, section } from "../core/parts.js";
import { ended, loadMe, me, noteEnd } from "../core/store.js";

/** What the server says in `?error=` of a sign-in that failed at the issuer. @type {Record<string, string>} */
const REASONS = {
  access_denied: "The sign-in was cancelled there.",
  login_required: "You are not signed in there.",
  temporarily_unavailable: "It is busy. Try again in a moment.",
  server_error: "It had a failure of its own. Try again in a moment.",
  issuer_away: "It does not answer. Try again in a moment, or sign in with a key.",
  issuer_refused: "It refused.",
  state: "That took too long, or was begun in another browser. Try once more.",
  code_refused: "It did not stand by its own answer. Try once more.",
  no_role: "It knows you, but gives you no role here. Ask whoever grants access for one.",
  no_tenant: "It knows you, but names no tenant of yours. Ask whoever grants access.",
  too_long: "It says more of you than can be read here: have it leave groups and photos out of the ID token.",
  expired: "Its answer had expired: compare the clocks of both servers.",
};
const KEYS = "fleetpulse keys create --name me --role viewer";

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const next = following(ctx.query.get("next"));
  const ways = section(ctx, (signal) => get("/session/ways", { signal }), (found) => oidc(found.oidc, next), { lines: 1 });
  const parts = [
    me ? h("p", { class: "sign-in-known" }, "You are signed in as ", h("strong", { class: "wrap-anywhere" }, me.name), ". ", h("a", { href: next }, "Go on"), ", or sign in as somebody else.") : null,
    !me && ended ? h("p", { class: "sign-in-known", role: "alert" }, "Your session has ended: its time was over, its key has expired or was revoked, or somebody signed out. Sign in to go on where you were.") : null,
    refusal(ctx.query.get("error")),
    form(ctx, next),
    ways,
    help(),
  ];
  const body = card({ class: "sign-in-card", children: h("div", { class: "stack" }, parts) });
  return { element: h("div", { class: "sign-in" }, page({ title: "Sign in", lead: "See your fleet, live.", children: body })), title: "Sign in" };
}

/** Where to go afterwards: a page of ours. @param {string | null} given */
function following(given) {
  if (!given || !/^\/ui(\/|$)/.test(given)) return "/ui/";
  const url = new URL(given, location.origin);
  const fit = url.origin === location.origin && /^\/ui(\/|$)/.test(url.pathname) && url.pathname !== "/ui/sign-in";
  return fit ? url.pathname + url.search : "/ui/";
}

/** @param {import("../core/router.js").Context} ctx @param {string} next */
function form(ctx, next) {
  const key = input({ type: "password", name: "key", autocomplete: "current-password", spellcheck: "false", required: true, class: "mono", placeholder: "fp_…" });
  const shown = field({ label: "Key", control: h("div", { class: "sign-in-key" }, key, reveal(key)), hint: "It begins with fp_ and is shown once, when it is made." });
  const press = button("Sign in", { kind: "primary", type: "submit" });
  const submit = async () => {
    shown.setError("");
    press.disabled = true;
    press.setAttribute("aria-busy", "true");
    try {
      await enter(key.value.trim());
      key.value = "";
      if (!ctx.signal.aborted) ctx.go(next);
    } catch (error) {
      shown.setError(words(error));
      key.focus();
    } finally {
      press.disabled = false;
      press.removeAttribute("aria-busy");
    }
  };
  const sent = (/** @type {Event} */ event) => {
    event.preventDefault();
    void submit();
  };
  return h("form", { class: "stack sign-in-form", novalidate: true, on: { submit: sent } }, shown, press);
}

/** Shows what was typed. @param {HTMLInputElement} key */
function reveal(key) {
  const press = button("Show", { kind: "quiet", small: true, onClick: () => {
    const hidden = key.type === "password";
    key.type = hidden ? "text" : "password";
    press.setAttribute("aria-pressed", String(hidden));
    key.focus();
  } });
  press.setAttribute("aria-pressed", "false");
  press.setAttribute("aria-label", "Show the key");
  return press;
}

/** @param {string} key */
async function enter(key) {
  if (!key) throw new ApiError({ status: 422, detail: "Paste your key first." });
  await post("/session", { key });
  if (!(await loadMe())) throw new ApiError({ status: 0, detail: "This browser did not keep the session's cookie: allow cookies for this address." });
  noteEnd(false);
  window.dispatchEvent(new Event("fleetpulse:signed-in"));
}

/** @param {unknown} error */
function words(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401) return "This key is not valid: mistyped, expired or revoked.";
  if (error.status === 429) return `Too many tries. Wait ${error.retryAfter_s ?? 1} s, then try again.`;
  if (error.status === 503) return "The server is still reading its keys. Try again in a moment.";
  const text = error.detail || "That did not work.";
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** @param {{name: string} | null} issuer @param {string} next */
function oidc(issuer, next) {
  if (!issuer) return null;
  const href = `/session/oidc?next=${encodeURIComponent(next)}`;
  return h("div", { class: "stack" }, h("p", { class: "sign-in-or", "aria-hidden": "true" }, "or"),
    h("a", { class: "button button-plain sign-in-oidc", href }, h("span", {}, "Continue with ", h("span", { class: "wrap-anywhere" }, issuer.name))));
}

/** @param {string | null} reason */
function refusal(reason) {
  if (!reason) return null;
  return h("div", { class: "sign-in-refusal", role: "alert" }, h("p", { class: "strong" }, "The issuer did not sign you in"),
    h("p", {}, REASONS[reason] ?? "Its answer could not be trusted. Try once more; if it stays, tell whoever runs this server."));
}

function help() {
  return h("details", { class: "sign-in-help" }, h("summary", {}, "No key?"),
    h("div", { class: "stack stack-tight" }, h("p", { class: "quiet small" }, "Who runs the server makes one, beside its broker:"), code(KEYS, { label: "Command that makes a key" }),
      h("p", { class: "quiet small" }, "After ", h("code", {}, "make run"), " on your own machine one is in ", h("code", {}, ".fleetpulse/admin.key"), "."),
      h("p", { class: "quiet small" }, "Viewers read, operators act on alerts, admins change rules and keys.")));
}
