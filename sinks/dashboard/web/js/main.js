// @ts-check
/** The beginning: who is signed in, the frame around the pages, and which module shows which address. */
import { onUnauthorised } from "./core/api.js";
import { onRefused } from "./core/live.js";
import { go, preload, route, start } from "./core/router.js";
import { forgetMe, loadMe, me, noteEnd } from "./core/store.js";
import { busy, missingPage } from "./shell/missing.js";
import { drawNav, markNav } from "./shell/nav.js";
import { listenToKeys } from "./shell/shortcuts.js";
import { drawTopbar } from "./shell/topbar.js";

route("", () => import("./pages/overview.js"));
route("agents", () => import("./pages/agents.js"));
route("changes", () => import("./pages/changes.js"));
route("delivery", () => import("./pages/delivery.js"));
route("agents/:id", () => import("./pages/agent.js"));
route("governance", () => import("./pages/governance.js"));
route("alerts", () => import("./pages/alerts.js"));
route("alerts/:fingerprint", () => import("./pages/alert.js"));
route("rules", () => import("./pages/rules.js"));
route("analytics", () => import("./pages/analytics.js"));
route("sql", () => import("./pages/sql.js"));
route("topology", () => import("./pages/topology.js"));
route("hosts", () => import("./pages/hosts.js"));
route("hosts/:host", () => import("./pages/host.js"));
route("pipeline", () => import("./pages/pipeline.js"));
route("settings", () => import("./pages/settings.js"));
route("sign-in", () => import("./pages/sign-in.js"));

const SIGN_IN = "/ui/sign-in";
/** The tabs of a browser share its session: each tells the others whom it finds signed in. */
const tabs = new BroadcastChannel("fleetpulse.session");
/** @type {Promise<any>} what this tab found at its own beginning, or is still waiting for */
let asked = Promise.resolve();

const whoIsIn = () => me?.id ?? null;

/** Of the sign-in page, which leads back to where one is. */
function signInHref() {
  const next = location.pathname + location.search;
  return next === "/ui/" ? SIGN_IN : `${SIGN_IN}?next=${encodeURIComponent(next)}`;
}

/** A session has ended, or there was none. */
function signIn() {
  if (location.pathname === SIGN_IN) return;
  if (me) noteEnd(true);
  forgetMe();
  frame();
  void go(signInHref());
}

/** Another tab has found somebody, or nobody: this one shows no other person's page. @param {string | null} who */
async function look(who) {
  await asked.catch(() => {}); // it is told where it was asked
  const before = whoIsIn();
  if (before === who) return;
  const found = await loadMe();
  if (found && found.id !== before && !types()) location.reload();
}

/** Whether somebody is about to sign in here: what they typed stays. */
const types = () => location.pathname === SIGN_IN && [...document.querySelectorAll("input")].some((each) => each.value !== "");

/** The frame around the page: none for who is not signed in. */
function frame() {
  document.body.classList.toggle("signed-out", !me);
  drawNav();
  drawTopbar();
}

/** Draw the first page; it is fetched while the server says who this is. */
async function begin() {
  const main = /** @type {Element} */ (document.getElementById("main"));
  preload(location.pathname);
  try {
    await (asked = loadMe());
  } catch (error) {
    frame();
    main.replaceChildren(missingPage(error, () => void begin()));
    return;
  }
  tabs.postMessage(whoIsIn());
  if (!me && location.pathname !== SIGN_IN) history.replaceState(null, "", signInHref());
  frame();
  await start(main, { missing: missingPage, changed: markNav, busy });
}

onUnauthorised(signIn);
onRefused(() => void loadMe().then((found) => found ?? signIn(), () => {}));
listenToKeys();
window.addEventListener("fleetpulse:signed-in", () => {
  frame();
  tabs.postMessage(whoIsIn());
});
tabs.addEventListener("message", ({ data }) => void look(data).catch(() => {}));
void begin();
