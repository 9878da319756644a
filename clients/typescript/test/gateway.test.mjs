// A program with a real gateway: `GATEWAY` is its address, `TOKENS` those of a sign-in, with an expired access token.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient, GatewayError, ServiceError } from "../dist/index.js";
import { until } from "./server.mjs";

const calls = [];
const renewed = [];
const client = createClient({
  baseUrl: process.env.GATEWAY,
  tokens: JSON.parse(process.env.TOKENS),
  onTokens: (tokens) => renewed.push(tokens),
  onCall: (call) => calls.push(call),
});
after(() => client.close());

test("parallel calls with an expired token make one refresh", async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => client.get("/users/me")));
  assert.ok(all.every(({ email }) => email === "cora@example.test"));
  assert.equal(calls.filter(({ path }) => path === "/auth/refresh").length, 1);
  assert.equal(renewed.length, 1);
});

test("what is created is listed, reported by the stream, and deleted", async () => {
  const received = [];
  let open = false;
  const stop = client.events("/interviews/events", (event) => received.push(event), { onOpen: () => (open = true) });
  await until(() => open, "the stream");
  const { id } = await client.post("/interviews", { json: { title: "From a program" } });
  await until(() => received.some(({ type }) => type === "interview.created"), "the event");
  stop();
  const { items } = await client.get("/interviews", { query: { limit: 100 } });
  assert.ok(items.some((item) => item.id === id));
  assert.equal(await client.delete("/interviews/{id}", { path: { id } }), undefined);
  await assert.rejects(client.get("/interviews/{id}", { path: { id } }), ServiceError);
});

test("a file is stored and read", async () => {
  const file = new Blob(["Hello from Node"], { type: "text/plain" });
  const { size } = await client.upload("/media/program.txt", file);
  assert.equal(size, 15);
  assert.equal(await client.get("/media/{name}", { path: { name: "program.txt" } }), "Hello from Node");
  await client.delete("/media/{name}", { path: { name: "program.txt" } });
});

test("after the sign-out nothing works any more", async () => {
  await client.signOut();
  await assert.rejects(client.get("/users/me"), (error) => error instanceof GatewayError && error.signInNeeded);
});
