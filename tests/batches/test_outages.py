"""A gateway whose Loki, Jaeger and OTLP collector are away: its clients do not notice, what is lost is counted, and
what was kept arrives when they are back."""

import json
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.load import Load
from harness.metrics import Metrics, counted, scrape
from harness.waiting import until
from harness.watchers import Watchers

pytestmark = [pytest.mark.conformance("F4"), pytest.mark.timed]

STOP = 15
OUT = 60
"""Seconds."""
MIB = 1 << 20
NAMES = ("Loki (LOKI_HOST, ", "Jaeger (JAEGER_ENDPOINT, ", "OTLP (OTEL_EXPORTER_OTLP_ENDPOINT, ")
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "200"}
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}
LONG = "/interviews/" + "x" * 4000


@pytest.fixture(scope="module")
def module_watchers() -> Iterator[Watchers]:
    with Watchers() as running:
        yield running


@pytest.fixture(scope="module")
def watched(make_gateway: GatewayFactory, module_watchers: Watchers) -> Iterator[Gateway]:
    """Like `gateway`, with all three; it is never started again, whatever becomes of them."""
    env = {**SOON, **module_watchers.env}
    with make_gateway(env) as running:
        yield running
    running.lines()


@pytest.fixture
def watchers() -> Iterator[Watchers]:
    with Watchers() as running:
        yield running


def logged(gateway: Gateway) -> list[str]:
    """What it said of the three."""
    return [line["message"] for line in gateway.lines() if line.get("logger") in ("gateway.loki", "gateway.traces")]


def lost(metrics: Metrics) -> tuple[float, float]:
    """Lines and spans."""
    return metrics.value("log_lines_dropped_total", where="loki"), metrics.value("spans_dropped_total")


def arrived(watchers: Watchers, paths: set[str]) -> bool:
    return all(paths <= found for found in watchers.paths())


def hanging(watchers: Watchers) -> None:
    watchers.say(replies.hang())


def failing(watchers: Watchers) -> None:
    watchers.say(replies.sized(500, body=b"no"))


def dying(watchers: Watchers) -> None:
    """In the middle of an answer."""
    watchers.say(replies.reset(b"HTTP/1.1 2"))


@pytest.mark.parametrize("outage", [Watchers.refuse, hanging, failing, dying], ids=["refuse", "hang", "fail", "die"])
def test_requests_go_on_and_all_arrives_in_the_end(
    gateway: Gateway,
    watched: Gateway,
    module_watchers: Watchers,
    bearer: dict[str, str],
    request: pytest.FixtureRequest,
    outage: Callable[[Watchers], None],
) -> None:
    """Requests to a gateway without the three tell how fast this machine is just now: whoever waited for a peer that
    hangs would wait 2 seconds. The outage lasts until every queue knows of it and some more, and is short enough
    that nothing is lost."""
    watchers, mark = module_watchers, request.node.callspec.id
    before, lost_before = len(logged(watched)), lost(scrape(watched))
    outage(watchers)
    plain: list[float] = []
    took: list[float] = []
    paths: set[str] = set()

    def ask(each: Gateway, times: list[float], path: str) -> None:
        began = time.monotonic()
        assert each.get(path, headers=bearer, timeout=20).status == 200
        times.append(time.monotonic() - began)

    def ask_until(end: Callable[[], bool], seconds: float) -> None:
        began = time.monotonic()
        while not end():
            assert time.monotonic() - began < seconds, logged(watched)[before:]
            paths.add(f"/interviews/{mark}-{len(paths)}")
            ask(gateway, plain, "/interviews/plain")
            ask(watched, took, f"/interviews/{mark}-{len(paths) - 1}")
            time.sleep(0.01)

    def all_logged() -> bool:
        new = logged(watched)[before:]
        return all(any(text.startswith(name) for text in new) for name in NAMES)

    ask_until(all_logged, 20)
    known = len(took)
    end = time.monotonic() + 1.5
    ask_until(lambda: time.monotonic() > end and len(took) > known + 5, 20)
    assert not any(paths & found for found in watchers.paths())
    assert statistics.median(took[known:]) < 5 * statistics.median(plain[known:]) + 0.1
    assert max(took) < max(plain) + 1.5

    watchers.come_back()
    until(lambda: arrived(watchers, paths), 20, "all to arrive")
    new = until(lambda: len(found := logged(watched)[before:]) >= 6 and found, 10, "the end of three outages")
    for name in NAMES:
        down, up = (text for text in new if text.startswith(name))
        assert "cannot be delivered (" in down and up.endswith("delivered again, 0 were dropped")
    assert lost(scrape(watched)) == lost_before


