"""What the start and the doctor say of each misconfiguration: the table of docs/troubleshooting.md."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import troubleshooting
from harness.certificate import self_signed
from harness.command import Ran, run
from harness.environment import SECRET
from harness.issuer import CLIENT, Issuer
from harness.kafka import MockKafka
from harness.misconfigurations import DOCTOR, START, TABLE, Misconfiguration, Place
from harness.ports import free_port
from harness.registered import Registered
from harness.service import Service

CLIENT_SECRET = "marked-client-secret-0123456789"
CALLBACK = "http://127.0.0.1:1/auth/callback"
FRONTEND = "http://127.0.0.1:2"
LOCAL = {"NODE_ENV": "development", "KEYCLOAK_CLIENT_ID": CLIENT, "KEYCLOAK_CLIENT_SECRET": CLIENT_SECRET,
         "JWT_AUDIENCE": CLIENT, "KEYCLOAK_REDIRECT_URI": CALLBACK, "FRONTEND_URL": FRONTEND,
         "SESSION_SECRET": SECRET}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Registered]:
    with Registered(CLIENT_SECRET) as realm:
        yield realm


@pytest.fixture
def place(
    running: Registered, issuer: Issuer, users: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A deployment in which all is well, with no Redis, Kafka, Loki or Jaeger."""
    monkeypatch.chdir(tmp_path)
    good = {"redirect_uris": (CALLBACK,), "post_logout_uris": (FRONTEND + "/",), "flow": True, "date": None}
    vars(running).update(good)
    yield Place(running, tmp_path, users.url, issuer.port)
    running.restore()


def settings(place: Place, changes: Mapping[str, str | None]) -> dict[str, str | None]:
    services = dict.fromkeys(("USER_SERVICE_URL", "INTERVIEW_SERVICE_URL"), place.service)
    return {"KEYCLOAK_ISSUER_URL": place.realm.issuer, "PORT": str(free_port()), **LOCAL, **services, **changes}


def examined(place: Place, case: Misconfiguration) -> Ran:
    vars(place.realm).update(case.realm)
    token = place.realm.mint(**(case.token or {}))
    return run("doctor", "--json", "--token", "-", env=settings(place, case.sets(place)), stdin=token)


def findings(ran: Ran) -> list[dict[str, Any]]:
    return [row for rows in ran.json()["groups"].values() for row in rows]


def named(ran: Ran, check: str) -> dict[str, Any]:
    """The one finding of this name."""
    (found,) = [row for row in findings(ran) if row["check"] == check]
    return found


def test_a_good_deployment_has_no_problem_and_no_warning(place: Place) -> None:
    ran = examined(place, Misconfiguration("", "", "", ""))
    assert ran.status == 0, ran.output
    assert [row for row in findings(ran) if row["verdict"] in ("problem", "warning")] == []


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.by == START])
def test_the_start_names_it(name: str, place: Place) -> None:
    case = TABLE[name]
    ran = run("check", "--json", env=settings(place, case.sets(place)))
    assert ran.status == 1 and "marked" not in ran.output
    told = {row["setting"]: row["advice"] for row in ran.json()["problems"]}
    assert told.keys() == {case.check} and case.fix in told[case.check]


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.by == DOCTOR])
def test_the_doctor_names_it(name: str, place: Place) -> None:
    case = TABLE[name]
    ran = examined(place, case)
    assert "marked" not in ran.output and SECRET not in ran.output
    rows = [row for row in findings(ran) if row["check"] == case.check and row["verdict"] != "ok"]
    assert rows, ran.output
    assert any(case.says in row["found"] and case.fix in row["fix"] for row in rows), rows


def test_the_document_has_the_table() -> None:
    text = troubleshooting.DOCUMENT.read_text()
    assert text == troubleshooting.written(), "python tests/troubleshooting.py"
    assert len(TABLE) >= 30 and troubleshooting.table() in text


class TestSignIn:
    def test_a_test_user_is_signed_in_and_the_token_judged(self, place: Place) -> None:
        env = {**settings(place, {}), "GATEWAY_DOCTOR_PASSWORD": "cora-password"}
        ran = run("doctor", "--json", "--user", "cora", env=env)
        checks = {row["check"]: row["verdict"] for row in findings(ran)}
        assert ran.status == 0 and checks["aud"] == checks["roles"] == "ok"
        assert "cora-password" not in ran.output

    def test_a_wrong_password_is_said_and_not_shown(self, place: Place) -> None:
        ran = run("doctor", "--user", "cora", env=settings(place, {}), stdin="marked-password\n")
        assert ran.status == 1 and "does not let cora in" in ran.output and "marked-password" not in ran.output


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """The port of a server that shakes hands and hangs up, and its certificate."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True):
                        pass

        thread = threading.Thread(target=serve, name="service of TLS")
        thread.start()
        try:
            yield listener.getsockname()[1], certificate
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_certificate_that_is_not_trusted_or_about_to_end_is_named(place: Place) -> None:
    with tls_server(place.folder) as (port, certificate):
        env = settings(place, {"MEDIA_SERVICE_URL": f"https://localhost:{port}"})
        told = named(run("doctor", "--json", env=env), "TLS of MEDIA_SERVICE_URL")
        assert told["verdict"] == "problem" and "CA_BUNDLE" in told["fix"]
        env["CA_BUNDLE"] = str(certificate)
        told = named(run("doctor", "--json", env=env), "TLS of MEDIA_SERVICE_URL")
        assert told["verdict"] == "warning" and "days left" in told["found"]


def test_one_event_is_sent_where_it_is_asked_for(place: Place) -> None:
    with MockKafka() as mock:
        env = settings(place, {"KAFKA_BROKERS": mock.brokers})
        told = {row["check"]: row for row in findings(run("doctor", "--json", env=env))}
        assert told["Kafka"]["verdict"] == "ok" and "--produce" in told["Kafka's rights"]["fix"]
        told = {row["check"]: row for row in findings(run("doctor", "--json", "--produce", env=env))}
        assert told["Kafka's rights"]["verdict"] == "ok", told


def test_what_hangs_is_said_after_the_limit(place: Place) -> None:
    place.realm.hang()
    try:
        ran = run("doctor", "--json", "--limit", "1", env=settings(place, {}))
    finally:
        place.realm.start()
    assert {row["found"] for row in ran.json()["groups"]["Keycloak"]} == {"no answer within 1 s"}
    assert ran.json()["groups"]["This machine"], "the others are said all the same"


def test_a_token_without_keycloak_is_said_to_be_unjudged(place: Place) -> None:
    env = settings(place, {"KEYCLOAK_ISSUER_URL": "http://127.0.0.1:1/realms/r"})
    told = named(run("doctor", "--json", "--token", "-", env=env, stdin=f"Bearer {place.realm.mint()}"), "token")
    assert told["verdict"] == "unknown" and "explain --offline" in told["fix"]


def test_bearer_before_a_token_is_no_part_of_it(place: Place) -> None:
    ran = run("doctor", "--json", "--token", f"Bearer {place.realm.mint()}", env=settings(place, {}))
    assert ran.status == 0 and named(ran, "signature")["verdict"] == "ok"
