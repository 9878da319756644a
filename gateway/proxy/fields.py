"""Header fields of forwarded requests and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gateway import headers, http_methods
from gateway.proxy.body import Body
from gateway.scope import Scope
from gateway.transport import UpstreamResponse

FIELD_NAME_CHARACTERS = 128
"""Longer names are not cached, because a client can invent them."""


_AS_DASHES = str.maketrans(dict.fromkeys("!#$%&'*+.^`|~", "-"))
"""A CGI-style server reads `X.User.Id` as X_USER_ID (RFC 3875 section 4.1.18)."""


def _forwardable(key: str) -> str | None:
    """The field name of a WSGI `HTTP_` key, or None if a client's field must not reach a service."""
    name = key[5:].replace("_", "-").lower()
    plain = name.translate(_AS_DASHES)
    dropped = (
        plain in headers.HOP_BY_HOP or plain in headers.GATEWAY_SET or plain.startswith(headers.GATEWAY_SET_PREFIXES)
    )
    return None if dropped else name.title()


def _forwardable_of_untrusted(key: str) -> str | None:
    """The same for a peer whose trace context is not trusted either."""
    name = key[5:].replace("_", "-").lower()
    foreign = name in headers.FOREIGN_TRACE or name.startswith(headers.FOREIGN_TRACE_PREFIXES)
    return None if foreign else _forwardable(key)


_known_forwardable = lru_cache(maxsize=2048)(_forwardable)
_known_forwardable_of_untrusted = lru_cache(maxsize=2048)(_forwardable_of_untrusted)


def to_service(scope: Scope, body: Body) -> dict[str, str]:
    """The fields of the request to a service: the client's without hop-by-hop ones and those that only the gateway may
    set, then the gateway's (so that `Connection: X-User-Id` removes nothing), then the framing of `body`."""
    environ = scope.environ
    out = _of_client(environ, trusted=scope.peer_trusted)
    principal = scope.require_principal()
    out["Authorization"] = f"Bearer {principal.token}"
    out.update(principal.forwarded)
    out["X-Request-Id"] = scope.request_id
    out["Traceparent"] = scope.traceparent
    if scope.tracestate:
        out["Tracestate"] = scope.tracestate
    if scope.forwarded_for:
        out["X-Forwarded-For"] = scope.forwarded_for
    out["X-Forwarded-Proto"] = scope.proto
    if scope.host:
        out["X-Forwarded-Host"] = scope.host
    via = f"{environ['SERVER_PROTOCOL'].removeprefix('HTTP/')} {headers.VIA}"
    out["Via"] = f"{environ['HTTP_VIA']}, {via}" if "HTTP_VIA" in environ else via
    out.update(_framing(environ, body))
    return out


def _of_client(environ: Mapping[str, Any], *, trusted: bool) -> dict[str, str]:
    known, any_name = (
        (_known_forwardable, _forwardable) if trusted else (_known_forwardable_of_untrusted, _forwardable_of_untrusted)
    )
    out = {}
    for key, value in environ.items():
        if key[:5] == "HTTP_":
            name = known(key) if len(key) < FIELD_NAME_CHARACTERS else any_name(key)
            if name is not None:
                out[name] = value
    if "HTTP_CONNECTION" in environ:
        for named in headers.tokens(environ["HTTP_CONNECTION"]):
            out.pop(named.title(), None)
    if "gateway_" in out.get("Cookie", ""):
        out["Cookie"] = headers.without_own_cookies(out["Cookie"])
        if not out["Cookie"]:
            del out["Cookie"]
    if environ.get("CONTENT_TYPE"):
        out["Content-Type"] = environ["CONTENT_TYPE"]
    return out


def _framing(environ: Mapping[str, Any], body: Body) -> Mapping[str, str]:
    """Exactly one of Content-Length and Transfer-Encoding, if there is or may be a body (RFC 9112 section 6)."""
    if not body.is_whole and body.length is None:
        return {"Transfer-Encoding": "chunked"}
    length = len(body.first) if body.is_whole else body.length
    declared = "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ
    if not length and not declared and environ["REQUEST_METHOD"] not in http_methods.WITH_CONTENT:
        return {}
    return {"Content-Length": str(length)}


def _named(name: str) -> str:
    """A field's name in lower case, empty if it is not forwarded."""
    lowered = name.lower()
    dropped = lowered in headers.NOT_RETURNED or lowered.startswith(headers.NOT_RETURNED_PREFIXES)
    return "" if dropped else lowered


_known_named = lru_cache(maxsize=2048)(_named)

_USUAL = frozenset({"keep-alive", "close"})


def to_client(answer: UpstreamResponse, defaults: Mapping[str, str]) -> list[tuple[str, str]]:
    """The fields of the response to the client: the service's unchanged, repeated ones too, without hop-by-hop and CORS
    ones; then those of `defaults` (lower-case name to value) that the service did not set, and `Vary` by credentials.

    A 304 gets no defaults: they would overwrite the stored fields of the client (RFC 9111 section 3.2).
    """
    named = answer.fields.get("connection")
    dropped = headers.tokens(named) - _USUAL if named is not None else ()
    out = []
    said = set()
    for field in answer.headers:
        name = field[0]
        lowered = _known_named(name) if len(name) < FIELD_NAME_CHARACTERS else _named(name)
        if not lowered or (dropped and lowered in dropped):
            continue
        if lowered == "set-cookie" and headers.is_own_cookie(field[1]):
            continue
        said.add(lowered)
        if lowered != "vary":
            out.append(field)
    if answer.status != 304:
        for lowered, value in defaults.items():
            if lowered not in said:
                out.append((lowered.title(), value))
    varies = answer.fields.get("vary") if "vary" in said else None
    cached = answer.fields.get("cache-control", "").lower()
    if "no-store" in cached and _is_never_stored(cached):
        if varies is not None:
            out.append(("Vary", varies))
    else:
        out.append(_VARY if varies is None else ("Vary", _varies_by_who_asks(varies)))
    return out


_QUOTED = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|$)')


def _is_never_stored(cache_control: str) -> bool:
    """Whether `no-store` is one of the directives (RFC 9111 section 5.2), not a part of another one or of a quoted
    value."""
    return "no-store" in headers.tokens(_QUOTED.sub("", cache_control))


_BY_WHO_ASKS = ("Authorization", "Cookie")
_VARY = ("Vary", ", ".join(_BY_WHO_ASKS))


def _varies_by_who_asks(vary: str) -> str:
    """A service's Vary, extended by the credentials: otherwise the next user of a browser would see the stored response
    of the previous one (RFC 9111 section 4.1)."""
    named = headers.tokens(vary)
    if "*" in named:
        return vary
    return ", ".join([vary, *(name for name in _BY_WHO_ASKS if name.lower() not in named)])


def is_event_stream(answer: UpstreamResponse) -> bool:
    """Whether it is a stream of server-sent events (WHATWG HTML, section 9.2)."""
    return answer.fields.get("content-type", "").lower().startswith("text/event-stream")
