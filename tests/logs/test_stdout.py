"""Standard output that hangs, is slow or goes away stops nobody; what it does not take is counted."""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from harness.gateway import ROOMY, Gateway, StartGateway, parsed
from harness.issuer import Issuer
from harness.metrics import counted, scrape
from harness.waiting import until

from gateway.logs.stdout import STDOUT_QUEUE_BYTES, Output, QueuedOutput, ThreadOutput, open_output

pytestmark = pytest.mark.conformance("L8")

LINE = b'{"message":"' + b"x" * 986 + b'"}\n'
SERVED = 400
"""Requests whose lines, at debug, are several times what a pipe holds."""


def read_all(file: int) -> bytes:
    found = b""
    os.set_blocking(file, False)
    with suppress(BlockingIOError):
        while data := os.read(file, 1 << 16):
            found += data
    return found


class TestOutput:
    @pytest.fixture(params=["pipe", "socket"])
    def ends(self, request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
        """What reads and what writes, blocking."""
        if request.param == "pipe":
            reader, writer = os.pipe()
        else:
            pair = socket.socketpair()
            reader, writer = (each.detach() for each in pair)
        yield reader, writer
        for file in (reader, writer):
            with suppress(OSError):
                os.close(file)

    @pytest.fixture
    def open_to(self) -> Iterator[Callable[..., Output]]:
        """`open_output`, closed when the test ends."""
        with ExitStack() as opened:

            def open_to(writer: int, *, threads: bool) -> Output:
                output = open_output(threads=threads, file=writer)
                opened.callback(output.close)
                return output

            yield open_to

    @staticmethod
    def fill(output: Output) -> int:
        """Write until lines are lost; how many were taken."""
        for count in range(100_000):
            if output.write(LINE):
                return count
        raise AssertionError("it takes for ever")

    @pytest.mark.parametrize("threads", [True, False])
    def test_that_nobody_reads_keeps_some_lines_and_loses_the_rest(
        self, ends: tuple[int, int], open_to: Callable[..., Output], threads: bool
    ) -> None:
        reader, writer = ends
        output = open_to(writer, threads=threads)
        taken = self.fill(output)
        assert STDOUT_QUEUE_BYTES < taken * len(LINE) < STDOUT_QUEUE_BYTES + (1 << 20)
        assert output.waiting
        found, lost = b"", 0
        while len(found) < taken * len(LINE):
            found += read_all(reader)
            lost += output.write(b"")
        assert found == LINE * taken
        assert (output.waiting, lost) == (False, 0)

    def test_sets_no_flag_that_others_share(self, ends: tuple[int, int], open_to: Callable[..., Output]) -> None:
        _, writer = ends
        before = fcntl.fcntl(writer, fcntl.F_GETFL)
        self.fill(open_to(writer, threads=True))
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
        assert os.get_blocking(writer)

    def test_that_is_closed_loses_lines(self, ends: tuple[int, int], open_to: Callable[..., Output]) -> None:
        reader, writer = ends
        output = open_to(writer, threads=False)
        os.close(reader)
        assert output.write(LINE * 3) == 3
        assert not output.waiting

    def test_to_a_file_is_appended_by_a_thread(self, tmp_path: Path, open_to: Callable[..., Output]) -> None:
        path = tmp_path / "log"
        path.write_bytes(LINE)
        writer = os.open(path, os.O_WRONLY | os.O_APPEND)
        output = open_to(writer, threads=True)
        assert isinstance(output, ThreadOutput)
        assert output.write(LINE) == 0
        until(lambda: not output.waiting, 5, "the thread")
        assert path.read_bytes() == LINE * 2

    def test_of_a_thread_that_hangs_is_bounded(self) -> None:
        reader, writer = os.pipe()
        output = ThreadOutput(writer)
        taken = self.fill(output)
        in_the_pipe = (1 << 16) // len(LINE) + 1
        assert 0 <= taken - STDOUT_QUEUE_BYTES // len(LINE) <= in_the_pipe
        os.close(reader)  # the write that hangs ends by an error, as all after it
        until(lambda: not output.waiting, 5, "the thread")
        assert output.write(b"") >= taken - in_the_pipe
        output.close()
        os.close(writer)

    def test_without_a_way_around_waits_until_it_may_write(
        self, tmp_path: Path, open_to: Callable[..., Output]
    ) -> None:
        """A file takes at once, without a thread too: gunicorn's master has none, it forks."""
        path = tmp_path / "log"
        writer = os.open(path, os.O_WRONLY | os.O_CREAT, stat.S_IRUSR)
        output = open_to(writer, threads=False)
        assert isinstance(output, QueuedOutput)
        assert output.write(LINE) == 0 and not output.waiting
        assert path.read_bytes() == LINE


class TestGateway:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, int]]:
        reader, writer = os.pipe()
        yield reader, writer
        for file in (reader, writer):
            with suppress(OSError):
                os.close(file)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_whose_lines_nobody_reads_serves_on(
        self, start_gateway: StartGateway, issuer: Issuer, pipe: tuple[int, int], workers: int
    ) -> None:
        """The master's lines do not stop it either: it replaces a worker. All flows again once somebody reads."""
        reader, writer = pipe
        gateway = start_gateway(ROOMY, stdout=writer, workers=workers)
        token = issuer.mint()

        def lost() -> float:
            return scrape(gateway).value("log_lines_dropped_total", where="stdout")

        url = f"/interviews/{'x' * 3000}"
        end = time.monotonic() + 60
        while not lost():
            assert time.monotonic() < end
            for _ in range(SERVED):
                assert gateway.get(url, token).status == 200
        read_all(reader)
        until(lambda: b"standard output accepts lines again" in read_all(reader), 10, "the line that says so")
        assert gateway.get("/interviews/now-again", token).status == 200
        until(lambda: b"now-again" in read_all(reader), 5, "its line")

    def test_that_stops_does_not_wait_for_its_reader(
        self, start_gateway: StartGateway, issuer: Issuer, pipe: tuple[int, int]
    ) -> None:
        reader, writer = pipe
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        gateway = start_gateway(ROOMY, stdout=writer)
        for _ in range(30):
            assert gateway.get("/interviews/1", issuer.mint()).status == 200
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 15
        lines = read_all(reader).splitlines()
        assert all(parsed(line) for line in lines)

    def test_whose_reader_ended_serves_on(
        self, start_gateway: StartGateway, issuer: Issuer, pipe: tuple[int, int]
    ) -> None:
        reader, writer = pipe
        gateway = start_gateway(ROOMY, stdout=writer)
        os.close(reader)
        os.close(writer)
        assert [gateway.get("/interviews/1", issuer.mint()).status for _ in range(20)] == [200] * 20
        counted(gateway, lambda now: now.value("log_lines_dropped_total", where="stdout") > 0)


def test_every_line_of_two_workers_is_whole(start_gateway: StartGateway, issuer: Issuer) -> None:
    """They share one pipe."""
    reader, writer = os.pipe()
    gateway: Gateway = start_gateway({**ROOMY, "LOG_LEVEL": "info"}, stdout=writer, workers=2)
    os.close(writer)
    token = issuer.mint()
    found = b""
    for number in range(200):
        assert gateway.get(f"/interviews/{number}", token).status == 200
        found += read_all(reader)
    gateway.stop()
    found += read_all(reader)
    os.close(reader)
    urls = {parsed(line).get("url") for line in found.splitlines()}
    assert {f"/interviews/{number}" for number in range(200)} <= urls
