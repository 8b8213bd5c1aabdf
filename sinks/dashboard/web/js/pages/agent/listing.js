// @ts-check
/** A table that grows by pages: the newest rows first, older ones when asked for. */
import { h, replace } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { button, section, table } from "../../core/parts.js";

/**
 * @param {import("./asked.js").Asked} asked
 * @param {{route: string, params: () => Record<string, any>, table: Record<string, any>, what: string, page?: number, load?: (params: Record<string, any>, signal: AbortSignal) => Promise<any>}} options
 * `table`: of `parts.table`, without rows. `load`: where it is no route of the agent.
 * @returns {HTMLElement & {reload: () => Promise<void>}}
 */
export function listing(asked, { route, params, table: shown, what, page = 50, load }) {
  const ask = load ?? ((/** @type {Record<string, any>} */ given, /** @type {AbortSignal} */ signal) => asked.of(route, given, signal));
  return section(asked.ctx, (signal) => ask({ ...params(), limit: page }, signal), (first) => {
    let rows = first.items;
    let next = first.next;
    const grid = table(/** @type {any} */ ({ ...shown, rows }));
    const foot = h("div", { class: "listing-foot" });
    const draw = () => replace(foot,
      h("span", { class: "muted", role: "status" }, rows.length ? `${number(rows.length)} ${what}${next ? ", there are older ones" : ", all of the range"}` : ""),
      next ? button("Show older", { small: true, onClick: more }) : null);
    async function more() {
      const found = await ask({ ...params(), limit: page, cursor: next }, asked.ctx.signal);
      rows = [...rows, ...found.items];
      next = found.next;
      grid.update(rows);
      draw();
    }
    draw();
    return [grid.element, foot];
  });
}
