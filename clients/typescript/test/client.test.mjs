// What the client makes of answers that are hard to have from a gateway that is well.

import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { createClient, GatewayError, NetworkError, ServiceError } from "../dist/index.js";
import { error, serverOf, until } from "./server.mjs";

const NOW = { "Retry-After": "0" };
const ok = { json: { id: "1" } };
let server, client;

async function talkTo(answers, options = {}) {
  server = await serverOf(...answers);
  client = createClient({ baseUrl: server.url, tokens: { accessToken: "a", refreshToken: "r" }, ...options });
  return client;
}

/** Answers by path: a function of the request, or what is sent. */
const byPath = (answers) => [
  (response) => {
    const request = server.requests.at(-1);
    const held = answers[request.url];
    const answer = typeof held === "function" ? held(request) : held;
    if (!answer) return; // it hangs
    response.writeHead(answer.status ?? 200, { "Content-Type": "application/json" }).end(JSON.stringify(answer.json));
  },
];
const session = (expiresIn) => ({ json: { authenticated: true, user: { id: "1", email: null, roles: [] }, expiresIn } });
const renewed = (expiresIn) => ({ json: { accessToken: "b", refreshToken: "s", expiresIn } });
const refreshes = () => server.requests.filter(({ url }) => url === "/auth/refresh").length;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

afterEach(async () => {
  mock.restoreAll();
  client?.close();
  await server?.close();
});

const RETRIED = [
  ["GET", error(502, "service_unreachable"), true],
  ["GET", error(504, "service_timeout"), true],
  ["PUT", error(503, "breaker_open", NOW), true],
  ["DELETE", error(502, "service_protocol_error"), true],
  ["POST", error(502, "service_unreachable"), false],
  ["POST", error(504, "service_timeout"), false],
  ["PATCH", error(502, "service_unreachable"), false],
  // It never reached the service.
  ["POST", error(503, "breaker_open", NOW), true],
  ["POST", error(503, "overloaded", NOW), true],
  ["POST", error(503, "unavailable", NOW), true],
  ["POST", error(429, "rate_limited", NOW), true],
  ["POST", error(429, "rate_limited"), false],
  ["GET", error(429, "rate_limited", { "Retry-After": "900" }), false],
  // A service's own.
  ["GET", { status: 503, headers: NOW, json: { message: "resting" } }, true],
  ["POST", { status: 503, headers: NOW, json: { message: "resting" } }, false],
  ["GET", { status: 500, json: {} }, false],
  ["GET", error(404, "not_found"), false],
  ["GET", error(403, "foreign_origin"), false],
  ["GET", error(401, "token_missing"), false],
];

for (const [method, answer, again] of RETRIED) {
  const name = `${method} after ${answer.status} ${answer.json.code ?? "of the service"}`;
  test(`${name}: ${again ? "tried again" : "given to the caller"}`, async () => {
    await talkTo([answer, ok]);
    const got = await client.fetch("/users/me", { method, body: method === "GET" ? undefined : "{}" });
    assert.equal(got.status, again ? 200 : answer.status);
    assert.equal(server.requests.length, again ? 2 : 1);
    assert.equal(server.requests.at(-1).body, method === "GET" ? "" : "{}");
  });
}

test("an Idempotency-Key makes a POST safe", async () => {
  await talkTo([error(504, "service_timeout"), ok]);
  await client.post("/interviews", { json: { title: "a" }, headers: { "Idempotency-Key": "1" } });
  assert.equal(server.requests.length, 2);
});

test("tries end", async () => {
  await talkTo([error(503, "overloaded", NOW)], { retry: { retries: 1 } });
  await assert.rejects(client.get("/users/me"), { code: "overloaded", retryAfter: 0, status: 503 });
  assert.equal(server.requests.length, 2);
});

test("Retry-After is waited for", async () => {
  await talkTo([error(429, "rate_limited", { "Retry-After": "1" }), ok]);
  const began = performance.now();
  await client.get("/users/me");
  assert.ok(performance.now() - began >= 990);
});

test("a wait can be aborted", async () => {
  await talkTo([error(429, "rate_limited", { "Retry-After": "15" }), ok]);
  const stop = new AbortController();
  const call = client.get("/users/me", { signal: stop.signal });
  await until(() => server.requests.length === 1, "the first try");
  stop.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
});

