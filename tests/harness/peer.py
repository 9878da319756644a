"""A server that is not ours: its script becomes it, on ports that stay its own."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from harness.repository import SCRIPTS
from harness.waiting import until


class Peer:
    """Runs until the `with` ends; started again it finds its files as they were left."""

    def __init__(
        self, script: str, folder: Path, ports: Mapping[str, int], ready_url: str, arguments: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self._command = [str(SCRIPTS / script), "run", str(folder), *arguments]
        self._environ = {**os.environ, **{name: str(port) for name, port in ports.items()}}
        self._ready_url = ready_url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until(self._is_ready, 60, f"{self._command[0]} to answer")
        except BaseException:
            self.kill()
            raise

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()[-3000:]
        try:
            return requests.get(self._ready_url, timeout=2).ok
        except requests.RequestException:
            return False

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
