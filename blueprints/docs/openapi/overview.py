"""What holds for every call, said once, in front: Markdown, as OpenAPI has it."""

from __future__ import annotations

from gateway import cors, http_methods

OVERVIEW = f"""\
The single entry point of the interview platform. The gateway verifies the caller's token, forwards the request to the
service that owns the path, and returns its response.

## Authentication

Every forwarded request needs `Authorization: Bearer <access token>`, with a token that Keycloak issued, or the session
cookie that a sign-in sets; the header wins where both are sent. Sign-in, health and this description are public. A
missing or invalid token is answered with 401 and nothing is forwarded. The message "Token expired" (`code`
`token_expired`) tells a client to refresh (`POST /auth/refresh`) and to try again.

## Forwarding

Path and query reach the service byte for byte, the body as it was sent, and the response is returned as it is: status,
headers, body, several `Set-Cookie`, ranges, redirects, streams. The services decide what the bodies of forwarded
requests and responses are; the examples here show typical ones. `Cache-Control: private, no-cache` is added where the
service sets none. The service learns who the user is from `X-User-Id`, `X-User-Email` and `X-User-Roles`; values that a
client sends in these are dropped.

`HEAD` is allowed wherever `GET` is.

## Rate limits

Each user has a number of requests in a window that begins with the first one: one limit over all routes together, one
for files, one for each sign-in call. Requests are counted for the user of a valid token, else for the client's
address; invalid tokens are counted against the address, separately. Response headers say how many requests are left;
over the limit the answer is 429 with `Retry-After`.

## Errors

Every error of the gateway has the same body, `Error`, with a stable `code`. An unknown path is 404, a method that a
path does not support 405. A service's own errors pass through unchanged, in the service's format, also with a status
that is described here as the gateway's. `Proxy-Status` marks what the gateway answered in a service's place.

## Browsers

Scripts can not read the session cookies; browsers send them with every request that is made with credentials
(`fetch(…, {{credentials: "include"}})`). A `POST`, `PUT`, `PATCH` or `DELETE` with a cookie is 403 unless a page of the
frontend sends it: `Origin` has to be the frontend's.

CORS allows the frontend's origin, with credentials: methods {", ".join(http_methods.ROUTED)}, request headers
{", ".join(cors.ALLOWED_HEADERS)} and those that the operator added. `OPTIONS` is answered as a preflight: 204 without
a token, never forwarded, valid for {cors.MAX_AGE_SECONDS} seconds. Scripts may read
{", ".join(f"`{name}`" for name in cors.EXPOSED_HEADERS)} where they are set.
"""