def test_what_is_lost_is_counted(start_gateway: StartGateway, watchers: Watchers, bearer: dict[str, str]) -> None:
    """Spans that have no room; lines that Loki does not want."""
    gateway = start_gateway({**SOON, **watchers.env, "OTEL_BSP_MAX_QUEUE_SIZE": "10"})
    until(lambda: arrived(watchers, {"/health/ready"}), 10, "what is told of the start")
    assert lost(scrape(gateway)) == (0, 0)
    watchers.refuse()
    for number in range(30):
        assert gateway.get(f"/interviews/{number}", headers=bearer).status == 200
    # A server span and a client span each, to two collectors; ten are kept for each, and whoever looks makes another.
    counted(gateway, lambda metrics: lost(metrics)[1] >= 2 * 2 * 30 - 2 * 10)
    watchers.loki.answer = replies.sized(400)
    watchers.loki.start()
    counted(gateway, lambda metrics: lost(metrics)[0] >= 30, 20)
    gateway.wait_line(lambda line: "refused by the receiver (status 400)" in line["message"])


def fill(gateway: Gateway, stop: Callable[[], object], seconds: float) -> None:
    """Fill its queues with large lines; those requests cost little."""
    end = time.monotonic() + seconds
    with http.Connection(gateway.port, timeout=15) as connection:
        while not stop():
            for _ in range(200):
                connection.request("GET", "/nobody" + "x" * 6000)
                assert connection.receive().status == 404
            assert time.monotonic() < end, f"not full after {seconds} s"


def loki_hangs(watchers: Watchers) -> None:
    watchers.loki.answer = replies.hang()


def jaeger_refuses(watchers: Watchers) -> None:
    watchers.jaeger.stop()


def otlp_fails(watchers: Watchers) -> None:
    watchers.otlp.answer = replies.sized(500)


def all_are_away(watchers: Watchers) -> None:
    for outage in (loki_hangs, jaeger_refuses, otlp_fails):
        outage(watchers)


# With each outage: how many lines and spans a request loses (a server span and a client span for each collector).
OUTAGES = {loki_hangs: (1, 0), jaeger_refuses: (0, 2), otlp_fails: (0, 2), all_are_away: (1, 4)}


def losing_all(counts: tuple[float, float], losses: tuple[int, int]) -> bool:
    """Whether all that is lost in an outage is being lost."""
    return all(count or not times for count, times in zip(counts, losses, strict=True))


