// Every call to the gateway: with the session's cookies, or with a demo token; a lapsed session is renewed once.

const { gateway } = window.CONFIG;
const TOKEN = "demo-token";
const listeners = [];
let refreshing = null;

export class Refused extends Error {
  constructor(status, body, retryAfter) {
    const wait = status === 429 && retryAfter ? ` Try again in ${retryAfter} s.` : "";
    super(`${body.message ?? "The gateway answered " + status}.${wait}`.replace("..", "."));
    this.status = status;
  }

  static of = async (answer) =>
    new Refused(answer.status, await answer.json().catch(() => ({})), answer.headers.get("Retry-After"));
}

/** The session is over, here or everywhere: only a new sign-in helps. */
export class SessionOver extends Error {
  constructor() {
    super("Your session has ended. Please sign in again.");
  }
}

export const demoToken = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (token) => sessionStorage.setItem(TOKEN, token),
  drop: () => sessionStorage.removeItem(TOKEN),
};

/** Calls `listener({method, path, status, ms})` after each call; status 0 is no answer at all. */
export const onCall = (listener) => listeners.push(listener);

/** The answer, or `Refused`, or `SessionOver`. A 401 is followed by one refresh and one more try. */
export async function call(method, path, { json, body, type } = {}) {
  const sent = { method, body: json === undefined ? body : JSON.stringify(json), headers: {} };
  if (json !== undefined) sent.headers["Content-Type"] = "application/json";
  if (type) sent.headers["Content-Type"] = type;
  let answer = await send(path, sent);
  if (answer.status === 401 && mayRefresh(path)) {
    if (!(await refresh())) throw new SessionOver();
    answer = await send(path, sent);
  }
  if (answer.ok) return answer;
  throw await Refused.of(answer);
}

export const read = async (path) => (await call("GET", path)).json();

/** Renews the session; all who ask meanwhile share one call. False when it is over, `Refused` when nobody can say. */
export function refresh() {
  refreshing ??= send("/auth/refresh", { method: "POST" })
    .then(async (answer) => {
      if (!answer.ok && answer.status !== 401) throw await Refused.of(answer);
      return answer.ok;
    })
    .finally(() => (refreshing = null));
  return refreshing;
}

const mayRefresh = (path) => !demoToken.get() && (path === "/auth/session" || !path.startsWith("/auth/"));

async function send(path, sent) {
  const token = demoToken.get();
  const headers = token ? { ...sent.headers, Authorization: `Bearer ${token}` } : sent.headers;
  const started = performance.now();
  const tell = (status) => {
    const told = { method: sent.method, path, status, ms: Math.round(performance.now() - started) };
    listeners.forEach((listener) => listener(told));
  };
  try {
    const answer = await fetch(gateway + path, { ...sent, headers, credentials: token ? "omit" : "include" });
    tell(answer.status);
    return answer;
  } catch {
    tell(0);
    throw new Error("The gateway cannot be reached. Is it running?");
  }
}
