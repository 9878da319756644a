"""From each alert the cause is named in one step: the thing is broken, and the runbook's first command is run."""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from harness import replies
from harness.broken import Broken, run
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.monitoring import alerts, first_command
from harness.service import Received
from harness.suspended import suspend_until_told
from harness.waiting import until

pytestmark = pytest.mark.timed

SLOW_SECONDS = 1.1
SHOWN_SECONDS = 10


@pytest.fixture(scope="module")
def broken(make_gateway: GatewayFactory, issuer: Issuer) -> Iterator[Broken]:
    with Broken(make_gateway, issuer) as running:
        yield running


@dataclass(frozen=True)
class Cause:
    """`names` are patterns that the command's output must have; `breaks` breaks the thing, unless it is broken when the
    gateway `of` starts; what it returns mends it."""

    names: tuple[str, ...]
    breaks: Callable[[Broken], Callable[[], None] | None] = lambda broken: None
    of: Callable[[Broken], Gateway] = lambda broken: broken.main


def answers_500(broken: Broken) -> None:
    broken.interviews.answer = replies.sized(500)
    broken.call("/interviews/fails", 500)


def resets(broken: Broken) -> None:
    broken.interviews.answer = replies.reset()
    broken.call("/interviews/resets", 502)


def resets_once(broken: Broken) -> None:
    broken.interviews.answer = replies.by_turn(replies.reset(), replies.sized(200))
    broken.call("/interviews/retried", 200)


def is_slow(broken: Broken) -> None:
    broken.interviews.answer = replies.slow(SLOW_SECONDS, replies.sized(200))
    broken.call("/interviews/slow", 200)


def is_down(broken: Broken) -> Callable[[], None]:
    broken.users.stop()
    for _ in range(5):
        broken.call("/users/me", 502)
    broken.call("/users/me", 503)
    return broken.users.start


def keycloak_is_down(broken: Broken) -> None:
    body = {"Content-Type": "application/json"}
    answer = broken.without_keycloak.get("/auth/refresh", method="POST", body=b'{"refreshToken": "x"}', headers=body)
    assert answer.status == 503


def hangs(broken: Broken) -> Callable[[], None]:
    """Three calls take all places of the media service, until they are released."""
    release = threading.Event()

    def hang(received: Received, connection: socket.socket) -> None:
        release.wait(20)
        replies.sized(200)(received, connection)

    broken.media.answer = hang
    pool = ThreadPoolExecutor(3, "harness")
    calls = [pool.submit(broken.call, "/media/hangs", 200) for _ in range(3)]
    until(lambda: len(broken.media.requests) >= 3, 5, "three calls")

    def mend() -> None:
        release.set()
        pool.shutdown()
        broken.media.answer = None
        broken.media.clear()
        for call in calls:
            call.result()

    return mend


def has_no_place(broken: Broken) -> Callable[[], None]:
    mend = hangs(broken)
    broken.call("/media/refused", 503)
    return mend


def clients_leave(broken: Broken) -> None:
    broken.interviews.answer = replies.slow(5)
    broken.leave("/interviews/left")


def another_audience(broken: Broken) -> None:
    assert broken.main.get("/users/me", broken.issuer.mint({"aud": "account"})).status == 401


def bad_tokens(broken: Broken) -> None:
    assert broken.main.get("/users/me", "no-token", {"User-Agent": "the-attacker"}).status == 401


def too_many_logins(broken: Broken) -> None:
    assert 429 in {broken.main.get("/auth/login", method="POST").status for _ in range(6)}


def is_stopped(broken: Broken) -> None:
    suspend_until_told(broken.main, 1)


INTERVIEWS = r'"upstream":"interview-service","instance":"127\.0\.0\.1:\d+"'
SLOW_ROUTE = r'\d over a second: http_request_duration_seconds\{.*route="/interviews/<id>"'
SLOW_SERVICE = r'\d over a second: service_proxy_duration_seconds\{service="interview-service"\}'

