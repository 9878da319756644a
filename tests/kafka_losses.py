"""What becomes of events while something happens to Kafka: run, it writes the table of docs/events.md.

Each row is a thousand events through a real gateway into a real Kafka (`tests/peers/kafka.sh`); all of it takes about
six minutes.
"""

import re
import sys
import tempfile
from pathlib import Path

from harness.repository import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness.issuer import Issuer  # noqa: E402
from harness.kafka_server import NEW, OLD  # noqa: E402
from harness.losses import FAULTS, measure  # noqa: E402

DOCUMENT = ROOT / "docs" / "events.md"
HEAD = (
    "| Kafka | client | what happens to Kafka | sent | read | lost | twice | each user's order |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
CLIENTS = [(OLD, "pykafka"), (OLD, "confluent"), (NEW, "confluent")]
_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\|\n)*")


def rows() -> list[str]:
    """One for each client and fault; said as they come."""
    found = []
    with Issuer() as issuer:
        for version, client in CLIENTS:
            for name, fault in FAULTS.items():
                with tempfile.TemporaryDirectory() as folder:
                    outcome = measure(Path(folder), issuer, version, client, fault)
                assert outcome.through == client and not outcome.failures, outcome
                counts = f"{len(outcome.sent)} | {outcome.read} | {outcome.lost} | {outcome.duplicated}"
                found.append(
                    f"| {version} | {client} | {name} | {counts} | {'kept' if outcome.ordered else 'lost'} |\n"
                )
                print(found[-1], end="", flush=True)
    return found


if __name__ == "__main__":
    table = HEAD + "".join(rows())
    DOCUMENT.write_text(_TABLE.sub(lambda _: table, DOCUMENT.read_text()))
