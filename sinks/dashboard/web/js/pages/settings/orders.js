// @ts-check
/** Orders about keys: asked for in a dialog, carried out once, and what must be seen only now is shown only now. */
import { ApiError, post } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { badge, checkbox, code, confirm, dialog, field, input, select, textarea, toast } from "../../core/parts.js";
import { me } from "../../core/store.js";

/** @type {[string, string][]} */
const LIVES = [["30d", "30 days"], ["90d", "90 days"], ["365d", "a year"], ["", "until it is revoked"]];
/** @type {[string, string][]} */
const KEEPS = [["24h", "24 hours"], ["1h", "an hour"], ["7d", "7 days"], ["0s", "not at all"]];

/** @param {() => void} changed */
export function askNewKey(changed) {
  const once = crypto.randomUUID();
  const name = input({ required: true });
  const named = field({ label: "Name", hint: "what it is for, for people", control: name });
  const tenant = input({ value: me?.tenant ?? "" });
  const ofTenant = field({ label: "Tenant", hint: me?.tenant ? "a key of one tenant makes keys of that tenant" : "the user_id that it is limited to; empty: the whole fleet", control: tenant });
  tenant.disabled = me?.tenant !== null;
  const agents = textarea({ rows: 3 });
  const forAgents = field({ label: "Agents", hint: "that it writes for, one a line; * fits any text; empty: every agent of the tenant", control: agents });
  let sql = false;
  const withSql = checkbox({ label: "May ask in SQL", onChange: (on) => void (sql = on) });
  const role = select({ options: [["viewer", "viewer: reads"], ["operator", "operator: reads, acts on alerts"], ["ingest", "ingest: writes events"], ["admin", "admin: everything"]], onChange: fit });
  const lives = select({ options: LIVES, value: "90d" });

  function fit() {
    forAgents.hidden = role.value !== "ingest";
    withSql.hidden = role.value === "ingest" || role.value === "admin";
  }
  fit();
  const order = () => ({
    name: name.value.trim(), role: role.value, tenant: tenant.value.trim() || null, expires: lives.value || null,
    agents: role.value === "ingest" ? agents.value.split("\n").map((line) => line.trim()).filter(Boolean) : [],
    sql: sql && !withSql.hidden,
  });
  dialog({
    title: "Make a key",
    body: h("div", { class: "stack" }, named, field({ label: "Role", control: role }), ofTenant, forAgents, withSql, field({ label: "Lives", control: lives })),
    actions: [{ label: "Cancel" }, { label: "Make the key", kind: "primary", onClick: async () => {
      named.setError(name.value.trim() ? "" : "Give it a name");
      ofTenant.setError(role.value === "ingest" && !tenant.value.trim() ? "A key that writes events belongs to one tenant" : "");
      if (!name.value.trim() || (role.value === "ingest" && !tenant.value.trim())) return false;
      const made = await post("/api/keys", order(), { headers: { "idempotency-key": once } });
      changed();
      showKey(made);
    } }],
  });
}

/** @param {any} key @param {() => void} changed */
export function askRotate(key, changed) {
  const keep = select({ options: KEEPS });
  dialog({
    title: `Rotate ${key.name}?`,
    body: h("div", { class: "stack" }, h("p", {}, "A successor is made that may do the same. Both open the doors until the old one's time is over; give the new one to whoever uses it before then."), field({ label: "The old one goes on for", control: keep })),
    actions: [{ label: "Cancel" }, { label: "Rotate", kind: "primary", onClick: async () => {
      const made = await post(`/api/keys/${key.lookup}/rotate`, { keep: keep.value });
      changed();
      showKey(made);
    } }],
  });
}

/** @param {any} key @param {() => void} changed */
export async function askRevoke(key, changed) {
  const own = key.own ? h("p", {}, badge("This is the key that you are signed in with", "bad"), " You will be signed out at once.") : null;
  const body = h("div", { class: "stack" }, h("p", {}, "Gateways and APIs refuse it within a second. It cannot be taken back; whoever uses it needs another key."), own);
  if (!(await confirm({ title: `Revoke ${key.name}?`, body, action: "Revoke", danger: true }))) return;
  try {
    await post(`/api/keys/${key.lookup}/revoke`, {});
    toast("The key is revoked.", "ok");
  } catch (error) {
    toast(error instanceof ApiError ? error.message : "The key could not be revoked.", "bad");
  }
  changed();
}

/** The text of a key, which nobody can be shown again. @param {any} made */
function showKey(made) {
  dialog({
    title: "The key",
    body: h("div", { class: "stack" },
      h("p", {}, "Copy it now. It is shown this once and kept nowhere: who loses it needs another one."),
      code(made.key, { label: "The key" }),
      h("p", { class: "quiet small" }, "Programs send it in the header X-API-Key; agents take it as FLEETPULSE_API_KEY.")),
    wide: true,
    actions: [{ label: "I have copied it", kind: "primary" }],
  });
}
