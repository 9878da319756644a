"""A thousand ends of sessions through a real gateway into a real Kafka, while something happens to that."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.gateway import ROOMY, Gateway
from harness.issuer import Issuer
from harness.kafka import Message, Reader, in_order
from harness.kafka_server import KafkaServer

COUNT = 1000
THREADS = 4
SECONDS = 6.0
"""What the load takes, at least."""


class Load:
    """People who sign out, some of them again and again: each has its events in the order of its `sent`."""

    def __init__(self, gateway: Gateway, issuer: Issuer) -> None:
        self.gateway, self.issuer = gateway, issuer
        self.sent: list[tuple[str, str]] = []
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self.run, args=(n,), name="harness load") for n in range(THREADS)]

    def run(self, thread: int) -> None:
        began = time.monotonic()
        for number in range(COUNT // THREADS):
            user = f"user-{thread}-{number % 5}"
            session = f"{user}-{number}"
            try:
                token = self.issuer.mint({"sid": session}, sub=user)
                answer = self.gateway.get("/auth/logout", token, method="POST")
                if answer.status != 200:
                    self.failures.append(str(answer.status))
            except OSError as error:
                self.failures.append(repr(error))
            self.sent.append((user, session))
            time.sleep(max(0.0, began + number * SECONDS * THREADS / COUNT - time.monotonic()))

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def wait(self, count: int) -> None:
        """Until so many were sent."""
        while len(self.sent) < count and any(thread.is_alive() for thread in self.threads):
            time.sleep(0.02)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


def nothing(kafka: KafkaServer, load: Load) -> None: ...


def killed(kafka: KafkaServer, load: Load) -> None:
    load.wait(COUNT // 3)
    kafka.kill()
    time.sleep(2)
    kafka.start()


def killed_twice(kafka: KafkaServer, load: Load) -> None:
    killed(kafka, load)
    load.wait(COUNT * 2 // 3)
    kafka.kill()
    kafka.start()


def stopped(kafka: KafkaServer, load: Load) -> None:
    load.wait(COUNT // 3)
    kafka.shut_down()
    kafka.start()


def hanging(kafka: KafkaServer, load: Load) -> None:
    load.wait(COUNT // 3)
    kafka.hang()
    time.sleep(12)
    kafka.go_on()


def absent(kafka: KafkaServer, load: Load) -> None:
    """There is none until the load is over."""
    load.join()
    kafka.start()


Fault = Callable[[KafkaServer, Load], None]
FAULTS: dict[str, Fault] = {
    "none": nothing,
    "`kill -9`, started again after 2 s": killed,
    "`kill -9`, twice": killed_twice,
    "stopped in order, started again": stopped,
    "hangs for 12 s": hanging,
    "comes after the last event": absent,
}


@dataclass
class Outcome:
    """What became of the events."""

    sent: list[tuple[str, str]]
    failures: list[str]
    messages: list[Message] = field(default_factory=list)
    through: str = ""

    @property
    def read(self) -> int:
        """Different events."""
        return len({message.event["eventId"] for message in self.messages})

    @property
    def lost(self) -> int:
        return len(set(self.sent) - {(message.key, message.data["sessionId"]) for message in self.messages})

    @property
    def duplicated(self) -> int:
        return len(self.messages) - self.read

    @property
    def ordered(self) -> bool:
        return in_order([(m.key, m.data["sessionId"]) for m in self.messages], self.sent)


def measure(folder: Path, issuer: Issuer, version: str, client: str, fault: Fault, patience: float = 60) -> Outcome:
    """Have the fault happen to a Kafka of `version` under load, and read what is there in the end."""
    kafka = KafkaServer(folder / "kafka", version)
    try:
        if fault is not absent:
            kafka.start()
        (folder / "gateway").mkdir()
        env = {**ROOMY, "KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client, "LOG_LEVEL": "info"}
        with Gateway(env, issuer=issuer, cwd=folder / "gateway", workers=1) as gateway:
            load = Load(gateway, issuer)
            load.start()
            fault(kafka, load)
            load.join()
            outcome = Outcome(load.sent, load.failures)
            reader = kafka.reader()
            read_all(reader, outcome, patience)
            reader.close()
            assert "Traceback" not in gateway.stderr, gateway.stderr[-3000:]
            line = gateway.wait_line(lambda line: ": events flow, through " in line["message"])
            outcome.through = line["message"].rpartition(" ")[2]
    finally:
        kafka.kill()
    return outcome


def read_all(reader: Reader, outcome: Outcome, patience: float) -> None:
    due = time.monotonic() + patience
    while True:
        outcome.messages += reader.new(30)
        if not outcome.lost or time.monotonic() > due:
            return
        time.sleep(0.1)