CAUSES: Mapping[str, Cause] = {
    "GatewayDown": Cause((r"PROXY_READ_TIMEOUT.*expected seconds",), of=lambda broken: broken.stopped),
    "GatewayAbsent": Cause((r'1 "scrapePool":"node"', r"^(?!.*api-gateway)")),
    "GatewayErrors": Cause((rf'"statusCode":500.*{INTERVIEWS}',), answers_500),
    "GatewayErrorBudgetFast": Cause(
        (
            r'http_request_errors_total\{method="GET",route="/interviews/<id>",status="500"\}',
            r'service_responses_total\{instance="127.0.0.1:\d+",service="interview-service",status="500"\}',
        ),
        answers_500,
    ),
    "GatewayErrorBudgetSlow": Cause(
        (r'service_proxy_errors_total\{kind="closed",service="interview-service"\}',), resets
    ),
    "GatewaySignInFailing": Cause(
        (r"Keycloak: cannot be reached|Keycloak: keys not read from http://127.0.0.1:1",),
        keycloak_is_down,
        lambda broken: broken.without_keycloak,
    ),
    "GatewaySlow": Cause((rf'"duration":1\d{{3}}\..*{INTERVIEWS},"upstreamDuration":1\d{{3}}',), is_slow),
    "GatewayLatencyBudgetFast": Cause((SLOW_ROUTE, SLOW_SERVICE), is_slow),
    "GatewayLatencyBudgetSlow": Cause((SLOW_ROUTE, SLOW_SERVICE), is_slow),
    "GatewayServiceSlow": Cause((rf'{INTERVIEWS},"upstreamDuration":1\d{{3}}',), is_slow),
    "GatewayServiceFailing": Cause((r'Proxy: interview-service: .*"kind":"closed"',), resets),
    "GatewayBreakerOpen": Cause((r'"upstream":"user-service".*"kind":"connect".*"breaker":"opened"',), is_down),
    "GatewayServiceOverloaded": Cause(
        (
            r'service_calls_in_flight\{service="media-service"\} 3',
            r'service_proxy_errors_total\{kind="overload",service="media-service"\}',
            r'"upstream":"media-service".*"code":"overloaded"',
        ),
        has_no_place,
    ),
    "GatewayRetries": Cause((r'Proxy: interview-service: retry after.*"kind":"closed"',), resets_once),
    "GatewayFull": Cause((r"active_connections [3-9]", r'service_calls_in_flight\{service="media-service"\} 3'), hangs),
    "GatewayClientsLeave": Cause((rf'"url":"/interviews/left".*"userAgent":"impatient".*{INTERVIEWS}',), clients_leave),
    "GatewayTokensUnfit": Cause((r"Auth: token refused: .*aud.*account",), another_audience),
    "GatewayTokenFailures": Cause(
        (r'jwt_validation_errors_total\{reason="malformed"\}', r'"ip":"127.0.0.1"', "the-attacker"), bad_tokens
    ),
    "GatewayRateLimited": Cause((r'1 "rule":"auth.login"', r'1 "ip":"127.0.0.1"'), too_many_logins),
    "GatewayRedisFallback": Cause((r"Redis \(REDIS_URL, 127.0.0.1:\d+/0\): .*(?:refused|no connection)",)),
    "GatewayLimitsUnshared": Cause(
        (r"each worker counts separately.*too large", r"/dev/shm"), of=lambda broken: broken.without_room
    ),
    "GatewayMetricsUnshared": Cause(
        (r"Metrics: worker \d+ reports only its own: File too large", r"/dev/shm"),
        of=lambda broken: broken.without_room,
    ),
    "GatewayLogLinesDropped": Cause((r"Loki \(LOKI_HOST, http://127.0.0.1:1\): cannot be delivered \(.*refused",)),
    "GatewayLoopBlocked": Cause((r"Loop: blocked for \d+\.\d s: the worker was stopped",), is_stopped),
    "GatewaySpansDropped": Cause(
        (r"Jaeger \(JAEGER_ENDPOINT, http://127.0.0.1:1/api/traces\): cannot be delivered \(.*refused",), answers_500
    ),
    "GatewayEventsWaiting": Cause(
        (r"Kafka \(KAFKA_BROKERS, 127.0.0.1:\d+\): .*; events wait",), lambda broken: broken.sign_out(broken.main)
    ),
    "GatewayEventsFailed": Cause(
        (r"Kafka: an event of \d+ bytes was refused permanently.*max.message.bytes",),
        of=lambda broken: broken.refused_events,
    ),
    "GatewayEventsDropped": Cause(
        (r"Kafka \(KAFKA_BROKERS, .*; events wait", r"Kafka: 1 events were not sent before the worker stopped"),
        of=lambda broken: broken.losing_events,
    ),
}


def test_every_alert_has_a_cause() -> None:
    assert list(CAUSES) == [alert["alert"] for alert in alerts()]


@pytest.mark.parametrize("alert", CAUSES)
def test_the_first_command_names_the_cause(broken: Broken, alert: str) -> None:
    cause = CAUSES[alert]
    gateway, command = cause.of(broken), first_command(alert)
    shown = [""]

    def is_named() -> bool:
        """A line is written when its request has ended."""
        shown[0] = run(gateway, command, broken.prometheus.url)
        return all(re.search(pattern, shown[0]) for pattern in cause.names)

    with mended(cause.breaks(broken)):
        try:
            until(is_named, SHOWN_SECONDS, "the cause")
        except AssertionError as error:
            raise AssertionError(f"{error}; not all of {cause.names} are in\n{shown[0]}") from None


@contextmanager
def mended(mend: Callable[[], None] | None) -> Iterator[None]:
    try:
        yield
    finally:
        if mend is not None:
            mend()
