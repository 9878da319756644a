"""Debian's Prometheus, with the configuration and the alerts that the project ships."""

import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from harness.monitoring import PROMETHEUS
from harness.nginx import replaced
from harness.ports import free_port
from harness.waiting import until

NOBODY = "127.0.0.1:1"


class Prometheus:
    """Asks the gateway each second, and each alert fires after a second: the rest is as it is shipped.

    `alertmanager` is the host and port that fired alerts are sent to.
    """

    def __init__(self, folder: Path, gateway: int, alertmanager: str = NOBODY) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(
            replaced(
                (PROMETHEUS / "prometheus.yml").read_text(),
                {
                    "10.0.0.11:3001, 10.0.0.12:3001": f"127.0.0.1:{gateway}",
                    "alertmanager.example.com:9093": alertmanager,
                    "scrape_interval: 15s": "scrape_interval: 1s",
                    "evaluation_interval: 15s": "evaluation_interval: 1s",
                },
            )
        )
        rules, count = re.subn(r"\bfor: \d+m\b", "for: 1s", (PROMETHEUS / "alerts.yml").read_text())
        assert count
        (folder / "alerts.yml").write_text(rules)

    def __enter__(self) -> Self:
        log = (self._folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder,
            )  # fmt: skip
        try:
            until(self._is_ready, 30, "Prometheus to be ready")
            until(lambda: self.query('up{job="api-gateway"} == 1'), 30, "Prometheus to reach the gateway")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an instant query; AssertionError where Prometheus does not take it."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        assert answer["data"]["resultType"] == "vector"
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def value(self, expression: str) -> float | None:
        """Of an expression with one series; None where it has none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now, each with its labels and annotations."""
        alerts = requests.get(f"{self.url}/api/v1/alerts", timeout=20).json()["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]
