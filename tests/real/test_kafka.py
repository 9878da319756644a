"""Events in a real Kafka 3.9 and 4: killed, hanging, upgraded, without the topic, with a password, with TLS."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from harness.certificate import self_signed
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.kafka import TOPIC, Message, Reader
from harness.kafka_server import NEW, OLD, KafkaServer
from harness.losses import COUNT, Fault, absent, hanging, killed, killed_twice, measure
from harness.ports import free_port
from harness.provider import as_user
from harness.repository import ROOT
from harness.service import Service
from harness.visitor import Visitor
from harness.waiting import until

from demo.identity import running_provider

# setting, version of Kafka, client that is used
FITS = [
    ("pykafka", OLD, "pykafka"),
    ("confluent", OLD, "confluent"),
    ("auto", OLD, "pykafka"),
    ("confluent", NEW, "confluent"),
    ("auto", NEW, "confluent"),
]
fits = pytest.mark.parametrize(("client", "version", "used"), FITS)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path_factory.mktemp("old"), OLD) as running:
        yield running


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path_factory.mktemp("new"), NEW) as running:
        yield running


@pytest.fixture
def servers(old: KafkaServer, new: KafkaServer) -> Mapping[str, KafkaServer]:
    return {OLD: old, NEW: new}


def sign_out(gateway: Gateway, issuer: Issuer, *users: str) -> None:
    """An event of each of these users."""
    for user in users:
        assert gateway.get("/auth/logout", issuer.mint(sub=user), method="POST").status == 200


def read(kafka: KafkaServer, users: set[str], topic: str = TOPIC, timeout: float = 60) -> list[Message]:
    """The messages of these users, when there is one of each."""
    reader = Reader(kafka.brokers, topic)
    found: list[Message] = []

    def complete() -> bool:
        found.extend(message for message in reader.new(30) if message.key in users)
        return {message.key for message in found} == users

    try:
        until(complete, timeout, f"the events of {len(users)} users")
    finally:
        reader.close()
    return found


def said(gateway: Gateway, text: str) -> list[str]:
    """The lines on Kafka that hold this text."""
    return [line["message"] for line in gateway.lines() if "Kafka" in line["message"] and text in line["message"]]


@pytest.mark.conformance("F4")
@pytest.mark.parametrize(
    ("client", "version", "used", "fault"),
    [
        *((*fit, killed) for fit in FITS),
        ("pykafka", OLD, "pykafka", killed_twice),
        ("confluent", NEW, "confluent", killed_twice),
        ("pykafka", OLD, "pykafka", hanging),
        ("confluent", NEW, "confluent", hanging),
        ("auto", OLD, "pykafka", absent),
        ("auto", NEW, "confluent", absent),
    ],
)
def test_nothing_is_lost(tmp_path: Path, issuer: Issuer, client: str, version: str, used: str, fault: Fault) -> None:
    """A thousand events through a real gateway; every one of them there, each user's in their order."""
    outcome = measure(tmp_path, issuer, version, client, fault)
    assert outcome.failures == [] and len(outcome.sent) == COUNT
    assert (outcome.read, outcome.lost) == (COUNT, 0)
    assert outcome.ordered
    assert outcome.through == used


