"""What holds for every call, said once, in front: Markdown, as OpenAPI has it."""

from __future__ import annotations

from gateway import cors, http_methods

OVERVIEW = f"""\
The one entrance to the interview platform. The gateway checks the caller's token, forwards the call to the service that
owns the path, and brings its answer back.

## Who may call

Every forwarded call needs `Authorization: Bearer <access token>`, a token of Keycloak's, or the session cookie that a
sign-in sets; the header wins where both come. Sign-in, health and this description are open. A missing or invalid token
is 401 before anything else is looked at, and nothing is forwarded. "Token expired" tells a client to refresh
(`POST /auth/refresh`) and try again.

## What is forwarded

Path and query reach the service byte for byte, the body as it came, and the answer comes back as it was: status,
headers, body, several `Set-Cookie`, ranges, redirects, streams. Bodies of forwarded calls are therefore the services'
to describe; the examples here show typical ones. `Cache-Control: private, no-cache` is added where the service says
nothing. The service learns who calls by `X-User-Id`, `X-User-Email`, `X-User-Roles`: what a client puts there is
dropped.

`HEAD` goes with every `GET`.

## How much

A client has so many requests in a window that begins with its first one: over all routes together, for files apart, and
on each of the sign-in calls. They are counted for the user of a valid token, else for the client's address; tokens that
are no good count against the address, apart. Answers say what is left; over the limit it is 429 with `Retry-After`.

## Errors

Every error of the gateway's has one body, `Error`. A path that is not there is 404, a method that a path does not have
405. A service's own errors pass through untouched, in whatever shape the service gives them, also under a status that
is described here as the gateway's.

## Browsers

A session's cookies can not be read by scripts, and go with every call that is made with credentials
(`fetch(…, {{credentials: "include"}})`). A `POST`, `PUT`, `PATCH` or `DELETE` by cookie is 403 but from a page of the
frontend: `Origin` has to be the frontend's.

CORS lets the configured frontend's origin in, with credentials: methods {", ".join(http_methods.ROUTED)}, request
headers {", ".join(cors.ALLOWED_HEADERS)} and those that the operator added. `OPTIONS` on any of these paths is its
preflight: 204, no token needed, never forwarded, good for {cors.MAX_AGE_SECONDS} seconds. Scripts may read
{", ".join(f"`{name}`" for name in cors.EXPOSED_HEADERS)} where they are there.
"""
