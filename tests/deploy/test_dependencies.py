"""What the gateway uses of the insides of others, and that setup.py holds it to the minor versions that have them."""

import ast
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from typing import Any

import pytest
from harness.kafka import MockKafka
from harness.repository import ROOT
from harness.requirements import requirements
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from packaging.version import Version
from prometheus_client import CollectorRegistry, Histogram

INSIDES = {
    "gunicorn": [
        "gunicorn.workers.ggevent:GeventWorker.handle_exit",
        "gunicorn.workers.ggevent:GeventWorker.init_process",
        "gunicorn.workers.ggevent:GeventWorker.notify",
        "gunicorn.http.wsgi:base_environ",
        "gunicorn.http.wsgi:create",
        "gunicorn.http.wsgi:Response.send_headers",
        "gunicorn.http.wsgi:Response.default_headers",
        "gunicorn.http.message:Request.set_body_reader",
        "gunicorn.http.message:Request._peer_is_trusted_proxy",
        "gunicorn.http.message:Request.should_close",
        "gunicorn.http.parser:RequestParser.finish_body",
        "gunicorn.http.unreader:SocketUnreader.chunk",
        "gunicorn.http.body:LengthReader",
        "gunicorn.glogging:Logger.setup",
        "gunicorn.systemd:sd_notify",
        "gunicorn.workers.base:Worker.__init__",
        "gunicorn.workers.workertmp:WorkerTmp.last_update",
    ],
    "prometheus-client": [
        "prometheus_client.mmap_dict:MmapedDict.read_all_values_from_file",
        "prometheus_client.mmap_dict:MmapedDict.write_value",
        "prometheus_client:Histogram()._upper_bounds",
        "prometheus_client:Histogram()._buckets",
        "prometheus_client:Histogram()._sum",
        "prometheus_client:CollectorRegistry()._collector_to_names",
    ],
    "opentelemetry-instrumentation-flask": [
        "opentelemetry.instrumentation.flask:FlaskInstrumentor.instrument_app",
    ],
}
"""Distribution → where each thing is: `module:name.attribute`, `()` for one that is made first."""

MAKE: dict[str, Callable[[], object]] = {
    "Histogram": partial(Histogram, "a", "A histogram.", registry=None),
    "CollectorRegistry": CollectorRegistry,
}
FLOORS = {"setuptools": "78.1.1"}


def inside(place: str) -> Any:
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = MAKE[name[:-2]]() if name.endswith("()") else getattr(found, name)
    return found


@pytest.mark.parametrize("place", [place for places in INSIDES.values() for place in places])
def test_what_is_used_is_there(place: str) -> None:
    assert inside(place) is not None


def test_the_instrumentation_takes_what_is_no_flask() -> None:
    """gateway/traces/instrumented.py gives it an object that has three attributes of an app."""

    class App:
        def __init__(self) -> None:
            self.wsgi_app = self.plain
            self.taken: list[str] = []

        def plain(self, environ: object, start_response: object) -> list[bytes]:
            return []

        def before_request(self, hook: object) -> None:
            self.taken.append("before")

        def teardown_request(self, hook: object) -> None:
            self.taken.append("teardown")

    app = App()
    instrument: Callable[..., None] = FlaskInstrumentor.instrument_app
    instrument(app, meter_provider=NoOpMeterProvider(), excluded_urls="")
    assert app.taken == ["before", "teardown"] and app.wsgi_app != app.plain


@pytest.mark.parametrize("name", INSIDES)
def test_the_next_minor_version_is_shut_out(name: str) -> None:
    specifier = requirements()[name].specifier
    installed = Version(metadata.version(name))
    following = Version(f"{installed.major}.{installed.minor + 1}")
    assert specifier.contains(installed, prereleases=True) and not specifier.contains(following, prereleases=True)
    assert specifier.contains(f"{installed.major}.{installed.minor}.99", prereleases=True), "corrections come in"


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_a_version_with_a_known_hole_is_shut_out(name: str, floor: str) -> None:
    specifier = requirements()[name].specifier
    assert specifier.contains(floor)
    (lowest,) = [part.version for part in specifier if part.operator == ">="]
    assert lowest == floor


class TestWithoutPykafka:
    """It can be left out: from 2018, it needs an old setuptools, and brings a package called `tests`."""

    CODE = """
import logging, sys
sys.modules["pykafka"] = sys.modules["kazoo"] = None  # as where they are not installed
logging.basicConfig(format="%(message)s", level="INFO", stream=sys.stderr)
from gateway.events.broker_probe import BrokerProbe
from gateway.events.clients import Clients
from gateway.events.faults import IncompatibleClient
from gateway.events.transport import Kafka
kafka = Kafka((sys.argv[1],), "auth-events", "api-gateway", sys.argv[2], "PLAINTEXT")
clients = Clients(kafka, BrokerProbe(kafka.brokers, None))
clients.prepare()
try:
    transport = clients.open()
except IncompatibleClient as fault:
    print(fault)
else:
    print(transport.name)
    transport.discard()
"""

    def run(self, brokers: str, client: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", self.CODE, brokers, client]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)

    def test_auto_is_confluent_and_one_line_says_so(self) -> None:
        with MockKafka() as mock:
            done = self.run(mock.brokers, "auto")
        assert done.stdout.strip() == "confluent"
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("Kafka:")]
        assert line.startswith("Kafka: pykafka cannot be imported (ModuleNotFoundError") and "confluent-kafka" in line

    def test_one_that_was_asked_for_is_a_fault(self) -> None:
        with MockKafka() as mock:
            done = self.run(mock.brokers, "pykafka")
        assert "set KAFKA_CLIENT=confluent" in done.stdout

    def test_the_application_is_built_without_it(self) -> None:
        """Nothing else imports it: also not where no broker is configured."""
        code = 'import sys; sys.modules["pykafka"] = sys.modules["kazoo"] = None; import gateway.app, blueprints'
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
        for file in (ROOT / "gateway").rglob("*.py"):
            named = "pykafka" in {name.split(".")[0] for name in top_imports(file.read_text())}
            assert not named or file.name in ("with_pykafka.py", "greenlets.py"), file


def top_imports(text: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(text)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
