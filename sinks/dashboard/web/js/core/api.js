// @ts-check
/** The JSON routes, asked as the person who is signed in; what goes wrong is an `ApiError` with words for people. */

/** What the server, or the way to it, refused. `type` is its short name for programs ("network" where nothing came). */
export class ApiError extends Error {
  /** @param {{status: number, type?: string, title?: string, detail?: string, requestId?: string, retryAfter_s?: number | null, errors?: any[]}} told */
  constructor(told) {
    super(told.detail || told.title || `the server answered ${told.status}`);
    this.name = "ApiError";
    this.status = told.status;
    this.type = told.type ?? "about:blank";
    this.title = told.title ?? "";
    this.detail = told.detail ?? "";
    this.requestId = told.requestId ?? "";
    this.retryAfter_s = told.retryAfter_s ?? null;
    this.errors = told.errors ?? [];
  }
}

/** @typedef {{params?: Record<string, any>, signal?: AbortSignal, headers?: Record<string, string>, contentType?: string, exact?: boolean}} Options `exact`: whole numbers beyond 2^53, which a number here cannot hold, come as text */

/** @type {() => void} */
let unauthorised = () => {};

/** @type {() => void} */
let answered = () => {};

/** What happens when something that was asked for has come. @param {() => void} then */
export function onAnswered(then) {
  answered = then;
}

/** What happens when a session has ended. @param {() => void} then */
export function onUnauthorised(then) {
  unauthorised = then;
}

/**
 * @param {string} path of this server, e.g. "/api/fleet"
 * @param {Record<string, any>} [params] null, undefined and "" are left out; arrays are repeated
 */
export function address(path, params = {}) {
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin) throw new TypeError("only this server is asked");
  for (const [name, value] of Object.entries(params)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") url.searchParams.append(name, String(each));
    }
  }
  return url.pathname + url.search;
}

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
export const get = (path, options) => send("GET", path, undefined, options);
/** @param {string} path @param {any} [body] @param {Options} [options] @returns {Promise<any>} */
export const post = (path, body, options) => send("POST", path, body, options);
/** @param {string} path @param {any} [body] @param {Options} [options] @returns {Promise<any>} */
export const put = (path, body, options) => send("PUT", path, body, options);
/** @param {string} path @param {any} [body] @param {Options} [options] @returns {Promise<any>} */
export const del = (path, body, options) => send("DELETE", path, body, options);

/**
 * Any method; the parsed JSON of the answer, its text where it is not JSON, null where it is empty.
 * @param {string} method
 * @param {string} path
 * @param {any} body an object goes as JSON, text and bytes as they are with `contentType`
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function send(method, path, body, options = {}) {
  const answer = await ask(method, path, body, options);
  if (answer.status === 204) return null;
  const text = await answer.text();
  if (!text) return null;
  return /\bjson\b/.test(answer.headers.get("content-type") ?? "") ? (options.exact ? exactly(text) : JSON.parse(text)) : text;
}

/** Whole numbers that would be rounded as text. @param {string} text of JSON */
function exactly(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  // A browser that does not tell how a number was written rounds it, as before.
  const kept = (/** @type {string} */ _, /** @type {any} */ value, /** @type {{source?: string} | undefined} */ written) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(written?.source ?? "") ? written?.source : value;
  return JSON.parse(text, /** @type {any} */ (kept));
}

/**
 * The answer itself, for streams and files; throws `ApiError` unless it is a success.
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @param {Options} [options]
 */
export async function ask(method, path, body, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", ...options.headers };
  const plain = typeof body === "string" || body instanceof Blob || body instanceof ArrayBuffer;
  if (body !== undefined) headers["content-type"] = options.contentType ?? (plain ? "application/octet-stream" : "application/json");
  const init = {
    method,
    headers,
    body: body === undefined || plain ? body : JSON.stringify(body),
    signal: options.signal,
    credentials: /** @type {RequestCredentials} */ ("same-origin"),
  };
  let answer;
  try {
    answer = await fetch(address(path, options.params), init);
  } catch (error) {
    if (/** @type {any} */ (error)?.name === "AbortError") throw error;
    throw new ApiError({ status: 0, type: "network", detail: "The server cannot be reached. It may be restarting, or the network is down." });
  }
  if (!answer.ok) throw await problem(answer);
  if (method === "GET") answered();
  return answer;
}

/** @param {Response} answer */
async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) unauthorised();
  const wait = Number(answer.headers.get("retry-after"));
  return new ApiError({
    status: answer.status,
    type: told.type,
    title: told.title,
    detail: told.detail,
    errors: told.errors,
    requestId: told.request_id ?? answer.headers.get("x-request-id") ?? "",
    retryAfter_s: wait > 0 ? wait : null,
  });
}

/**
 * Fetch a file and hand it to the browser's downloads, by the name that the server gives it.
 * @param {string} path
 * @param {any} [body] given: POST
 * @param {Options & {name?: string, accept?: string}} [options]
 */
export async function download(path, body, options = {}) {
  const headers = { accept: options.accept ?? "*/*", ...options.headers };
  const answer = await ask(body === undefined ? "GET" : "POST", path, body, { ...options, headers });
  const said = /filename="?([^";]+)"?/.exec(answer.headers.get("content-disposition") ?? "");
  save(await answer.blob(), options.name ?? said?.[1] ?? path.split("/").pop() ?? "download");
  return answer.headers;
}

/** Hand bytes to the browser's downloads. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
