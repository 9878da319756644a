"""Header fields of responses, and the request parameters that several routes share."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.nodes import Node, ref, text
from gateway.services import UPLOADS_POLICY

RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
"""On every response to a request that is counted."""


def count(description: str, example: int, *, least: int = 1) -> Node:
    """A field with an integer."""
    return {"description": description, "schema": {"type": "integer", "minimum": least}, "example": example}


HEADER_COMPONENTS: Node = {
    "X-Request-Id": text(
        "This request's id, also sent to the service and written to the log. On every response, except to a"
        " request that could not be parsed.",
        samples.REQUEST_ID,
    ),
    "WWW-Authenticate": text(
        'The challenge of RFC 6750: `Bearer` if the request had no credentials, with `error="invalid_token"` if they'
        " were refused.",
        'Bearer error="invalid_token"',
        pattern="^Bearer",
    ),
    "Set-Cookie": text(
        "The gateway's cookies, set or removed: HttpOnly, SameSite=Lax, no Domain, `Secure` except for plain http in"
        " development. Each cookie has its own field; a long one is split.",
        "__Secure-gateway_session=1.gAAAAAB; Max-Age=1800; Path=/auth; Secure; HttpOnly; SameSite=Lax",
    ),
    "Allow": text("The methods of this path.", "GET, HEAD, OPTIONS, PUT"),
    "Retry-After": count("Seconds to wait before a retry.", 4),
    "X-RateLimit-Limit": count("Number of requests per window, of the limit that will be reached first.", 100),
    "X-RateLimit-Remaining": count("Number of requests that remain.", 87, least=0),
    "X-RateLimit-Reset": count("Seconds until the window ends.", 540),
    "RateLimit": text(
        "The same in the format of the RateLimit header fields draft-10.", '"default";r=87;t=540', pattern=";r="
    ),
    "RateLimit-Policy": text("All limits: requests (`q`) per seconds (`w`).", '"default";q=100;w=900'),
    "Cache-Control": text("How long the response may be cached.", "no-store"),
    "ETag": text("The version of the response, for `If-None-Match`.", '"4f6f1c0a"'),
    "Location": text("The path of the new resource.", f"/interviews/{samples.INTERVIEW_ID}"),
    "Accept-Ranges": text("`bytes` if ranges are supported.", "bytes"),
    "Content-Range": text("The range of bytes, and the total number.", f"bytes 0-5/{len(samples.FILE_TEXT)}"),
    "Content-Security-Policy": text("What the response may do in a browser.", UPLOADS_POLICY),
    "Proxy-Status": text(
        "On errors of the gateway in place of a service's response (RFC 9209): marks them as not the service's own.",
        "api-gateway; error=http_response_timeout",
    ),
    "X-Content-Type-Options": text("Forbids the browser to guess another content type.", "nosniff"),
}

SEGMENT = r"^(?!\.\.?(;|$))[^/\\\u0000-\u001f\u007f]+$"
"""Any text except only dots, slashes, backslashes and control characters: the rest has one interpretation."""


def fields(*names: str) -> Node:
    """The `headers` of a response: X-Request-Id, those of the rate limit, and these."""
    return {name: ref("headers", name) for name in ("X-Request-Id", *RATE_LIMIT, *names)}


def _header(name: str, description: str, example: str) -> Node:
    return {"name": name, "in": "header", **text(description, example)}


def segment(name: str, description: str, example: str) -> Node:
    """A parameter of a path: one segment."""
    return {"name": name, "in": "path", "required": True, **text(description, example, pattern=SEGMENT)}


def asked(name: str, description: str, example: object, *, required: bool = False, **constraints: object) -> Node:
    """A parameter of the query, a string unless `constraints` contain `type`."""
    schema = {"type": "string", **constraints}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
        "example": example,
    }


PARAMETERS: Node = {
    "Traceparent": _header(
        "traceparent",
        "W3C Trace Context: the trace is continued, and its id is the `traceId` of an error. If it is missing or"
        " malformed, a new trace starts.",
        f"00-{samples.TRACE_ID}-00f067aa0ba902b7-01",
    ),
    "IfNoneMatch": _header(
        "If-None-Match", "The versions that the client has: 304 if one of them is current.", '"4f6f1c0a"'
    ),
    "Range": _header("Range", "Only these bytes (RFC 9110, section 14).", "bytes=0-5"),
    "IfRange": _header(
        "If-Range", "The range only if this is the current version, otherwise the complete file.", '"4f6f1c0a"'
    ),
}


def parameters(*names: str) -> list[Node]:
    """References to shared parameters."""
    return [ref("parameters", name) for name in names]
