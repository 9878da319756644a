"""The introduction of the description, which applies to all calls: Markdown, as OpenAPI has it."""

from __future__ import annotations

from gateway import cors, http_methods

OVERVIEW = f"""\
The single entry point of the interview platform. The gateway verifies the caller's token, forwards the request to the
service that owns the path, and returns its response.

## Authentication

Every forwarded request needs `Authorization: Bearer <access token>`, with a token that Keycloak issued, or the session
cookie that a sign-in sets; if both are sent, the header is used. Sign-in, health and this description are public. A
request with a missing or invalid token is answered with 401 and not forwarded. The codes `token_expired`,
`token_invalid` and `session_ended` tell a client to refresh (`POST /auth/refresh`) and to retry once; if the refresh is
refused, and for `token_missing`, the user has to sign in.

## Forwarding

Path, query and body reach the service byte for byte, and its response is returned unchanged: status, headers, body,
several `Set-Cookie`, ranges, redirects, streams. The services define the bodies of forwarded requests and responses;
the examples here are typical ones. `Cache-Control: private, no-cache` is added if the service sets none. `X-User-Id`,
`X-User-Email` and `X-User-Roles` tell the service who the user is; the gateway drops these headers from a client's
request.

`HEAD` is allowed wherever `GET` is.

## Rate limits

Each user may send a number of requests in a window that begins with the first one. There is one limit for all routes
together, one for files, and one for each sign-in call. Requests count for the user of a valid token, otherwise for the
client's address; invalid tokens count for the address, separately. Response headers state how many requests remain;
over the limit the answer is 429 with `Retry-After`.

## Errors

Every error of the gateway has the same body, `Error`, with a stable `code`. An unknown path is 404, a method that a
path does not support 405. A service's own errors are passed through unchanged, in the service's format, even with a
status that is described here as the gateway's. `Proxy-Status` marks errors of the gateway in place of a service's
response.

## Browsers

Scripts cannot read the session cookies; browsers send them with every request with credentials
(`fetch(…, {{credentials: "include"}})`). A `POST`, `PUT`, `PATCH` or `DELETE` with a cookie is 403 unless a page of the
frontend sends it: `Origin` must be the frontend's.

CORS allows the frontend's origin with credentials, the methods {", ".join(http_methods.ROUTED)}, the request headers
{", ".join(cors.ALLOWED_HEADERS)}, and those that the operator adds. The gateway answers a preflight (`OPTIONS`) itself,
with 204, without a token; it is valid for {cors.MAX_AGE_SECONDS} seconds. Any other `OPTIONS`
it answers too, except with credentials where a service takes resumable uploads (tus). Scripts can read the response
headers {", ".join(f"`{name}`" for name in cors.EXPOSED_HEADERS)}.
"""
