// @ts-check
/** The third view with what surrounds it: its keys, what it says of the tile in question, and the way back where the browser cannot. */
import { h, replace } from "../../core/dom.js";
import { button, empty, failed, skeleton } from "../../core/parts.js";
import { makeScene, NoWebGl } from "./scene.js";
import { tileText } from "./words.js";

/** @typedef {import("./words.js").Topology} Topology */
/** @typedef {import("./words.js").Tile} Tile */

const HELP = "The less an agent is trusted the taller it stands; who is not online is a pyramid. Drag or the arrow keys turn the view, plus and minus zoom, Home shows all, N and P step through agents from the least trusted, Enter opens one.";

/**
 * @param {import("../../core/router.js").Context} ctx
 * @param {{hrefOf: (tile: Tile) => string, onFlat: () => void}} options
 */
export function view3d(ctx, { hrefOf, onFlat }) {
  const said = h("p", { class: "scene-said", role: "status" }, HELP);
  const named = h("p", { class: "scene-named", hidden: true });
  const hint = h("div", { class: "scene-hint", hidden: true, "aria-hidden": "true" });
  const stage = h("div", { class: "scene-stage", tabindex: "0", role: "application", "aria-label": "The fleet in three dimensions. The same facts stand in the table beside it.", "aria-busy": "true" }, skeleton(6));
  const element = h("div", { class: "scene" }, h("div", { class: "scene-box" }, stage, hint, named), said);
  /** @type {Awaited<ReturnType<typeof makeScene>> | null} */
  let scene = null;
  /** @type {Topology | null} */
  let shown = null;
  let at = -1;
  let gone = false;

  const told = {
    onPoint(/** @type {Tile | null} */ tile, /** @type {{x: number, y: number}} */ place) {
      hint.hidden = !tile;
      stage.classList.toggle("scene-over", Boolean(tile));
      if (!tile || !shown) return;
      hint.textContent = tileText(shown, tile);
      hint.style.setProperty("--x", `${place.x}px`);
      hint.style.setProperty("--y", `${place.y}px`);
    },
    onPick: (/** @type {Tile} */ tile) => ctx.go(hrefOf(tile)),
    onNamed(/** @type {number} */ count, /** @type {number} */ all) {
      named.hidden = count === all;
      named.textContent = `Names of ${count} of ${all} groups have room. Point at a group to read its name, or zoom in.`;
    },
  };

  /** @param {number} by */
  function step(by) {
    const all = scene?.ordered() ?? [];
    if (!all.length || !shown) return;
    at = (at + by + all.length) % all.length;
    scene?.visit(all[at]);
    said.textContent = `${at + 1} of ${all.length}: ${tileText(shown, all[at])}`;
  }

  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => scene?.turn(-1, 0), ArrowRight: () => scene?.turn(1, 0), ArrowUp: () => scene?.turn(0, -1), ArrowDown: () => scene?.turn(0, 1),
    "+": () => scene?.turn(0, 0, 0.85), "=": () => scene?.turn(0, 0, 0.85), "-": () => scene?.turn(0, 0, 1.18), Home: () => scene?.frame(),
    n: () => step(1), p: () => step(-1),
    Enter: () => {
      const tile = scene?.ordered()[at];
      if (tile) ctx.go(hrefOf(tile));
    },
  };
  stage.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  async function begin() {
    try {
      const box = h("div", { class: "scene-canvas" });
      const made = await makeScene(box, told);
      if (gone) return made.stop();
      scene = made;
      replace(stage, box);
      if (shown) scene.show(shown);
    } catch (error) {
      if (gone) return;
      // There is nothing to turn: neither keys nor what they do.
      said.hidden = true;
      for (const name of ["tabindex", "role", "aria-label"]) stage.removeAttribute(name);
      stage.parentElement?.classList.add("scene-none");
      replace(stage, !(error instanceof NoWebGl) ? failed(error) : empty({ title: "This browser draws nothing in three dimensions", hint: "It has no WebGL, or it is switched off. The flat view shows the same.", action: button("Show the flat view", { onClick: onFlat }) }));
    } finally {
      stage.setAttribute("aria-busy", "false");
    }
  }

  const theme = new MutationObserver(() => shown && scene?.show(shown));
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  void begin();
  return {
    element,
    /** @param {Topology} topology */
    update(topology) {
      shown = topology;
      scene?.show(topology);
    },
    stop() {
      gone = true;
      theme.disconnect();
      scene?.stop();
    },
  };
}
