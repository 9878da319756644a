// A server on the loopback whose answers a test writes: each request gets the next one, the last again and again.

import { createServer } from "node:http";

export async function serverOf(...answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const scripted = typeof answers[0] === "function" && answers.length === 1;
    if (request.url === "/auth/session" && !scripted) {
      // A stream or an upload asks how long its token lives: no part of what is looked at.
      response.writeHead(200, { "Content-Type": "application/json" });
      return response.end('{"authenticated":false}');
    }
    requests.push({ method: request.method, url: request.url, headers: request.headers, body });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (typeof answer === "function") return answer(response, requests.length);
    const { status = 200, headers = {}, json } = answer;
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(json === undefined ? undefined : JSON.stringify(json));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    requests,
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))),
  };
}

/** An error as the gateway answers it. */
export const error = (status, code, headers = {}) => ({
  status,
  headers,
  json: {
    statusCode: status,
    message: `It is ${code}.`,
    error: "…",
    code,
    timestamp: "2026-11-23T09:30:00.000Z",
    path: "/users/me",
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  },
});

export async function until(done, what, patience = 5000) {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}
