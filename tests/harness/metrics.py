"""What /metrics says, read as Prometheus reads it."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from harness.gateway import Gateway
from harness.waiting import until

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Metrics:
    """`samples` by name and labels; `kinds` by the name of each family."""

    text: str
    samples: Mapping[tuple[str, Labels], float]
    kinds: Mapping[str, str]

    def value(self, name: str, **labels: object) -> float:
        """The one sample with exactly these labels; 0 where there is none."""
        return self.samples.get((name, labelled(labels)), 0.0)

    def total(self, name: str, **labels: object) -> float:
        """The sum of all samples that have these labels, whatever others."""
        wanted = labelled(labels)
        return sum(value for (found, given), value in self.samples.items() if found == name and wanted <= given)

    def labels(self, name: str) -> set[str]:
        """The names of the labels that samples of this name have."""
        return {label for found, given in self.samples if found == name for label, _ in given}

    def values(self, label: str) -> set[str]:
        """All that a label says anywhere."""
        return {value for _, given in self.samples for name, value in given if name == label}


def labelled(labels: Mapping[str, object]) -> Labels:
    return frozenset((name, str(value)) for name, value in labels.items())


def scrape(gateway: Gateway) -> Metrics:
    answer = gateway.get("/metrics", timeout=20)
    assert answer.status == 200, answer
    families = list(text_string_to_metric_families(answer.text))
    samples = {(each.name, labelled(each.labels)): each.value for family in families for each in family.samples}
    assert len(samples) == sum(len(family.samples) for family in families), "a series came twice"
    return Metrics(answer.text, samples, {family.name: family.type for family in families})


def counted(gateway: Gateway, holds: Callable[[Metrics], object], timeout: float = 10) -> Metrics:
    """What it says once this holds: a request is counted when its answer has been sent."""
    seen: list[Metrics] = []

    def look() -> bool:
        seen[:] = [scrape(gateway)]
        return bool(holds(seen[0]))

    try:
        until(look, timeout, "the metrics")
    except AssertionError as error:
        raise AssertionError(f"{error}; they are\n{seen[0].text if seen else ''}") from None
    return seen[0]


def metrics_folder(gateway: Gateway) -> Path:
    """Where its workers count: of the files that one of them has mapped, once one has."""

    def mapped() -> Path | None:
        for pid in gateway.workers():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                maps = Path(f"/proc/{pid}/maps").read_text()
                for path in re.findall(r"\S*/api-gateway-metrics-[^/\s]+(?=/)", maps):
                    return Path(path)
        return None

    found: Path = until(mapped, 10, "a worker that counts")
    return found
