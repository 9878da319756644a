"""Header fields of answers, and the request parameters that several routes share."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.nodes import Node, ref, text
from gateway.services import UPLOADS_POLICY

RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
"""On every answer to a request that is counted."""


def count(description: str, example: int, *, least: int = 1) -> Node:
    """A field that is a whole number."""
    return {"description": description, "schema": {"type": "integer", "minimum": least}, "example": example}


HEADER_COMPONENTS: Node = {
    "X-Request-Id": text(
        "This request's id, also given to the service and written into the log. On every answer but those to a"
        " request that could not be read.",
        samples.REQUEST_ID,
    ),
    "WWW-Authenticate": text(
        'The challenge of RFC 6750: `Bearer` where no credentials came, with `error="invalid_token"` where they were'
        " refused.",
        'Bearer error="invalid_token"',
        pattern="^Bearer",
    ),
    "Set-Cookie": text(
        "The gateway's cookies, set or removed: HttpOnly, SameSite=Lax, no Domain, `Secure` but for plain http in"
        " development. Each is a field of its own; a long one is split.",
        "__Secure-gateway_session=1.gAAAAAB; Max-Age=1800; Path=/auth; Secure; HttpOnly; SameSite=Lax",
    ),
    "Allow": text("The methods that this path has.", "GET, HEAD, OPTIONS, PUT"),
    "Retry-After": count("Seconds after which a new try makes sense.", 4),
    "X-RateLimit-Limit": count("How many requests the limit that is nearest lets through in its window.", 100),
    "X-RateLimit-Remaining": count("How many of them are left.", 87, least=0),
    "X-RateLimit-Reset": count("Seconds until the window ends.", 540),
    "RateLimit": text("The same, as RateLimit header fields draft-10 has it.", '"default";r=87;t=540', pattern=";r="),
    "RateLimit-Policy": text("The limits there are: requests (`q`) in seconds (`w`).", '"default";q=100;w=900'),
    "Cache-Control": text("How long the answer may be kept.", "no-store"),
    "ETag": text("The version of what is answered, for `If-None-Match`.", '"4f6f1c0a"'),
    "Location": text("Where the new thing is.", f"/interviews/{samples.INTERVIEW_ID}"),
    "Accept-Ranges": text("`bytes` where parts can be asked for.", "bytes"),
    "Content-Range": text("Which bytes of how many these are.", f"bytes 0-5/{len(samples.FILE_TEXT)}"),
    "Content-Security-Policy": text("What the answer may do in a browser.", UPLOADS_POLICY),
    "Proxy-Status": text(
        "On what the gateway answers in a service's place (RFC 9209): tells its 502 from a service's own.",
        "api-gateway; error=http_response_timeout",
    ),
    "X-Content-Type-Options": text("The content type is to be believed.", "nosniff"),
}

SEGMENT = r"^(?!\.\.?(;|$))[^/\\\u0000-\u001f\u007f]+$"
"""Any text but dots alone, slashes, backslashes and control characters: all else is read alike by everybody."""


def fields(*names: str) -> Node:
    """The `headers` of an answer: X-Request-Id, what is left of the rate limit, and these."""
    return {name: ref("headers", name) for name in ("X-Request-Id", *RATE_LIMIT, *names)}


def _header(name: str, description: str, example: str) -> Node:
    return {"name": name, "in": "header", **text(description, example)}


def segment(name: str, description: str, example: str) -> Node:
    """A parameter of a path: one segment."""
    return {"name": name, "in": "path", "required": True, **text(description, example, pattern=SEGMENT)}


def asked(name: str, description: str, example: object, *, required: bool = False, **constraints: object) -> Node:
    """A parameter of the query, a string unless `constraints` say `type`."""
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
        "W3C Trace Context: the trace is continued, and its id is the `traceId` of an error. Without it, or where it is"
        " malformed, one is begun.",
        f"00-{samples.TRACE_ID}-00f067aa0ba902b7-01",
    ),
    "IfNoneMatch": _header(
        "If-None-Match", "The versions that the client has: 304 where one is current.", '"4f6f1c0a"'
    ),
    "Range": _header("Range", "Only these bytes (RFC 9110, section 14).", "bytes=0-5"),
    "IfRange": _header("If-Range", "The range only of this version, else the whole.", '"4f6f1c0a"'),
}


def parameters(*names: str) -> list[Node]:
    """References to shared parameters."""
    return [ref("parameters", name) for name in names]