def test_memory_is_flat_for_a_minute_of_each_outage(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    """A gateway for each outage, all at the same time. Measured from where the queues of what is away are full: without
    bounds it would be 4 KiB a request more for Loki and for each collector."""
    with ExitStack() as running:
        gateways = []
        for outage, losses in OUTAGES.items():
            watchers = running.enter_context(Watchers())
            gateway = start_gateway({**SOON, **watchers.env, "LOG_LEVEL": "info"})
            outage(watchers)
            fill(gateway, lambda: losing_all(lost(scrape(gateway)), losses), 60)
            gateways.append(gateway)
        full = [lost(scrape(gateway)) for gateway in gateways]
        loads = [running.enter_context(Load(gateway, bearer, LONG)) for gateway in gateways]
        time.sleep(5)
        before = [gateway.rss() for gateway in gateways]
        time.sleep(OUT)
        grown = [gateway.rss() - then for gateway, then in zip(gateways, before, strict=True)]
    for gateway, load, then, more, per_request in zip(gateways, loads, full, grown, OUTAGES.values(), strict=True):
        assert load.failures == []
        assert load.good > 100
        assert more < 16 * MIB, f"{more / MIB:.1f} MiB more after {load.good} requests"
        for now, was, times in zip(lost(scrape(gateway)), then, per_request, strict=True):
            assert 0.9 * times * load.good <= now - was <= 1.1 * times * load.good
    assert all(any(text.startswith(name) for text in logged(gateways[-1])) for name in NAMES)


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_while_all_hang(
    start_gateway: StartGateway, watchers: Watchers, bearer: dict[str, str], workers: int
) -> None:
    gateway = start_gateway({**SOON, **watchers.env}, workers=workers)
    until(lambda: len(gateway.workers()) == workers, 10)
    watchers.say(replies.hang())
    for number in range(20):
        assert gateway.get(f"/interviews/{number}", headers=bearer).status == 200
    began = time.monotonic()
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(STOP) == 0
    assert time.monotonic() - began < STOP
    for name in NAMES:
        assert any(text.startswith(name) and text.endswith("not delivered") for text in logged(gateway)), name


@pytest.mark.conformance("S1")
def test_the_last_ones_are_sent_at_the_end(
    start_gateway: StartGateway, watchers: Watchers, bearer: dict[str, str]
) -> None:
    """A gateway that had no time to send by itself; it ends under load, in requests that are served."""
    gateway = start_gateway({**LATE, **watchers.env}, workers=2)
    paths = {f"/interviews/{number}" for number in range(40)}
    for path in paths:
        assert gateway.get(path, headers=bearer).status == 200
    assert not any(paths & found for found in watchers.paths()[1:])
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(STOP) == 0
    assert arrived(watchers, paths)
    assert not logged(gateway)


def test_loki_has_the_lines_of_standard_output(
    start_gateway: StartGateway, watchers: Watchers, bearer: dict[str, str]
) -> None:
    """The same bytes: of requests good, bad and unreadable, of gunicorn's master and workers, and of what goes wrong.
    Only what is said when no worker is left is not there."""
    env = {**watchers.env, "GUNICORN_CMD_ARGS": "--max-requests 30"}
    gateway = start_gateway(env, services={}, workers=2)
    workers = set(until(lambda: len(found := gateway.workers()) == 2 and found, 10))
    for number in range(20):
        gateway.get(f"/interviews/{number}", headers=bearer)  # nobody serves them
        gateway.get(f"/nobody/{number}")
        gateway.get("/users/me", "MARK-bad-token")
    gateway.provoke(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n")
    until(lambda: workers - set(gateway.workers()), 20, "a worker to be recycled")
    until(lambda: len(gateway.workers()) == 2, 20, "two workers")
    old = set(gateway.workers())
    gateway.signal(signal.SIGHUP)
    until(lambda: len(gateway.workers()) == 2 and not old & set(gateway.workers()), 30, "two new workers")
    gateway.get("/the/last/one")
    gateway.access_line("/the/last/one")
    assert lost(scrape(gateway)) == (0, 0)
    gateway.stop()
    written = gateway.stdout.splitlines()
    sent = Counter(watchers.lines())
    assert not sent - Counter(written)
    before, last = split_at(written, b"Handling signal: term")
    assert not Counter(before) - sent
    assert {json.loads(line).get("logger") for line in (Counter(last) - sent)} <= {"gunicorn.error"}
    messages = b"\n".join(sent)
    for part in (b"Autorestarting worker", b"HTTP: refused", b"/nobody/7 404", b"Proxy: ", b"the/last/one 404"):
        assert part in messages, part
    for part in (b"Listening at", b"Gateway: version", b"Booting worker", b"Worker exiting", b"Handling signal: term"):
        assert part in messages, part


def split_at(lines: list[bytes], part: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines before the first that has this part, and the others."""
    place = next(number for number, line in enumerate(lines) if part in line)
    return lines[:place], lines[place:]