@fits
def test_a_whole_visit(
    make_gateway: GatewayFactory,
    servers: Mapping[str, KafkaServer],
    services: Mapping[str, Service],
    tmp_path: Path,
    client: str,
    version: str,
    used: str,
) -> None:
    """Signed in at the demo's provider, refreshed, signed out: real sign-ins, in their order."""
    kafka = servers[version]
    reader = kafka.reader()
    reader.new()
    env = {"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client}
    with running_provider() as provider, make_gateway(env, issuer=provider, cwd=tmp_path) as gateway:
        for _ in range(5):
            visitor = Visitor(gateway)
            visitor.signed_in(as_user())
            assert visitor.post("/auth/refresh").status == 200
            assert visitor.post("/auth/logout").status == 200
        messages = reader.wait(15, 30)
        assert gateway.get("/health").json()["services"]["kafka"] == "healthy"
        gateway.wait_line(lambda line: line["message"].endswith(f"events flow, through {used}"))
    reader.close()
    one = [("user.authenticated", "oauth2"), ("user.authenticated", "jwt_refresh"), ("user.logged_out", "user_action")]
    assert [message.summary for message in messages] == one * 5
    assert len({message.partition for message in messages}) == 1
    assert all(bool(message.headers) == (used == "confluent") for message in messages)


def test_both_clients_use_the_same_partitions(
    servers: Mapping[str, KafkaServer], start_gateway: StartGateway, issuer: Issuer
) -> None:
    kafka = servers[OLD]
    users = [f"partition-{number}" for number in range(40)]
    for client in ("pykafka", "confluent"):
        gateway = start_gateway({"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client})
        sign_out(gateway, issuer, *users)
        gateway.stop()
    messages = read(kafka, set(users))
    assert len(messages) == 80 and len({message.partition for message in messages}) > 1
    assert len({(message.key, message.partition) for message in messages}) == 40


@pytest.mark.conformance("F4")
def test_pykafka_refuses_kafka_4_clearly(new: KafkaServer, start_gateway: StartGateway, issuer: Issuer) -> None:
    gateway = start_gateway({"KAFKA_BROKERS": new.brokers, "KAFKA_CLIENT": "pykafka"})
    gateway.wait_line(lambda line: "set KAFKA_CLIENT=confluent" in line["message"])
    sign_out(gateway, issuer, "refused")
    time.sleep(3)
    assert len(said(gateway, "")) == 1
    answer = gateway.get("/health")
    assert answer.status == 200 and answer.json()["services"]["kafka"] == "unhealthy"
    gateway.stop()
    assert said(gateway, "1 events were not sent before the worker stopped") and "Traceback" not in gateway.stderr


@pytest.mark.conformance("F4")
def test_auto_goes_along_with_an_upgrade(tmp_path: Path, start_gateway: StartGateway, issuer: Issuer) -> None:
    """The broker is one of Kafka 3.9, and after a while one of Kafka 4."""
    with KafkaServer(tmp_path, OLD) as kafka:
        make_topic(kafka)  # a broker that has just begun takes long for it, which pykafka does not wait for
        gateway = start_gateway({"KAFKA_BROKERS": kafka.brokers})
        sign_out(gateway, issuer, "before")
        read(kafka, {"before"})
        kafka.shut_down()
        sign_out(gateway, issuer, "meanwhile")
        kafka.version = NEW
        kafka.start()
        sign_out(gateway, issuer, "afterwards")
        read(kafka, {"meanwhile", "afterwards"})
        assert said(gateway, "through pykafka")
        gateway.wait_line(lambda line: "events flow, through confluent" in line["message"])


@pytest.mark.conformance("F4")
@pytest.mark.parametrize(("client", "version"), [("pykafka", OLD), ("confluent", OLD), ("confluent", NEW)])
def test_a_topic_that_is_not_there(
    tmp_path: Path, start_gateway: StartGateway, issuer: Issuer, client: str, version: str
) -> None:
    """The broker makes none: the log names the setting, and once somebody has made it all is there."""
    with KafkaServer(tmp_path, version, "auto.create.topics.enable=false") as kafka:
        gateway = start_gateway({"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client})
        users = [f"user-{number}" for number in range(20)]
        sign_out(gateway, issuer, *users)
        gateway.wait_line(lambda line: "create it (see KAFKA_TOPIC)" in line["message"], 60)
        assert gateway.get("/health").json()["services"]["kafka"] == "unhealthy"
        make_topic(kafka)
        read(kafka, set(users), timeout=90)
        until(lambda: gateway.get("/health").json()["services"]["kafka"] == "healthy", 15, "kafka to be healthy")


def make_topic(kafka: KafkaServer, name: str = TOPIC, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.brokers, "log_level": 0})
    (made,) = admin.create_topics([NewTopic(name, num_partitions=3, config=config)]).values()
    made.result(30)


@pytest.mark.conformance("F4")
@pytest.mark.parametrize(("client", "version"), [("pykafka", OLD), ("confluent", OLD), ("confluent", NEW)])
def test_an_event_that_is_too_large(
    servers: Mapping[str, KafkaServer], start_gateway: StartGateway, issuer: Issuer, client: str, version: str
) -> None:
    """It alone is lost, and the log says so; a batch of small ones that is too large is not."""
    kafka, topic = servers[version], f"small-{client}"
    make_topic(kafka, topic, **{"max.message.bytes": "800"})
    env = {"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client, "KAFKA_TOPIC": topic}
    gateway = start_gateway(env)
    users = [f"user-{number}" for number in range(30)]
    sign_out(gateway, issuer, *users[:15], "large-" * 200, *users[15:])
    read(kafka, set(users), topic)
    gateway.wait_line(
        lambda line: "was refused permanently" in line["message"] and "max.message.bytes" in line["message"]
    )
    assert len(said(gateway, "was refused permanently")) == 1


SASL = """\
listeners=SECURED://127.0.0.1:{port},PLAINTEXT://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SECURED://localhost:{port},PLAINTEXT://127.0.0.1:{inner}
listener.security.protocol.map=SECURED:{protocol},PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_gateway="kfg7-of-the-tests";
"""
TLS = """\
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.endpoint.identification.algorithm=
"""
ACCOUNT = {
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "gateway",
    "KAFKA_SASL_PASSWORD": "kfg7-of-the-tests",
}


class Secured(KafkaServer):
    """Its clients come by TLS, with a password, or both: `env` is what they need. The test reads by a door of its
    own."""

    def __init__(self, folder: Path, protocol: str) -> None:
        super().__init__(folder, NEW)
        self.certificate, key = self_signed(folder)
        keystore = folder / "keystore.pem"
        keystore.write_text(key.read_text() + self.certificate.read_text())
        self.env = {"KAFKA_BROKERS": f"localhost:{self.port}", "KAFKA_SECURITY_PROTOCOL": protocol}
        inner = free_port()
        self.extra = SASL.format(port=self.port, inner=inner, controller=self.port + 1, protocol=protocol)
        self.brokers = f"127.0.0.1:{inner}"
        if protocol.startswith("SASL"):
            self.env |= ACCOUNT
        if protocol.endswith("SSL"):
            self.extra += TLS.format(keystore=keystore)
            self.env["KAFKA_SSL_CA"] = str(self.certificate)


@pytest.fixture(scope="module", params=["SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with Secured(tmp_path_factory.mktemp("secured"), request.param) as running:
        yield running


def test_a_broker_that_asks_who_it_is(secured: Secured, start_gateway: StartGateway, issuer: Issuer) -> None:
    gateway = start_gateway(secured.env)
    sign_out(gateway, issuer, "welcome")
    read(secured, {"welcome"})
    assert gateway.get("/health").json()["services"]["kafka"] == "healthy"
    if "KAFKA_SSL_CA" in secured.env:
        bundle = {"CA_BUNDLE": secured.env["KAFKA_SSL_CA"]}
        other = start_gateway({**secured.env, **bundle, "KAFKA_SSL_CA": None})
        sign_out(other, issuer, "by the bundle")
        read(secured, {"by the bundle"})


def test_a_broker_that_does_not_know_it(
    secured: Secured, start_gateway: StartGateway, issuer: Issuer, tmp_path: Path
) -> None:
    """One line names the settings, and does not hold the password."""
    other, _ = self_signed(tmp_path)
    wrong = {"KAFKA_SASL_PASSWORD": "marked-wrong"} if "KAFKA_SASL_PASSWORD" in secured.env else {}
    wrong = wrong or {"KAFKA_SSL_CA": str(other)}
    gateway = start_gateway({**secured.env, **wrong})
    sign_out(gateway, issuer, "unknown")
    gateway.wait_line(lambda line: f"see {next(iter(wrong)).rpartition('_')[0]}" in line["message"], 30)
    assert gateway.get("/health").json()["services"]["kafka"] == "unhealthy"
    gateway.stop()
    assert "marked" not in gateway.raw_output()


# Whoever resolves a name of `.test` waits for two minutes, in whatever library; without a header, to need a compiler
# alone.
SLOW_RESOLVER = r"""
extern void *dlsym(void *, const char *);
extern char *strstr(const char *, const char *);
extern unsigned sleep(unsigned);
int getaddrinfo(const char *node, const char *service, const void *hints, void **found) {
  int (*next)(const char *, const char *, const void *, void **) = dlsym((void *)-1L, "getaddrinfo");
  if (node && strstr(node, ".test")) sleep(120);
  return next(node, service, hints, found);
}
"""


def slow_resolver(folder: Path) -> dict[str, str]:
    """The environment of a process whose names of `.test` take two minutes."""
    (folder / "slow.c").write_text(SLOW_RESOLVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib", "-o", "slow.so", "slow.c"], cwd=folder, check=True)
    return {"LD_PRELOAD": str(folder / "slow.so")}


THROW_AWAY = """
import time
from gateway.events.transport import Kafka
from gateway.events.with_confluent import ConfluentTransport
longest = 0.0
for _ in range(10):
    transport = ConfluentTransport(Kafka(("a.test:9092", "b.test:9092"), "t", "c", "confluent", "PLAINTEXT"))
    time.sleep(0.3)
    transport.discard()
    for _ in range(10):
        began = time.monotonic()
        time.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
print(longest)
"""


@pytest.mark.conformance("F4", "S1")
def test_a_client_that_resolves_names_can_be_thrown_away(tmp_path: Path) -> None:
    """Nothing else in the process stops meanwhile, and the process ends."""
    env = {**os.environ, **slow_resolver(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", THROW_AWAY]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) < 5


@pytest.mark.conformance("F4", "S1")
@pytest.mark.parametrize("client", ["auto", "pykafka", "confluent"])
def test_a_resolver_that_hangs(
    start_gateway: StartGateway, services: Mapping[str, Service], issuer: Issuer, tmp_path: Path, client: str
) -> None:
    """Other names are resolved meanwhile, requests are served at once, and the end comes soon."""
    preload = slow_resolver(tmp_path)
    hanging = {"KAFKA_BROKERS": "a.test:9092,b.test:9092", "KAFKA_CLIENT": client}
    by_name = {name: service.url.replace("127.0.0.1", "localhost") for name, service in services.items()}
    usual = start_gateway(services=by_name)
    gateway = start_gateway({**hanging, **preload}, services=by_name)
    slowest = {usual: 0.0, gateway: 0.0}
    due = time.monotonic() + 15  # health is asked for anew every 3 seconds
    while time.monotonic() < due:
        for each in slowest:
            began = time.monotonic()
            sign_out(each, issuer, "waiting")
            assert each.get("/users/me", issuer.mint(), [("Connection", "close")]).status == 200
            slowest[each] = max(slowest[each], time.monotonic() - began)
        assert gateway.get("/health").json()["services"]["kafka"] == "unhealthy"
    assert slowest[gateway] < slowest[usual] * 2 + 1.0
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(15) == 0
