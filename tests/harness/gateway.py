"""The gateway as it runs in production: gunicorn, its configuration file and its workers, a process apart."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from gateway.services import SERVICES
from harness import http
from harness.asking import Asked, Asking
from harness.issuer import CLIENT, REALM
from harness.ports import free_port
from harness.repository import ROOT
from harness.waiting import until

NOBODY = "http://127.0.0.1:1"
FRONTEND = "http://localhost:3000"
SERVICE_SETTINGS = {spec.path.strip("/"): spec.setting for spec in SERVICES}
"""The setting of each service, by the name that tests have for it: its path."""
DEFAULTS = {
    "NODE_ENV": "development",
    "HOST": "127.0.0.1",
    "KEYCLOAK_CLIENT_ID": CLIENT,
    "KEYCLOAK_CLIENT_SECRET": "client-secret-of-the-tests-0123456789",
    "JWT_AUDIENCE": CLIENT,
    "SESSION_SECRET": "session-secret-of-the-tests-0123456789",
    "FRONTEND_URL": FRONTEND,
    "LOG_LEVEL": "debug",
}
ROOMY = {
    "RATE_LIMIT_DEFAULT": "1000000 per minute",
    "RATE_LIMIT_MEDIA": "1000000 per minute",
    "RATE_LIMIT_AUTH": "1000000 per minute",
}
"""Limits no test reaches by accident."""


StartGateway = Callable[..., "Gateway"]
"""The fixture `start_gateway`: Gateway's arguments, all optional; it runs until the test ends."""


class Realm(Protocol):
    """Who gives the tokens: an Issuer, or a real Keycloak."""

    @property
    def issuer(self) -> str:
        """Its `iss`."""

    @property
    def url(self) -> str:
        """The realm as the gateway reaches it."""

    @property
    def up(self) -> bool:
        """Whether it answers."""


class StartError(AssertionError):
    """The gateway ended, or did not answer, before it served."""


