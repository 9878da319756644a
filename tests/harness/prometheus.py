"""Debian's Prometheus, with the configuration and the alerts that the project ships."""

import re
import time
from pathlib import Path
from typing import Any

import requests

from harness.lifetime import Server
from harness.monitoring import PROMETHEUS
from harness.nginx import replaced
from harness.ports import free_port
from harness.waiting import until

NOBODY = "127.0.0.1:1"


class Prometheus(Server):
    """Asks the gateway each second, and each alert fires after a second: the rest is as it is shipped.

    `alertmanager` is the host and port that fired alerts are sent to, `job` what its one job is called.
    """

    def __init__(self, folder: Path, gateway: int, alertmanager: str = NOBODY, job: str = "api-gateway") -> None:
        self._job = job
        self.url = f"http://127.0.0.1:{free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]
        super().__init__(command, folder)
        (folder / "prometheus.yml").write_text(
            replaced(
                (PROMETHEUS / "prometheus.yml").read_text(),
                {
                    "10.0.0.11:3001, 10.0.0.12:3001": f"127.0.0.1:{gateway}",
                    "alertmanager.example.com:9093": alertmanager,
                    "job_name: api-gateway": f"job_name: {job}",
                    "scrape_interval: 15s": "scrape_interval: 1s",
                    "evaluation_interval: 15s": "evaluation_interval: 1s",
                },
            )
        )
        rules, count = re.subn(r"\bfor: \d+m\b", "for: 1s", (PROMETHEUS / "alerts.yml").read_text())
        assert count
        (folder / "alerts.yml").write_text(rules)

    def start(self) -> None:
        super().start()
        until(lambda: self.query(f'up{{job="{self._job}"}} == 1'), 30, "Prometheus to reach the gateway")

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/-/ready", timeout=5).status_code == 200

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an instant query; AssertionError where Prometheus does not take it."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        assert answer["data"]["resultType"] == "vector"
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def exemplars(self, selector: str) -> set[str]:
        """The trace ids of the exemplars of the last minutes."""
        now = time.time()
        asked = {"query": selector, "start": str(now - 300), "end": str(now + 60)}
        answer = requests.get(f"{self.url}/api/v1/query_exemplars", params=asked, timeout=20).json()
        assert answer["status"] == "success", answer
        return {one["labels"]["trace_id"] for series in answer["data"] for one in series["exemplars"]}

    def value(self, expression: str) -> float | None:
        """Of an expression with one series; None where it has none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now, each with its labels and annotations."""
        alerts = requests.get(f"{self.url}/api/v1/alerts", timeout=20).json()["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]
