"""The load: wrk, every request with the next of the users' credentials."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import cpu
from bench.credentials import CREDENTIALS
from bench.failed import Failed
from bench.loads import Shape
from bench.server import Server
from bench.tokens import Issuer

_SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True)
class Run:
    """What one run of wrk came to: times in ms, `wrong` answers that had another status or were not whole, `broken`
    connections (refused, reset, timed out)."""

    requests: int
    seconds: float
    p50: float
    p99: float
    wrong: int
    broken: int


@dataclass(frozen=True)
class Sample:
    """A run, and what it cost the server: `cpu` in us per request, `resident` in bytes at its end, `lines` that it
    wrote per request."""

    run: Run
    cpu: float
    resident: int
    lines: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.run.requests / self.run.seconds

    @property
    def busy(self) -> float:
        """Cores' worth of processor time the server got: below 1 a worker, others were served in its place."""
        return self.cpu * self.rate / 1e6


class Load:
    """wrk on `cores` over so many `connections`, with credentials of the issuer's users in files of `folder`."""

    def __init__(self, folder: Path, issuer: Issuer, cores: set[int], connections: int) -> None:
        """Failed where there is no wrk."""
        found = shutil.which("wrk")
        if found is None:
            raise Failed("wrk makes the load and is not here. Debian, Ubuntu: apt-get install wrk")
        self._wrk = found
        self._folder = folder
        self._issuer = issuer
        self._cores = cores
        self._connections = connections

    def start(self, server: Server, shape: Shape, seconds: float) -> "subprocess.Popen[str]":
        """wrk, running against the server for whole seconds."""
        answer = -1 if shape.answer is None else shape.answer
        command = [
            self._wrk, "-t1", f"-c{self._connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
            "-s", str(_SCRIPT), server.url + shape.path, "--", str(self._credentials(shape.credentials, server)),
            shape.method, str(shape.body), str(shape.status), str(answer),
        ]  # fmt: skip
        with cpu.pinned(self._cores):
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _credentials(self, kind: str, server: Server) -> Path:
        file = self._folder / kind  # made once: cookies are those of the one gateway that is asked with them
        if not file.exists():
            file.write_text("".join(f"{line}\n" for line in CREDENTIALS[kind](self._issuer, server.url)))
        return file

    def run(self, server: Server, shape: Shape, seconds: float) -> Run:
        """One run. Failed where wrk fails, or any answer is not what the shape wants."""
        with self.start(server, shape, seconds) as wrk:
            output, _ = wrk.communicate()
        return judged(output, server)

    def sample(self, server: Server, shape: Shape, seconds: float) -> Sample:
        """One run, with the processor time that every process of the server spent in it.

        What the calls cost that were under way when wrk stopped is counted, they are not: at most one a connection.
        """
        before, lines = server.usage(), server.lines
        run = self.run(server, shape, seconds)
        after = server.usage()
        if before.pids != after.pids:
            raise Failed(f"a process ended, or began, under load:\n{server.output}")
        written = (server.lines - lines) / run.requests
        return Sample(run, (after.seconds - before.seconds) * 1e6 / run.requests, after.resident, written)


def judged(output: str, server: Server) -> Run:
    """What wrk printed, as a Run without a single error; else Failed."""
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        raise Failed(f"wrk failed:\n{output}")
    run = Run(**json.loads(last))
    if run.wrong or run.broken or not run.requests:
        raise Failed(
            f"{run.wrong} of {run.requests} answers were not as they should be, {run.broken} connections broke; the"
            f" server's last words:\n{server.output[-4000:]}"
        )
    return run