class Gateway(Asking):
    """A running gateway, up when the constructor returns.

    `env` goes over DEFAULTS, a value of None takes a setting away. It runs in `cwd`, keeps its files below,
    and reads the `.env` the test put there, if any. `ready=False` does not wait for Keycloak's keys. `app` is what
    gunicorn serves. It listens on `unix`, a Unix socket, too. `stdout` is a descriptor for its lines, which are then in
    no file.
    """

    def __init__(
        self,
        env: Mapping[str, str | None] | None = None,
        *,
        issuer: Realm | None = None,
        services: Mapping[str, str] | None = None,
        workers: int = 1,
        cwd: Path,
        ready: bool | None = None,
        app: str = "wsgi:app",
        unix: Path | None = None,
        stdout: int | None = None,
    ) -> None:
        self.port = free_port()
        self.app = app
        self.url = f"http://127.0.0.1:{self.port}"
        self.cwd = cwd
        self.own = cwd / f"run-{self.port}-{secrets.token_hex(3)}"
        (self.own / "tmp").mkdir(parents=True)
        self.env = self._environment(issuer, services or {}, workers, env or {})
        if unix is not None:
            self.env["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{self.port} --bind unix:{unix}"
        self._stdout, self._stderr = self.own / "stdout", self.own / "stderr"
        self._lines_to = stdout
        self.process = self._spawn()
        self.pid = self.process.pid
        try:
            self._wait_up(ready if ready is not None else bool(issuer and issuer.up))
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    def _environment(
        self, issuer: Realm | None, services: Mapping[str, str], workers: int, env: Mapping[str, str | None]
    ) -> dict[str, str]:
        merged: dict[str, str | None] = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.own),
            "TMPDIR": str(self.own / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            **DEFAULTS,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(workers),
            "KEYCLOAK_ISSUER_URL": issuer.issuer if issuer else NOBODY + REALM,
            "KEYCLOAK_REDIRECT_URI": f"{self.url}/auth/callback",
            **{variable: services.get(name, NOBODY) for name, variable in SERVICE_SETTINGS.items()},
            **env,
        }
        if issuer and issuer.issuer != issuer.url:
            merged.setdefault("KEYCLOAK_INTERNAL_URL", issuer.url)
        return {name: value for name, value in merged.items() if value is not None}

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), self.app]
        with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
            return subprocess.Popen(
                command, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL,
                stdout=out if self._lines_to is None else self._lines_to, stderr=err, start_new_session=True,
            )  # fmt: skip

    def _wait_up(self, ready: bool) -> None:
        self._wait_for("/health/live", 60)
        if ready:
            self._wait_for("/health/ready", 30)

    def _wait_for(self, path: str, seconds: float) -> None:
        def answers() -> bool:
            if self.process.poll() is not None:
                raise StartError(f"the gateway ended with {self.process.returncode}:\n{self.raw_output()}")
            try:
                return self.get(path).status == 200
            except OSError:
                return False

        try:
            until(answers, seconds, f"{path} of the gateway")
        except AssertionError as error:
            raise StartError(f"{error}\n{self.raw_output()}") from None

    def exchange(self, asked: Asked, timeout: float) -> http.Answer:
        return http.request(self.port, *asked, timeout=timeout)

    def raw_output(self) -> str:
        """All it wrote so far, on stdout and on stderr."""
        return "".join(file.read_text(errors="surrogateescape") for file in (self._stdout, self._stderr))

    @property
    def stdout(self) -> bytes:
        return self._stdout.read_bytes()

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="surrogateescape")

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of stdout; AssertionError when one is no JSON object."""
        return [parsed(line) for line in self.stdout.split(b"\n")[:-1]]

    def wait_line(self, predicate: Callable[[dict[str, Any]], object], timeout: float = 15) -> dict[str, Any]:
        """The first line that fits; AssertionError after `timeout` seconds without one."""
        try:
            return until(lambda: next(filter(predicate, self.lines()), None), timeout, "a log line") or {}
        except AssertionError as error:
            last = "\n".join(map(str, self.lines()[-10:]))
            raise AssertionError(f"{error}; the last lines were\n{last}") from None

    def access_line(self, url: str) -> dict[str, Any]:
        """The access line of a request, by the `url` it logs."""
        return self.wait_line(lambda line: line.get("url") == url and "statusCode" in line)

    def provoke(self, data: bytes) -> None:
        """Send these bytes and end; what it answers to them, if anything, is another test's matter."""
        with suppress(OSError, ValueError):
            http.send(self.port, data, timeout=2, half_close=True)

    def workers(self) -> list[int]:
        """The master's living children."""
        return sorted(pid for pid, parent, state in processes() if parent == self.pid and state != "Z")

    def rss(self) -> int:
        """Resident memory of master and workers, in bytes."""
        return sum(resident(pid) for pid in [self.pid, *self.workers()])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit code; subprocess.TimeoutExpired when it runs on."""
        return self.process.wait(timeout)

    def stop(self) -> None:
        """SIGTERM; AssertionError when it does not end in time, or leaves a worker behind."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self.wait(40)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"SIGTERM did not end the gateway:\n{self.raw_output()[-3000:]}") from None
        finally:
            survivors = alive(self.pid)
            self.kill()
        assert not survivors, f"the gateway ended and left {survivors} behind"

    def restart(self) -> None:
        """SIGTERM, then begun anew, as an operator does with a new version; up when it returns."""
        self.stop()
        self.start()

    def start(self) -> None:
        """Begin anew at the same port, after `stop`; up when it returns."""
        self.process = self._spawn()
        self.pid = self.process.pid
        self._wait_up(True)

    def kill(self) -> None:
        """End what is left of its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        end = time.monotonic() + 5
        while alive(self.pid) and time.monotonic() < end:
            time.sleep(0.01)


def parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        raise AssertionError(f"a line of stdout is no JSON: {line[:500]!r}") from None
    assert isinstance(value, dict), f"a line of stdout is no JSON object: {line[:500]!r}"
    return value


def alive(group: int) -> list[int]:
    """The pids of a process group that are no zombies."""
    return [pid for pid, _, state in processes(group) if state != "Z"]


def processes(group: int | None = None) -> list[tuple[int, int, str]]:
    """(pid, parent, state) of every process, or of one group's."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, parent, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if group is None or int(pgrp) == group:
            found.append((int(folder.name), int(parent), state))
    return found


def resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