test("a connection that breaks is a NetworkError, after tries where they are safe", async () => {
  await talkTo([(response) => response.destroy()], { retry: { retries: 1 } });
  await assert.rejects(client.get("/users/me"), NetworkError);
  assert.equal(server.requests.length, 2);
  await assert.rejects(client.post("/interviews", { json: { title: "a" } }), NetworkError);
  assert.equal(server.requests.length, 3);
});

test("errors are told apart", async () => {
  await talkTo([error(404, "not_found"), { status: 404, json: { statusCode: 404, message: "no such interview" } }]);
  await assert.rejects(client.get("/users/me"), (it) => {
    assert.ok(it instanceof GatewayError && !it.signInNeeded);
    return it.code === "not_found" && it.traceId.length === 32 && it.message === "It is not_found.";
  });
  await assert.rejects(client.get("/interviews/{id}", { path: { id: "1" } }), (it) => {
    assert.ok(it instanceof ServiceError);
    return it.message === "no such interview" && it.body.statusCode === 404;
  });
});

test("parameters are escaped, lists repeated, undefined left out", async () => {
  await talkTo([ok]);
  await client.get("/interviews/{id}", { path: { id: "a/b ?" } });
  await client.get("/interviews", { query: { limit: 5, status: undefined } });
  assert.deepEqual(server.requests.map(({ url }) => url), ["/interviews/a%2Fb%20%3F", "/interviews?limit=5"]);
});

test("a parameter of dots leads to no other path", async () => {
  await talkTo([ok]);
  const path = "/interviews/{id}/{part}/{item}";
  for (const id of [".", ".."]) {
    await assert.rejects(client.post(path, { path: { id, part: "auth", item: "logout" } }), TypeError);
  }
  await client.get("/interviews/{id}", { path: { id: "..." } });
  assert.deepEqual(server.requests.map(({ url }) => url), ["/interviews/..."]);
});

test("the token goes to nobody else", async () => {
  await talkTo([ok]);
  const other = await serverOf(ok);
  await assert.rejects(client.fetch(`${other.url}/users/me`), /is not below/);
  await assert.rejects(client.fetch(server.url.replace("://", "://x@")), /is not below|credentials/);
  await assert.rejects(client.upload(`${other.url}/media/a`, new Blob(["a"])), /is not below/);
  assert.equal(other.requests.length, 0);
  await other.close();
});

// Renewals

test("a lapsed token is renewed once for all, and the new one is kept", async () => {
  const kept = [];
  let lapsed = true;
  await talkTo(
    [
      (response) => {
        const { url, headers, body } = server.requests.at(-1);
        const say = (status, json) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
        if (url === "/auth/refresh") {
          lapsed = false;
          assert.equal(body, '{"refreshToken":"r"}');
          return setTimeout(() => say(200, { accessToken: "b", refreshToken: "s", expiresIn: 300 }), 50);
        }
        if (headers.authorization === "Bearer b") return say(200, { id: "1" });
        return say(401, error(401, "token_expired").json);
      },
    ],
    { onTokens: (tokens) => kept.push(tokens) },
  );
  await Promise.all(Array.from({ length: 5 }, () => client.get("/users/me")));
  assert.equal(lapsed, false);
  assert.deepEqual(kept, [{ accessToken: "b", refreshToken: "s" }]);
  assert.equal(server.requests.filter(({ url }) => url === "/auth/refresh").length, 1);
});

test("a 401 of a request that is older than the last refresh is only sent again", async () => {
  let held;
  await talkTo([
    (response, number) => {
      const { url, headers } = server.requests.at(-1);
      const say = (status, json) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
      if (url === "/auth/refresh") return say(200, { accessToken: "b", refreshToken: "s", expiresIn: 300 });
      if (headers.authorization === "Bearer b") return say(200, { id: "1" });
      const refuse = () => say(401, error(401, "token_expired").json);
      if (number === 1) held = refuse;
      else refuse();
    },
  ]);
  const slow = client.get("/users/me");
  await until(() => held, "the slow one");
  await client.get("/users/me");
  held();
  await slow;
  assert.equal(server.requests.filter(({ url }) => url === "/auth/refresh").length, 1);
});

