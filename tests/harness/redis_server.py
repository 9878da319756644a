"""A real Redis."""

import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.ports import free_port
from harness.waiting import until

PASSWORD = "MARK-password"


class RedisServer:
    """redis-server on a port that stays its own; nothing is saved, so one that is started again is empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/2"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD],
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )
        try:
            until(lambda: self.cli("PING") == "PONG", 10, "Redis to answer")
        except BaseException:
            self.kill()
            raise

    def cli(self, *command: str) -> str:
        asked = ["redis-cli", "-p", str(self.port), "-n", "2", "--no-auth-warning", "-a", PASSWORD, *command]
        return subprocess.run(asked, capture_output=True, text=True, timeout=10).stdout.strip()

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
