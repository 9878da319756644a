"""A candidate as a running server, its own process group, its output read through a pipe as in a container."""

import fcntl
import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from bench import cpu
from bench.failed import Failed

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30
_KEPT_OUTPUT = 16_384
_PIPE_BYTES = 1 << 20
"""So that no writer waits for this process, which shares its core with the load."""

_DROPPED = re.compile(r"^(?:log_lines|spans)_dropped_total(?:\{.*\})? (\S+)$", re.MULTILINE)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`command` with no environment but `env`, on `cores`; serving once the constructor returns."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], port: int, probe: str, cores: set[int]) -> None:
        """`probe` is a path that answers below 500 once it serves."""
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.lines = 0
        """That it wrote so far."""
        self._command = command
        self._output = b""
        self._folder = tempfile.TemporaryDirectory()  # no `.env` of this checkout is read
        basics = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self._folder.name, "PYTHONPATH": str(ROOT)}
        with cpu.pinned(cores):
            self._process = subprocess.Popen(
                command,
                cwd=self._folder.name,
                env={**basics, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=self._drain, daemon=True).start()
        try:
            self._await(port, probe)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """The last of what it wrote."""
        return self._output.decode(errors="replace")

    @property
    def workers(self) -> list[int]:
        """The pids of the group but the master's."""
        return sorted(cpu.usage(self._process.pid).pids - {self._process.pid})

    @property
    def dropped(self) -> float:
        """Log lines and spans that the gateway says it could not deliver."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return sum(map(float, _DROPPED.findall(answer.read().decode())))

    def usage(self) -> cpu.Usage:
        """What master and workers have used."""
        return cpu.usage(self._process.pid)

    def stop(self) -> None:
        """End it, by force where it does not listen."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._folder.cleanup()

    def _drain(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            while data := os.read(pipe.fileno(), 65_536):
                self.lines += data.count(b"\n")
                self._output = (self._output + data)[-_KEPT_OUTPUT:]

    def _await(self, port: int, probe: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", probe)
                if connection.getresponse().status < 500:
                    connection.close()
                    return
            time.sleep(0.1)
        raise Failed(f"{' '.join(self._command)} does not serve:\n{self.output}")
