"""A real Loki: takes lines, finds them again."""

import time
from pathlib import Path

import requests

from harness.peer import Peer
from harness.ports import free_port


class Loki(Peer):
    """`url` is what LOKI_HOST says of it. With `tenants` every call has to name one."""

    def __init__(self, folder: Path, *, tenants: bool = False) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        ports = {"LOKI_PORT": port, "LOKI_GRPC_PORT": free_port()}
        super().__init__("loki.sh", folder, ports, f"{self.url}/ready", ("-auth.enabled=true",) if tenants else ())

    def lines(self, query: str, tenant: str | None = None) -> list[tuple[int, str]]:
        """When (nanoseconds) and what, of all lines of the last hour that a LogQL query finds, in their order."""
        headers = {"X-Scope-OrgID": tenant} if tenant else {}
        asked = {"query": query, "limit": "5000", "start": str(time.time_ns() - 3600 * 10**9), "direction": "forward"}
        answer = requests.get(f"{self.url}/loki/api/v1/query_range", asked, headers=headers, timeout=10)
        assert answer.ok, answer.text
        streams = answer.json()["data"]["result"]
        return sorted((int(at), line) for stream in streams for at, line in stream["values"])

    def count(self, query: str) -> int:
        """How many lines of the last hour a LogQL query finds."""
        asked = {"query": f"sum(count_over_time({query}[1h]))"}
        answer = requests.get(f"{self.url}/loki/api/v1/query", asked, timeout=10)
        assert answer.ok, answer.text
        result = answer.json()["data"]["result"]
        return int(result[0]["value"][1]) if result else 0
