"""What became of a call to a service that failed, by the `kind` that the log, metrics and spans have: its cause and its
fix. docs/runbook.md has the same table, written from this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class FailedCall:
    """One sentence each: why, and what to do."""

    cause: str
    fix: str


FAILED_CALLS: Mapping[str, FailedCall] = MappingProxyType(
    {
        "connect": FailedCall(
            "the service refused the connection, its host name is not known, or its certificate is not trusted",
            "start the service, or correct its setting (USER_SERVICE_URL or its like; CA_BUNDLE): `gateway doctor`"
            " asks it",
        ),
        "connect_timeout": FailedCall(
            "nothing at the service's address took the connection within PROXY_CONNECT_TIMEOUT",
            "look for a firewall or a machine that is down; correct the address if the service has moved",
        ),
        "closed": FailedCall(
            "the service closed the connection before it began its response",
            "look in the service's log for a crash or a restart; if it closes idle connections, let it keep them longer"
            " than 60 seconds",
        ),
        "timeout": FailedCall(
            "the service took longer than PROXY_READ_TIMEOUT between two bytes, or PROXY_TOTAL_TIMEOUT in all",
            "find out what the service waits for, by the X-Request-Id in its own log; raise the time-out if such"
            " responses are meant to be slow",
        ),
        "cut": FailedCall(
            "the service ended the connection in the middle of its response; the client's was aborted then",
            "look in the service's log for a crash, or for a Content-Length that is not the body's",
        ),
        "bad_answer": FailedCall(
            "the service's response is not HTTP/1.1, or has header fields that are not allowed or too long",
            "correct the service; if it speaks TLS there, write https:// in its setting",
        ),
        "overload": FailedCall(
            "the service was not called: a worker's places for it were all taken (PROXY_MAX_IN_FLIGHT,"
            " PROXY_USER_SHARE)",
            "find out why the service is slow, or add instances or workers (runbook: GatewayServiceOverloaded)",
        ),
        "breaker_open": FailedCall(
            "the service was not called: five calls in a row found no connection, or no response in time",
            "repair the service, whose earlier lines have the kind (runbook: GatewayBreakerOpen); it is"
            " called again within five seconds",
        ),
    }
)
