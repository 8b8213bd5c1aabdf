// @ts-check
/** Our own pipeline: whether it keeps up, how its parts are, what could not be accepted. */
import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { empty, page, tabs } from "../core/parts.js";
import { may, me } from "../core/store.js";
import { figures } from "./pipeline/figures.js";
import { flowTab } from "./pipeline/flow.js";
import { lettersTab } from "./pipeline/letters.js";
import { partsTab } from "./pipeline/parts.js";

const REFRESH_MS = 3_000;

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const lead = "Lag, rates and errors of fleetpulse itself.";
  if (!may("operator") || me?.tenant !== null) {
    return page({ title: "Pipeline", lead, children: empty({ title: "For operators of the whole fleet", hint: "The pipeline carries every tenant's events, so a key of one tenant does not see it." }) });
  }
  const feed = feedOf(ctx);
  const views = [
    { id: "flow", label: "Flow", make: () => flowTab(ctx, feed) },
    { id: "parts", label: "Parts", make: () => partsTab(ctx, feed) },
    { id: "letters", label: "Dead letters", make: () => lettersTab(ctx, feed) },
  ];
  return page({ title: "Pipeline", lead, children: [figures(ctx, feed), h("div", {}, tabs(views, { ctx, label: "Views of the pipeline" }))] });
}

/**
 * One question every few seconds, for all pieces of the page.
 * @param {import("../core/router.js").Context} ctx
 */
function feedOf(ctx) {
  /** @type {Promise<any> | null} */
  let newest = null;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  ctx.every(REFRESH_MS, () => {
    newest = null;
    listeners.forEach((tell) => tell());
  });
  return {
    read: () => (newest ??= get("/api/pipeline", { signal: ctx.signal }).catch((error) => {
      newest = null;
      throw error;
    })),
    /** @param {() => void} tell */
    onNews: (tell) => void listeners.add(tell),
  };
}

/** @typedef {ReturnType<typeof feedOf>} Feed */
