"""A real Jaeger: takes spans both ways, says what it has."""

from pathlib import Path
from typing import Any

import requests

from harness.peer import Peer
from harness.ports import free_port


class Jaeger(Peer):
    """`thrift` is what JAEGER_ENDPOINT says of it, `otlp` what OTEL_EXPORTER_OTLP_ENDPOINT does."""

    def __init__(self, folder: Path) -> None:
        otlp, thrift, query = free_port(), free_port(), free_port()
        self.otlp = f"http://127.0.0.1:{otlp}"
        self.thrift = f"http://127.0.0.1:{thrift}/api/traces"
        self.query = f"http://127.0.0.1:{query}/api"
        ports = {"JAEGER_OTLP_PORT": otlp, "JAEGER_THRIFT_PORT": thrift, "JAEGER_QUERY_PORT": query}
        super().__init__("jaeger.sh", folder, ports, f"{self.query}/services")

    def trace(self, trace_id: int) -> dict[str, Any]:
        """Its spans and processes; empty where it has none of that id."""
        data = requests.get(f"{self.query}/traces/{trace_id:032x}", timeout=5).json()["data"]
        return dict(data[0]) if data else {}

    def names(self, service: str) -> list[str]:
        """The names of all spans of a service."""
        asked = {"service": service, "limit": "100000", "lookback": "1h"}
        data = requests.get(f"{self.query}/traces", asked, timeout=10).json()["data"]
        return [span["operationName"] for trace in data or [] for span in trace["spans"]]
