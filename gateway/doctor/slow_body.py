"""Whose time-out ends a body that does not come: the gateway's, or that of the proxy before it."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from math import ceil
from time import monotonic

from gateway.config import Settings
from gateway.doctor.before_gateway import answer_to, connection_to, stands_alone, through_public_url
from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, unknown
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS

BEFORE_END_SECONDS = 3.0
"""So long before the end of all checks the waiting ends."""

LATER_SECONDS = 1.5
"""How much later than BODY_TIMEOUT the gateway's answer may come."""

BODY_MISSING = 408
"""Request Timeout (RFC 9110 section 15.5.9)."""

_CHECK = "time-outs of the proxy"


@through_public_url
def slow_body(deployment: Deployment) -> Iterator[Finding]:
    """A body of two bytes is announced, and none is sent; the gateway answers 408 after BODY_TIMEOUT."""
    settings = deployment.settings
    if stands_alone(settings):
        return
    bound = settings.body_timeout
    waited = max(0.1, min(bound + LATER_SECONDS, deployment.due - monotonic() - BEFORE_END_SECONDS))
    try:
        ended, answer = _ended_after(settings, waited)
    except (OSError, HTTPException) as error:
        yield unknown(_CHECK, f"no connection for a slow request ({type(error).__name__})")
        return
    if answer and answer.status == BODY_MISSING and answer.error:
        yield good(_CHECK, f"a body that does not come is ended by the gateway, after {ended:.0f} s (BODY_TIMEOUT)")
    elif answer and answer.status != BODY_MISSING:
        who = "the gateway" if answer.error else "the proxy"
        yield unknown(_CHECK, f"{who} does not wait for a body (status {answer.status})")
    elif ended < min(bound, waited) - 0.5:
        yield bad(
            _CHECK,
            f"the proxy ends a request whose body does not come after {ended:.0f} s",
            f"over {bound:g} s (BODY_TIMEOUT), so that the gateway does, with an answer that a frontend can read",
            f"nginx: client_body_timeout over {ceil(max(bound, settings.upload_timeout))}s (deploy/nginx)",
        )
    elif waited > bound:
        yield good(_CHECK, f"a body that does not come is not ended by the proxy within {bound:g} s (BODY_TIMEOUT)")
    else:
        yield unknown(
            _CHECK,
            f"a body that does not come is not ended within {waited:.0f} s; the check waited no longer",
            f"--limit {ceil(bound + LATER_SECONDS + BEFORE_END_SECONDS) + 1} waits for BODY_TIMEOUT, {bound:g} s",
        )
    yield unknown(
        "proxy_read_timeout",
        "how long the proxy waits for an answer, or for the next piece of one, cannot be seen: the gateway gives no"
        " answer slow enough",
        f"nginx: proxy_read_timeout over {ceil(settings.total_timeout + KEYCLOAK_TIMEOUTS.read)}s, an hour for event"
        f" streams; on /media client_body_timeout over {ceil(settings.upload_timeout)}s (deploy/nginx)",
    )


def _ended_after(settings: Settings, seconds: float) -> tuple[float, Answer | None]:
    """After how many seconds it was answered or given up, and the answer. OSError or HTTPException where it could not
    be sent."""
    with connection_to(settings.public_url, settings, seconds) as (connection, root):
        connection.putrequest("POST", f"{root}/auth/refresh")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "2")
        connection.endheaders()
        began = monotonic()
        try:
            answer = answer_to(connection)
        except (OSError, HTTPException):
            return monotonic() - began, None
        return monotonic() - began, answer


CHECKS = (slow_body,)
