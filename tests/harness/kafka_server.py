"""A real Kafka."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from harness.gateway import processes
from harness.kafka import Reader
from harness.lifetime import Process
from harness.ports import free_port
from harness.repository import SCRIPTS
from harness.waiting import until

SCRIPT = SCRIPTS / "kafka.sh"
OLD, NEW = "3.9.2", "4.4.0"


class KafkaServer(Process):
    """One broker on a port that stays its own; `extra` are lines of its server.properties. Its data live in `folder`,
    also while it is down; `start` may be another `version` with a folder of its own."""

    def __init__(self, folder: Path, version: str, extra: str = "") -> None:
        self.folder = folder
        self.version = version
        self.extra = extra
        self.port = free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self._pid: int | None = None

    def start(self) -> None:
        folder = self.folder / self.version
        command = [str(SCRIPT), "start", self.version, str(self.port), str(folder)]
        done = subprocess.run(
            command, env={**os.environ, "KAFKA_EXTRA": self.extra}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        self._pid = int((folder / "pid").read_text())

    def reader(self) -> Reader:
        return Reader(self.brokers)

    def stop(self) -> None:
        """Nothing of it is needed any more."""
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def _wait(self) -> None:
        if self._pid is not None:
            until(lambda: not alive(self._pid), 30, "Kafka to end")
            self._pid = None


def alive(pid: int | None) -> bool:
    """Nobody reaps what a script has left: one that is a zombie has ended."""
    return any(found == pid and state != "Z" for found, _, state in processes())
