"""What the log says of one request, by its trace id, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TextIO

from gateway.doctor.failed_calls import FAILED_CALLS
from gateway.doctor.finding import Finding, bad, good, questionable
from gateway.doctor.token_fixes import TOKEN_FIXES

_BY_CODE: Mapping[str, str] = MappingProxyType(
    {
        "token_expired": "the client has to refresh it (POST /auth/refresh)",
        "token_missing": "the request came without a bearer token or session cookie",
        "token_invalid": "`gateway explain` with the token itself names the claim; LOG_LEVEL=debug logs the reason",
        "session_ended": "the session was ended by a logout: sign in again",
        "foreign_origin": "the page's origin has to be a FRONTEND_URL",
        "role_missing": "give the user the role in Keycloak (Users > the user > Role mapping)",
        "rate_limited": "RATE_LIMIT_DEFAULT, RATE_LIMIT_MEDIA or RATE_LIMIT_AUTH is used up: see `rule`",
        "keycloak_unavailable": "`gateway doctor` says whether Keycloak can be reached",
        "keycloak_timeout": "Keycloak was too slow: its own log and load; `gateway doctor` asks it",
        "keycloak_error": "`gateway doctor` says what Keycloak refuses",
        "misconfigured": "the line `Auth:` of the same trace id names the setting; `gateway doctor` looks at them all",
        "client_closed_request": "the client left first: where `duration` is always the same, by a time-out of its own"
        " or of a proxy before the gateway",
        "unavailable": "the worker was starting or stopping, or has never read Keycloak's keys: `/health/ready` says"
        " which",
        "internal_error": "a bug of the gateway: report it, with the `error` of the line `unexpected error`",
    }
)
_KINDS: Mapping[str, str] = MappingProxyType({"overloaded": "overload", "breaker_open": "breaker_open"})
"""The kind of a call that was not made, by the code of the error."""

_REFUSED = "Auth: token refused"
"""The line whose `reason` is one of a token; those of a sign-in have the same words for other things."""

_SHOWN = ("code", "reason", "kind", "instance", "rule", "error")
"""The fields that say why."""

LINE_CHARACTERS = 1 << 16

_WORDS = "docs/operating.md explains the line (What the lines mean)"
_CODES = "docs/errors.md explains the code"


def traced_findings(asked: str, log: TextIO) -> Iterator[Finding]:
    """What the lines of `log` say of the request with this trace id or request id, in their order. Only a request's own
    line has its request id. A file of any size: what is longer than a line of the gateway is read in pieces."""
    for text in iter(partial(log.readline, LINE_CHARACTERS), ""):
        if asked not in text:
            continue
        try:
            line = json.loads(text[text.find("{") :])  # journalctl and container engines put words before it
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and asked in (line.get("traceId"), line.get("requestId")):
            yield _finding(line)


def _finding(line: Mapping[str, Any]) -> Finding:
    status, message, at = line.get("statusCode"), str(line.get("message")), str(line.get("timestamp"))
    failed = isinstance(status, int) and status >= 400
    why = ", ".join(f"{name} {line[name]}" for name in _SHOWN if line.get(name))
    found = f"{message} ({why})" if why else message
    call = FAILED_CALLS.get(str(line.get("kind"))) or FAILED_CALLS.get(_KINDS.get(str(line.get("code")), ""))
    if call is not None:
        told = f"{found}: {call.cause}"
        if failed or line.get("cut"):
            return bad(at, told, "a whole answer under 400", call.fix)
        return questionable(at, told, "a whole answer at the first attempt", call.fix)  # retried, or one of a stream
    of_token = TOKEN_FIXES.get(str(line.get("reason"))) if message.startswith(_REFUSED) else None
    fix = of_token or _BY_CODE.get(str(line.get("code")))
    if failed or fix is not None:
        return bad(at, found, "an answer under 400", fix or (_CODES if line.get("code") else _WORDS))
    if line.get("level") in ("warn", "error"):
        return questionable(at, found, "", _WORDS)
    return good(at, message)
