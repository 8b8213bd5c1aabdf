// @ts-check
/** What admins see and change: keys, sessions, roles, retention, thresholds, the settings of the server. Others: their sessions. */
import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { empty, page, section, tabs } from "../core/parts.js";
import { may, me } from "../core/store.js";
import { keysTab } from "./settings/keys.js";
import { rolesTab } from "./settings/roles.js";
import { retentionCard } from "./settings/retention.js";
import { sessionsTab } from "./settings/sessions.js";
import { settingsCard, thresholdsCard } from "./settings/told.js";

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const lead = me?.tenant ? `Keys and rules of the house for ${me.tenant}.` : "Keys, and what counts on this server.";
  if (!may("admin")) {
    return page({ title: "Settings", lead: "Where you are signed in.", children: h("div", { class: "stack" }, sessionsTab(ctx), empty({ title: "For admins", hint: "Ask who gave you your key for one of role admin, if you need to make keys." })) });
  }
  /** @type {Promise<any> | null} */
  let told = null;
  const read = () => (told ??= get("/api/settings", { signal: ctx.signal }).catch((error) => {
    told = null;
    throw error;
  }));
  /** @param {(found: any) => import("../core/dom.js").Child} render */
  const part = (render) => () => section(ctx, read, render, { lines: 8 });
  const kept = () => {
    const shown = section(ctx, read, (found) => retentionCard(found, () => {
      told = null;
      void shown.reload();
    }), { lines: 8 });
    return shown;
  };
  const views = [
    { id: "keys", label: "Keys", make: () => keysTab(ctx) },
    { id: "sessions", label: "Sessions", make: () => sessionsTab(ctx) },
    { id: "roles", label: "Roles", make: rolesTab },
    { id: "retention", label: "Retention", make: kept },
    ...(me?.tenant === null ? [
      { id: "thresholds", label: "Thresholds", make: part((found) => thresholdsCard(ctx, found)) },
      { id: "server", label: "Server", make: part(settingsCard) },
    ] : []),
  ];
  return page({ title: "Settings", lead, children: h("div", {}, tabs(views, { ctx, label: "Kinds of settings" })) });
}
