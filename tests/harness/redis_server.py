"""A real Redis."""

import subprocess
from pathlib import Path

from harness.lifetime import Server
from harness.ports import free_port

PASSWORD = "MARK-password"


class RedisServer(Server):
    """redis-server on a port that stays its own; nothing is saved, so one that is started again is empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/2"
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--requirepass": PASSWORD}
        super().__init__(["redis-server", *(word for pair in options.items() for word in pair)], folder)

    def is_ready(self) -> bool:
        return self.cli("PING") == "PONG"

    def cli(self, *command: str) -> str:
        asked = ["redis-cli", "-p", str(self.port), "-n", "2", "--no-auth-warning", "-a", PASSWORD, *command]
        return subprocess.run(asked, capture_output=True, text=True, timeout=10).stdout.strip()

    def stop(self) -> None:
        """Nothing of it is needed any more."""
        self.kill()