test("an outage of the refresh is no end of the session, a refusal is", async () => {
  let refusal = error(502, "keycloak_error");
  await talkTo(
    [
      (response) => {
        const { url } = server.requests.at(-1);
        const { status, json } = url === "/auth/refresh" ? refusal : error(401, "token_expired");
        response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
      },
    ],
    { retry: { retries: 0 } },
  );
  let told = 0;
  client.subscribe(() => told++);
  await assert.rejects(client.get("/users/me"), { code: "keycloak_error" });
  assert.equal(told, 0);
  refusal = error(401, "session_ended");
  await assert.rejects(client.get("/users/me"), { code: "session_ended", signInNeeded: true });
  assert.deepEqual([told, client.current], [1, { authenticated: false }]);
});

for (const code of ["token_expired", "token_invalid", "session_ended"]) {
  test(`after ${code} the client refreshes, and retries once`, async () => {
    const tokens = { json: { accessToken: "b", refreshToken: "s", expiresIn: 60 } };
    await talkTo([error(401, code), tokens, ok]);
    await client.get("/users/me");
    assert.deepEqual(server.requests.map(({ url }) => url), ["/users/me", "/auth/refresh", "/users/me"]);
  });
}

test("a service's own 401 is the caller's", async () => {
  await talkTo([{ status: 401, json: { message: "not with this device" } }]);
  await assert.rejects(client.get("/users/me"), ServiceError);
  assert.equal(server.requests.length, 1);
});

test("a token that is needed is renewed before it lapses", async () => {
  await talkTo([
    (response) => {
      const { url } = server.requests.at(-1);
      const user = { id: "1", email: null, roles: [] };
      const json = url === "/auth/refresh"
        ? { accessToken: "b", refreshToken: "s", expiresIn: 1 }
        : { authenticated: true, user, expiresIn: 1 };
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(json));
    },
  ]);
  const refreshes = () => server.requests.filter(({ url }) => url === "/auth/refresh").length;
  await client.session();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(refreshes(), 0, "nobody needs it");
  const release = client.keepFresh();
  await until(() => refreshes() >= 2, "two renewals");
  release();
  const before = refreshes();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.ok(refreshes() <= before + 1);
});

test("a token that lives for no time is renewed once a second at most", async () => {
  await talkTo(byPath({ "/auth/session": session(0), "/auth/refresh": renewed(0) }));
  await client.session();
  client.keepFresh();
  await until(() => refreshes() >= 2, "two renewals");
  const before = refreshes();
  await sleep(1500);
  assert.ok(refreshes() <= before + 2);
});

const lapsed = () => error(401, "token_expired");

test("a renewal that hangs has an end", async () => {
  const { timeout } = AbortSignal;
  mock.method(AbortSignal, "timeout", (milliseconds) => timeout.call(AbortSignal, milliseconds / 300));
  await talkTo(byPath({ "/users/me": lapsed }));
  await assert.rejects(client.get("/users/me"), NetworkError);
  assert.equal(refreshes(), 1);
});

test("a call that waits for a renewal can be aborted", async () => {
  await talkTo(byPath({ "/users/me": lapsed }));
  const stop = new AbortController();
  const call = client.get("/users/me", { signal: stop.signal });
  await until(() => refreshes() === 1, "the renewal");
  stop.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
});

test("a renewal that another tab could not make is made here, in time", async () => {
  let taken = true;
  const request = async (name, options, action) => (action ?? options)(taken && options.ifAvailable ? null : {});
  const { navigator } = globalThis;
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
  globalThis.document = {};
  try {
    await talkTo(byPath({ "/auth/session": session(1), "/auth/refresh": renewed(300) }));
    await client.session();
    client.keepFresh();
    await sleep(1300);
    assert.equal(refreshes(), 0, "the other tab tries it");
    taken = false;
    await until(() => refreshes() === 1, "the renewal", 8000);
  } finally {
    Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
    delete globalThis.document;
  }
});

// Media

test("a file that is gone costs one renewal, not more", async () => {
  await talkTo(byPath({ "/auth/session": session(300), "/auth/refresh": renewed(300) }));
  let loads = 0;
  const media = Object.assign(new EventTarget(), { error: { code: 4 }, paused: true, load() {}, removeAttribute() {} });
  Object.defineProperty(media, "src", { set: () => void loads++ });
  const stop = client.play(media, "/media/gone.webm");
  for (const tries of [1, 2, 3]) {
    media.dispatchEvent(new Event("error"));
    await until(() => loads === tries + 1, "another try");
    await sleep(10);
  }
  stop();
  assert.equal(refreshes(), 1);
});

