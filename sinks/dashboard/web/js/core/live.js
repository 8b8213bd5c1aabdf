// @ts-check
/** Changes as they come: one stream of server-sent events for the tab, open only while somebody on the page listens. */

/** @typedef {"status" | "trust" | "alert" | "fleet" | "lagged" | "frame" | "connection"} Kind */
/** @typedef {{state: "idle" | "connecting" | "live" | "reconnecting", since_ms: number}} Connection */

/** @type {Record<string, string>} */
const TOPIC_OF = { status: "status", trust: "trust", alert: "alerts", fleet: "fleet" };
const HIDDEN_MOST_MS = 60_000;
const LINGER_MS = 3_000;
const LONGEST_WAIT_MS = 30_000;
/** The server says something every 5 s at least: a silence as long is a connection that nobody has closed. */
const SILENCE_MS = 14_000;
const LOOK_MS = 2_000;

/** @type {Map<string, Set<(data: any) => void>>} */
const listeners = new Map();
/** @type {EventSource | null} */
let source = null;
let open = "";
let failures = 0;
let heardAt_ms = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let linger;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let hidden;
let asleep = false;
/** @type {() => void} */
let refused = () => {};

/** The stream, and how it is. */
export const live = {
  /** @type {Connection} */
  connection: { state: "idle", since_ms: Date.now() },

  /**
   * Hear of one kind of change. "connection" tells the state; "lagged" and a "connection" that is live again mean:
   * fetch anew, something was missed.
   * @param {Kind} kind
   * @param {(data: any) => void} fn
   * @returns {() => void} ends it
   */
  on(kind, fn) {
    const heard = listeners.get(kind) ?? new Set();
    listeners.set(kind, heard.add(fn));
    settle();
    return () => {
      heard.delete(fn);
      settle();
    };
  },
};

/** Called where the server takes the stream away for good; asks who one is. @param {() => void} then */
export function onRefused(then) {
  refused = then;
}

function wanted() {
  const topics = Object.keys(TOPIC_OF).filter((kind) => listeners.get(kind)?.size);
  return topics.map((kind) => TOPIC_OF[kind]).join(",");
}

/** Open, widen or close the stream so that it fits who listens. */
function settle() {
  const topics = wanted();
  clearTimeout(linger);
  if (asleep || topics === open) return;
  const covered = topics.split(",").every((topic) => !topic || open.split(",").includes(topic));
  if (open && covered) linger = setTimeout(() => restart(wanted()), LINGER_MS);
  else queueMicrotask(() => !asleep && wanted() !== open && restart(wanted()));
}

/** @param {string} topics */
function restart(topics) {
  clearTimeout(retry);
  source?.close();
  source = null;
  open = topics;
  if (!topics) return tell("idle");
  tell(failures ? "reconnecting" : "connecting");
  const stream = new EventSource(`/api/live?topics=${topics}&snapshot=false`);
  source = stream;
  heardAt_ms = Date.now();
  stream.addEventListener("open", () => {
    failures = 0;
    heardAt_ms = Date.now();
    tell("live");
  });
  stream.addEventListener("error", () => stream === source && lost(stream));
  for (const kind of ["status", "trust", "alert", "fleet", "lagged", "frame", "hello", "alive"]) {
    stream.addEventListener(kind, (event) => hand(kind, /** @type {MessageEvent} */ (event)));
  }
}

/** @param {EventSource} stream */
function lost(stream) {
  tell("reconnecting");
  if (stream.readyState !== EventSource.CLOSED) return;
  failures += 1;
  refused();
  retry = setTimeout(() => restart(wanted()), Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** Math.min(failures, 5)));
}

/** @param {string} kind @param {MessageEvent} event */
function hand(kind, event) {
  heardAt_ms = Date.now();
  const heard = listeners.get(kind);
  if (!heard?.size) return;
  const data = JSON.parse(event.data);
  for (const fn of [...heard]) fn(data);
}

/** @param {Connection["state"]} state */
function tell(state) {
  if (live.connection.state === state) return;
  live.connection = { state, since_ms: Date.now() };
  for (const fn of [...(listeners.get("connection") ?? [])]) fn(live.connection);
}

setInterval(() => {
  if (!source || Date.now() - heardAt_ms < SILENCE_MS) return;
  failures += 1;
  restart(wanted());
}, LOOK_MS);

document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => {
      asleep = true;
      restart("");
    }, HIDDEN_MOST_MS);
  } else if (asleep) {
    asleep = false;
    settle();
  }
});
