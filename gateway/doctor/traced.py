"""What the log says of one request, by its trace id, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from gateway.doctor.finding import Finding, bad, good
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
        "service_unreachable": "`gateway doctor` asks the service; the line's `instance` names it",
        "service_timeout": "the service was too slow: PROXY_READ_TIMEOUT, PROXY_TOTAL_TIMEOUT",
        "service_protocol_error": "the service's answer was invalid or cut short: its own log; the line's `instance`",
        "overloaded": "all places of the service are taken: why is it slow? PROXY_MAX_IN_FLIGHT",
        "breaker_open": "five calls in a row failed: `gateway doctor` asks the service",
    }
)
_REFUSED = "Auth: token refused"
"""The line whose `reason` is one of a token; those of a sign-in have the same words for other things."""

_SHOWN = ("code", "reason", "kind", "instance", "rule")
"""The fields that say why."""


def traced_findings(asked: str, lines: Iterable[str]) -> Iterator[Finding]:
    """What the log's `lines` say of the request with this trace id or request id, in their order. Only a request's own
    line has its request id."""
    for text in lines:
        if asked not in text:
            continue
        try:
            line = json.loads(text[text.find("{") :])  # journalctl and container engines put words before it
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and asked in (line.get("traceId"), line.get("requestId")):
            yield _finding(line)


def _finding(line: Mapping[str, Any]) -> Finding:
    status, code, reason = line.get("statusCode"), line.get("code"), line.get("reason")
    message, at = str(line.get("message")), str(line.get("timestamp"))
    of_token = TOKEN_FIXES.get(str(reason)) if message.startswith(_REFUSED) else None
    fix = of_token or _BY_CODE.get(str(code))
    if fix is None and not (isinstance(status, int) and status >= 400):
        return good(at, message)
    why = ", ".join(f"{name} {line[name]}" for name in _SHOWN if line.get(name))
    return bad(at, f"{message}{f' ({why})' if why else ''}", "an answer under 400", fix or "docs/runbook.md")
