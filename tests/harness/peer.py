"""A server that is not ours, of which a script in tests/peers becomes the process."""

from collections.abc import Mapping
from pathlib import Path

import requests

from harness.lifetime import Server
from harness.repository import SCRIPTS


class Peer(Server):
    """`ports` are environment variables of the script; it is ready when `ready_url` answers below 400."""

    def __init__(
        self, script: str, folder: Path, ports: Mapping[str, int], ready_url: str, arguments: tuple[str, ...] = ()
    ) -> None:
        super().__init__(
            [str(SCRIPTS / script), "run", str(folder), *arguments],
            folder,
            {name: str(port) for name, port in ports.items()},
        )
        self._ready_url = ready_url

    def is_ready(self) -> bool:
        return requests.get(self._ready_url, timeout=2).ok

    def stop(self) -> None:
        """Nothing of it is needed any more."""
        self.kill()
