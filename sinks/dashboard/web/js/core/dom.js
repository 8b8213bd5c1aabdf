// @ts-check
/** Elements out of facts: text becomes text nodes, attributes are named, nothing is ever parsed as HTML. */

/** @typedef {string | number | boolean | null | undefined | Node | Array<any>} Child */
/** @typedef {{on?: Record<string, (event: any) => any>, css?: Record<string, string | number | null>} & Record<string, any>} Props */

const SVG = "http://www.w3.org/2000/svg";
const FORBIDDEN_TAGS = new Set(["script", "style", "iframe", "object", "embed", "link", "base", "meta", "template", "frame"]);
const FORBIDDEN_PROPS = /^(on.+|style|srcdoc|formaction|innerhtml|outerhtml|xlink:href|ping)$/i;
/** Set as properties: the attribute is only their first value. */
const LIVE = new Set(["value", "checked", "disabled", "hidden", "selected", "open", "multiple", "readOnly", "required", "indeterminate"]);

/**
 * An HTML element. `props`: attributes by name, `class`, `on: {event: handler}`, `css: {"--x": "3"}` (set through the
 * style object, which the content security policy allows). Children: text, nodes, arrays; null and false are skipped.
 * @param {string} tag
 * @param {Props | Child} [props]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  if (FORBIDDEN_TAGS.has(tag.toLowerCase())) throw new TypeError(`<${tag}> is not made here`);
  return /** @type {HTMLElement} */ (build(document.createElement(tag), props, children));
}

/**
 * An SVG element, as `h`.
 * @param {string} tag
 * @param {Props | Child} [props]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, props, ...children) {
  if (FORBIDDEN_TAGS.has(tag.toLowerCase()) || tag === "foreignObject" || tag === "use") throw new TypeError(`<${tag}> is not made here`);
  return /** @type {SVGElement} */ (build(document.createElementNS(SVG, tag), props, children));
}

/**
 * @param {Element} element
 * @param {Props | Child} props
 * @param {Child[]} children
 */
function build(element, props, children) {
  if (isProps(props)) {
    for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  } else {
    children.unshift(props);
  }
  append(element, children);
  return element;
}

/** @param {any} given @returns {given is Props} */
function isProps(given) {
  return typeof given === "object" && given !== null && !(given instanceof Node) && !Array.isArray(given);
}

/**
 * Set one prop of an element by the rules of `h`.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function setProp(element, name, value) {
  if (name === "on") return listen(element, value);
  if (name === "css") return paint(element, value);
  if (FORBIDDEN_PROPS.test(name)) throw new TypeError(`the attribute ${name} is not set here`);
  if (LIVE.has(name) && name in element) {
    /** @type {any} */ (element)[name] = value ?? (name === "value" ? "" : false);
    return;
  }
  if (value === null || value === undefined || (value === false && !/^(aria|data)-/.test(name))) {
    element.removeAttribute(name);
    return;
  }
  if (name === "href") value = ownAddress(String(value));
  if (name === "src") value = ownImage(String(value));
  element.setAttribute(name === "className" ? "class" : name, value === true && !/^(aria|data)-/.test(name) ? "" : String(value));
}

/** @param {Element} element @param {Record<string, (event: any) => any>} handlers */
function listen(element, handlers) {
  for (const [event, handler] of Object.entries(handlers)) {
    if (handler) element.addEventListener(event, handler);
  }
}

/** @param {Element} element @param {Record<string, string | number | null>} css */
function paint(element, css) {
  const style = /** @type {HTMLElement} */ (element).style;
  for (const [name, value] of Object.entries(css)) {
    if (value === null) style.removeProperty(name);
    else style.setProperty(name, String(value));
  }
}

/**
 * An address of this very server, else it throws: links never leave, and are never scripts.
 * @param {string} address
 */
function ownAddress(address) {
  const fit = /^[/#?]/.test(address) && new URL(address, location.origin).origin === location.origin;
  if (!fit) throw new TypeError("links lead to pages of this server");
  return address;
}

/** @param {string} address */
function ownImage(address) {
  if (/^(blob:|data:image\/(png|jpeg|webp);)/.test(address)) return address;
  return ownAddress(address);
}

/** @param {Element} parent @param {Child} child */
function append(parent, child) {
  if (child === null || child === undefined || child === false || child === true) return;
  if (Array.isArray(child)) for (const each of child) append(parent, each);
  else parent.append(child instanceof Node ? child : String(child));
}

/**
 * Put these children in place of all that were there.
 * @template {Element} E
 * @param {E} node
 * @param {...Child} children
 * @returns {E}
 */
export function replace(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** @param {Element} node */
export function clear(node) {
  node.replaceChildren();
}

/** @type {WeakMap<Element, Map<any, Element>>} */
const known = new WeakMap();

/**
 * Make the children of `parent` those of `items`, keeping elements (and focus within them) whose key stays.
 * @template T
 * @param {Element} parent
 * @param {Iterable<T>} items
 * @param {(item: T) => any} keyOf
 * @param {(item: T) => Element} make
 * @param {(element: any, item: T) => void} [update] told of each item whose element was there already
 */
export function reconcile(parent, items, keyOf, make, update) {
  const before = known.get(parent) ?? new Map();
  /** @type {Map<any, Element>} */
  const after = new Map();
  for (const item of items) {
    const key = keyOf(item);
    let element = before.get(key);
    if (element) update?.(element, item);
    else element = make(item);
    after.set(key, element);
  }
  for (const [key, element] of before) if (!after.has(key)) element.remove();
  let at = parent.firstElementChild;
  for (const element of after.values()) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
  known.set(parent, after);
}

let lastId = 0;

/** A new id for `for`, `aria-labelledby` and the like. @param {string} [stem] */
export function newId(stem = "i") {
  lastId += 1;
  return `${stem}-${lastId}`;
}