// Event streams

const stream = (text) => (response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for (const piece of text) response.write(piece);
  response.end();
};

test("events are read as the standard has it, and the stream comes back where it ended", async () => {
  const pieces = [": hello\nretry: 10\nid: 1\nda", "ta: a\r", "\ndata: b\r\n\r\nevent: note\ndata:c\n\n", "data: never ended"];
  await talkTo([stream(pieces), stream(["data: again\n\n"]), { status: 204 }], { tokens: { accessToken: "a" } });
  const events = [];
  client.events("/interviews/events", (event) => events.push(event));
  await until(() => server.requests.length === 3, "both comings back");
  assert.deepEqual(events, [
    { type: "message", data: "a\nb", lastEventId: "1" },
    { type: "note", data: "c", lastEventId: "1" },
    { type: "message", data: "again", lastEventId: "1" },
  ]);
  assert.deepEqual(server.requests.map(({ headers }) => headers["last-event-id"]), [undefined, "1", "1"]);
});

test("a stream that is refused for good says so once", async () => {
  await talkTo([error(404, "not_found")], { tokens: { accessToken: "a" } });
  const failures = [];
  client.events("/interviews/events", () => undefined, { onError: (error, again) => failures.push([error.code, again]) });
  await until(() => failures.length, "the refusal");
  assert.deepEqual(failures, [["not_found", false]]);
});

test("a stream that breaks is opened again", async () => {
  const broken = (response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("retry: 10\nid: 7\ndata: a\n\n", () => response.destroy());
  };
  await talkTo([broken, stream(["data: b\n\n"]), { status: 204 }], { tokens: { accessToken: "a" } });
  const data = [];
  client.events("/interviews/events", (event) => data.push(event.data));
  await until(() => server.requests.length === 3, "the end");
  assert.deepEqual(data, ["a", "b"]);
  assert.equal(server.requests[1].headers["last-event-id"], "7");
});

test("a stream that ends at once is not asked for without a pause", async () => {
  await talkTo([stream(["retry: 0\n\n"])], { tokens: { accessToken: "a" } });
  const stop = client.events("/interviews/events", () => undefined);
  await until(() => server.requests.length === 2, "it to be asked for again");
  await sleep(450);
  stop();
  assert.ok(server.requests.length <= 7);
});

test("a stream that is refused for now waits as long as that says", async () => {
  const refused = error(429, "rate_limited", { "Retry-After": "2" });
  await talkTo([refused, { status: 204 }], { tokens: { accessToken: "a" }, retry: { retries: 0 } });
  const began = performance.now();
  client.events("/interviews/events", () => undefined);
  await until(() => server.requests.length === 2, "the second try");
  assert.ok(performance.now() - began >= 1990);
});

// Uploads

test("an answer that may have no body is one", async () => {
  globalThis.XMLHttpRequest = class {
    status = 205;
    responseText = "";
    upload = {};
    open() {}
    setRequestHeader() {}
    getAllResponseHeaders() {
      return "";
    }
    send() {
      this.onload();
      this.onloadend();
    }
  };
  try {
    await talkTo([ok], { tokens: { accessToken: "a" } });
    assert.equal(await client.upload("/media/a", new Blob(["a"])), undefined);
  } finally {
    delete globalThis.XMLHttpRequest;
  }
});

test("an upload is one request, its progress told, its answer read", async () => {
  await talkTo([{ status: 201, json: { name: "a.txt", size: 3 } }], { tokens: { accessToken: "a" } });
  const told = [];
  const file = new Blob(["abc"], { type: "text/plain" });
  assert.deepEqual(await client.upload("/media/a.txt", file, { onProgress: (it) => told.push(it) }), { name: "a.txt", size: 3 });
  const [sent] = server.requests;
  assert.deepEqual([sent.headers["content-type"], sent.body], ["text/plain", "abc"]);
  assert.deepEqual(told.at(-1), { loaded: 3, total: 3 });
});
