// @ts-check
/** An ECharts picture in an element: made when the element has a size, thrown away when it leaves the page. */
import { h, replace } from "../dom.js";

/** How far from sight a chart is made: a page of twenty is not drawn for who looks at the first two. */
const NEAR = "600px";
/** @type {Promise<any> | null} */
let loading = null;

/** ECharts out of the installed wheel, once. @returns {Promise<any>} */
export function loadEcharts() {
  // The address is put together so that the type checker does not look for a file that only the server has.
  const address = new URL("../../../vendor/echart/index.js", import.meta.url).href;
  loading ??= import(address).then((module) => module.echarts);
  loading.catch(() => (loading = null));
  return loading;
}

/**
 * @param {HTMLElement} canvas
 * @param {(colours: (name: string) => string) => object} optionOf
 * @param {() => ((range: {from: number, to: number}) => void) | null} onBrush
 * @returns {{draw: (instead: string | null) => void}} `instead`: words in place of a picture
 */
export function surface(canvas, optionOf, onBrush) {
  /** @type {any} */
  let chart = null;
  /** @type {string | null} */
  let words = null;
  let making = false;
  let near = false;

  const busy = (/** @type {boolean} */ on) => (on ? canvas.setAttribute("aria-busy", "true") : canvas.removeAttribute("aria-busy"));
  const recolour = () => chart && paint();
  const drop = () => {
    window.removeEventListener("fleetpulse:theme", recolour);
    chart?.dispose();
    chart = null;
  };
  const paint = () => {
    if (words !== null) {
      drop();
      replace(canvas, h("div", { class: "chart-empty" }, words));
    } else if (chart) {
      chart.setOption(optionOf(coloursOf(canvas)), { notMerge: true });
      armBrush(chart, onBrush());
    } else if (canvas.isConnected && canvas.clientWidth > 0 && near && !making) {
      making = true;
      busy(true);
      void make().finally(() => {
        making = false;
        busy(false);
      });
    }
  };
  async function make() {
    try {
      const echarts = await loadEcharts();
      if (words !== null || !canvas.isConnected) return;
      replace(canvas);
      chart = echarts.init(canvas, null, { renderer: "canvas" });
      window.addEventListener("fleetpulse:theme", recolour);
      chart.on("brushEnd", (/** @type {any} */ event) => brushed(chart, event, onBrush()));
      paint();
    } catch (error) {
      console.error(error);
      replace(canvas, h("div", { class: "chart-empty" }, "Charts could not be loaded; the numbers are in the table."));
    }
  }
  const sight = new IntersectionObserver((entries) => {
    near ||= entries.some((entry) => entry.isIntersecting);
    if (near && !chart) paint();
    if (near) sight.disconnect();
    else if (canvas.isConnected) busy(false);
  }, { rootMargin: NEAR });
  const sizes = new ResizeObserver(() => {
    if (!canvas.isConnected) drop();
    else if (chart) canvas.clientWidth > 0 && chart.resize();
    else if (near) paint();
    else {
      sight.unobserve(canvas); // it came to the page just now: asked anew, the observer tells where it is
      sight.observe(canvas);
    }
  });
  sizes.observe(canvas);
  return {
    draw(instead) {
      words = instead;
      busy(words === null && !chart && (making || !near)); // until it is made, or known to be far from sight
      paint();
    },
  };
}

/** @param {Element} element */
function coloursOf(element) {
  const style = getComputedStyle(element);
  return (/** @type {string} */ name) => style.getPropertyValue(name).trim();
}

/** Not where a finger scrolls the page: a chart there would hold it. @param {any} chart @param {unknown} wanted */
function armBrush(chart, wanted) {
  if (wanted && matchMedia("(pointer: fine)").matches) chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: { brushType: "lineX", brushMode: "single" } });
}

/** @param {any} chart @param {any} event @param {((range: {from: number, to: number}) => void) | null} tell */
function brushed(chart, event, tell) {
  const span = event.areas?.[0]?.coordRange;
  chart.dispatchAction({ type: "brush", areas: [] });
  if (span && tell) tell({ from: Math.round(span[0]), to: Math.round(span[1]) });
}
