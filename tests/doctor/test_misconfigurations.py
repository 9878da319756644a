"""What the start and the doctor say of each misconfiguration: the table of docs/troubleshooting.md."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
import pytest
import troubleshooting
from harness.certificate import self_signed
from harness.command import Ran, run
from harness.environment import SECRET
from harness.issuer import CLIENT, Issuer
from harness.kafka import MockKafka
from harness.misconfigurations import DOCTOR, KAFKA_TOPIC, KAFKA_VERSION, START, TABLE, Misconfiguration, Place
from harness.ports import free_port
from harness.refusing_broker import RefusingBroker
from harness.registered import AUTH, BASE, ELSEWHERE, Registered
from harness.relay import Relay
from harness.replies import sized
from harness.repository import ROOT
from harness.service import Received, Service
from harness.waiting import until

from gateway.config import load
from gateway.doctor import Finding, Verdict
from gateway.doctor.deployment import Deployment
from gateway.doctor.examination import examine
from gateway.doctor.finding import bad, good
from gateway.doctor.redis_server import KEYS_AT_ONCE, KEYS_LOOKED_AT
from gateway.doctor.sign_in import SignInFault, by_browser

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
    good = {"redirect_uris": (CALLBACK,), "post_logout_uris": (FRONTEND + "/",), "flow": True, "date": None,
            "moved": (), "form_host": ""}  # fmt: skip
    vars(running).update(good)
    yield Place(running, tmp_path, users.url, issuer.port)
    running.restore()


def settings(place: Place, changes: Mapping[str, str | None]) -> dict[str, str | None]:
    services = dict.fromkeys(("USER_SERVICE_URL", "INTERVIEW_SERVICE_URL"), place.service)
    return {"KEYCLOAK_ISSUER_URL": place.realm.issuer, "PORT": str(free_port()), **LOCAL, **services, **changes}


def deployment(place: Place, changes: Mapping[str, str | None]) -> Deployment:
    """As a check has it."""
    environ = {name: value for name, value in settings(place, changes).items() if value is not None}
    return Deployment(load(environ, place.folder)[0])


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


def pasting(address: str) -> Callable[[str], str]:
    """Whoever signs in pastes this address."""
    return lambda url: address


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

    @pytest.mark.parametrize("bent", [{"moved": (f"{BASE}/form",)}, {"form_host": ELSEWHERE}], ids=["redirect", "form"])
    def test_the_password_goes_to_keycloak_alone(self, place: Place, bent: Mapping[str, Any]) -> None:
        """Neither it nor a cookie is sent to where a page leads, be it another identity provider or not."""
        vars(place.realm).update(bent)
        ran = run("doctor", "--user", "cora", env=settings(place, {}), stdin="marked-password\n")
        assert ran.status == 1 and f"leads to another host ({urlsplit(ELSEWHERE).netloc})" in ran.output, ran.output

    def test_the_password_is_no_option(self, place: Place) -> None:
        ran = run("doctor", "--user", "cora", "--password", "marked", env=settings(place, {}))
        assert ran.status == 2 and "No such option" in ran.output

    def test_its_session_is_ended(self, place: Place) -> None:
        place.realm.ends_sessions, before = True, len(place.realm.asked("logout"))
        ran = run("doctor", "--json", "--user", "cora", env=settings(place, {}), stdin="cora-password\n")
        ended = [form["refresh_token"] for form in place.realm.asked("logout")[before:] if form]
        assert ran.status == 0 and len(ended) == 1 and ended[0].startswith("refresh_")

    @pytest.mark.parametrize(
        ("claims", "why"),
        [({"nonce": "another"}, "another login's nonce"), ({"aud": "another"}, "not for this client alone")],
        ids=["nonce", "aud"],
    )
    def test_an_id_token_is_checked_as_the_gateway_does(
        self, place: Place, claims: Mapping[str, str], why: str
    ) -> None:
        place.realm.id_token = {"claims": claims}
        ran = run("doctor", "--json", "--user", "cora", env=settings(place, {}), stdin="cora-password\n")
        assert ran.status == 1 and why in ran.output

    @pytest.mark.parametrize(
        ("answer", "access", "check", "verdict", "says"),
        [
            ({}, {}, "session's life", "ok", "1800 s"),
            ({"expires_in": 60}, {}, "expiresIn", "warning", "says 60 s, and the token lives 300 s"),
            ({"refresh_token": None}, {}, "session's life", "problem", "no refresh token"),
            ({"refresh_expires_in": 0}, {}, "session's life", "warning", "cookies live 14 days"),
            ({"refresh_expires_in": 240}, {}, "session's life", "problem", "no longer than its access token's 300 s"),
            ({"refresh_expires_in": 40_000_000}, {}, "session's life", "warning", "40000000 s"),
            ({"expires_in": 20}, {"life": 20}, "access token's life", "warning", "20 s"),
        ],
        ids=["good", "another expiresIn", "no refresh token", "no end", "short session", "long session", "leeway"],
    )
    def test_lifetimes_are_compared(
        self, place: Place, answer: Mapping[str, Any], access: Mapping[str, Any], check: str, verdict: str, says: str
    ) -> None:
        place.realm.answer, place.realm.access_token = answer, access
        env = {**settings(place, {}), "GATEWAY_DOCTOR_PASSWORD": "cora-password"}
        ran = run("doctor", "--json", "--user", "cora", env=env)
        told = named(ran, check)
        assert told["verdict"] == verdict and says in told["found"], told
        assert named(ran, "SSO Session Max and Login timeout")["verdict"] == "unknown"

    def test_a_browser_keeps_the_code_from_the_gateway_that_runs(self, place: Place) -> None:
        asked: list[str] = []

        def land(url: str) -> str:
            """What the gateway, which sees no code, and the frontend make of it."""
            asked.append(url)
            return f"{FRONTEND}/?authError=expired#{urlsplit(place.realm.authorize(url)).query}"

        place.realm.ends_sessions, before = True, len(place.realm.asked("logout"))
        with deployment(place, {}) as looked_at:
            assert by_browser(looked_at, land).access_token.count(".") == 2
            for pasted in ("http://[", "", f"{FRONTEND}/?authError=expired"):
                with pytest.raises(SignInFault, match="no code"):
                    by_browser(looked_at, pasting(pasted))
        assert "response_mode=fragment" in asked[0]
        assert not any(place.realm.asked("logout")[before:]), "the browser's session may be older"


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


def is_named(case: Misconfiguration, env: Mapping[str, str | None]) -> None:
    told = named(run("doctor", "--json", env=env), case.check)
    assert case.says in told["found"] and case.fix in told["fix"], told


def test_a_topic_that_is_not_there_is_named(place: Place) -> None:
    with MockKafka() as mock:
        is_named(KAFKA_TOPIC, settings(place, {"KAFKA_BROKERS": mock.brokers, "KAFKA_TOPIC": "elsewhere"}))


def test_brokers_that_the_client_is_too_old_for_are_named(place: Place) -> None:
    with RefusingBroker(fetch=4) as broker:
        is_named(KAFKA_VERSION, settings(place, {"KAFKA_BROKERS": broker.address, "KAFKA_CLIENT": "pykafka"}))


def test_what_hangs_is_said_after_the_limit(place: Place) -> None:
    place.realm.hang()
    try:
        ran = run("doctor", "--json", "--limit", "1", env=settings(place, {}))
    finally:
        place.realm.start()
    rows = ran.json()["groups"]["Keycloak"]
    assert {(row["verdict"], row["found"]) for row in rows} == {("warning", "no answer within 1 s")}
    assert ran.json()["groups"]["This machine"], "the others are said all the same"


def test_what_a_check_found_stays_however_it_ends(place: Place) -> None:
    def fails(_: Deployment) -> Iterator[Finding]:
        yield bad("one", "found", "expected", "fix")
        raise LookupError

    def is_late(_: Deployment) -> Iterator[Finding]:
        yield good("two", "found")
        gevent.sleep(60)

    with deployment(place, {}) as looked_at:
        looked_at.seconds = 0.2
        found = examine(looked_at, {"group": (fails, is_late)})["group"]
    assert [(finding.check, finding.verdict) for finding in found] == [
        ("one", Verdict.PROBLEM),
        ("fails", Verdict.WARNING),
        ("two", Verdict.OK),
        ("is late", Verdict.WARNING),
    ]
    assert "LookupError" in found[1].found


def test_an_interrupt_ends_it_without_a_traceback(place: Place) -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from gateway.cli.main import console; console()"
    env = {name: value for name, value in settings(place, {}).items() if value is not None}
    env |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(place.folder)}
    before = place.realm.calls["discovery"]
    place.realm.hang()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", code, "doctor", "--limit", "60"],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                until(lambda: place.realm.calls["discovery"] > before, 60, "the doctor's question")
                process.send_signal(signal.SIGINT)
                output, _ = process.communicate(timeout=30)
            finally:
                process.kill()
    finally:
        place.realm.start()
    assert process.returncode == 1 and output.strip() == "Aborted!"


def test_a_proxy_that_redirects_says_nothing_of_what_is_registered(place: Place) -> None:
    place.realm.moved = (AUTH, "logout")
    ran = run("doctor", "--json", env=settings(place, {}))
    for check in ("redirect URI", "post-logout URI"):
        told = named(ran, check)
        assert told["verdict"] == "unknown" and ELSEWHERE in told["found"] and "KEYCLOAK_ISSUER_URL" in told["fix"]


@pytest.mark.parametrize(
    ("program", "script", "verdict", "says"),
    [
        ("timedatectl", "echo NTPSynchronized=yes", "ok", "timedatectl"),
        ("timedatectl", "echo NTPSynchronized=no", "warning", "timedatectl"),
        ("timedatectl", "echo NTPSynchronized=yes; exit 1", "unknown", "neither"),
        ("chronyc", "printf 'Stratum         : 3\\nLeap status     : Normal\\n'", "ok", "chronyc"),
        ("chronyc", "echo 'Leap status     : Not synchronised'", "warning", "chronyc"),
        ("nobody", "echo NTPSynchronized=yes", "unknown", "neither"),
    ],
    ids=["yes", "no", "fails", "chrony", "chrony waits", "nobody"],
)
def test_who_sets_the_clock_is_asked(place: Place, program: str, script: str, verdict: str, says: str) -> None:
    (place.folder / program).write_text(f"#!/bin/sh\n{script}\n")
    (place.folder / program).chmod(0o755)
    told = named(run("doctor", "--json", env={**settings(place, {}), "PATH": str(place.folder)}), "NTP")
    assert told["verdict"] == verdict and says in told["found"]


def test_lifetimes_that_are_not_seen_are_said(place: Place) -> None:
    ran = run("doctor", "--json", env=settings(place, {}))
    assert named(ran, "lifetimes")["verdict"] == "unknown" and "--login" in named(ran, "lifetimes")["fix"]
    told = named(examined(place, Misconfiguration("", "", "", "")), "session's life")
    assert told["verdict"] == "unknown" and "--login" in told["fix"]


def test_a_token_without_keycloak_is_said_to_be_unjudged(place: Place) -> None:
    env = settings(place, {"KEYCLOAK_ISSUER_URL": "http://127.0.0.1:1/realms/r"})
    told = named(run("doctor", "--json", "--token", "-", env=env, stdin=f"Bearer {place.realm.mint()}"), "token")
    assert told["verdict"] == "unknown" and "explain --offline" in told["fix"]


def test_bearer_before_a_token_is_no_part_of_it(place: Place) -> None:
    ran = run("doctor", "--json", "--token", f"Bearer {place.realm.mint()}", env=settings(place, {}))
    assert ran.status == 0 and named(ran, "signature")["verdict"] == "ok"


def saying(content: bytes) -> Callable[[socket.socket], None]:
    """Answers whatever comes with these bytes, until the other end goes."""

    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(content)

    return serve


@contextmanager
def plain_http_refused(words: bytes) -> Iterator[str]:
    """The address of a port of TLS that answers plain http with status 400 and these words."""
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(words)
    with Relay(saying(head + words)) as relay:
        relay.open()
        yield relay.address


@pytest.mark.parametrize(
    "words",
    [b"Client sent an HTTP request to an HTTPS server.\n", b"The plain HTTP request was sent to HTTPS port"],
    ids=["Go", "nginx"],
)
def test_plain_http_to_a_port_of_tls_is_named(place: Place, words: bytes) -> None:
    with plain_http_refused(words) as address:
        changes = {
            "LOKI_HOST": f"http://{address}",
            "JAEGER_ENDPOINT": f"http://{address}/api/traces",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{address}/v1/traces",
            "INTERVIEW_SERVICE_URL": f"http://{address}",
        }
        ran = run("doctor", "--json", env=settings(place, changes))
    for check, setting in zip(("Loki", "Jaeger", "OTLP", "interview-service"), changes, strict=True):
        told = named(ran, check)
        assert told["verdict"] == "problem" and "speaks TLS" in told["found"] and setting in told["fix"]


def test_a_port_that_speaks_no_tls_is_named(place: Place) -> None:
    with plain_http_refused(b"") as address:
        env = settings(place, {"INTERVIEW_SERVICE_URL": f"https://{address}"})
        told = named(run("doctor", "--json", env=env), "TLS of INTERVIEW_SERVICE_URL")
    assert told["verdict"] == "problem" and "handshake fails (WRONG_VERSION_NUMBER)" in told["found"]


def test_a_collector_is_sent_what_the_gateway_sends_it(place: Place) -> None:
    def answer(received: Received, connection: socket.socket) -> Any:
        known = ("authorization", "Basic marked") in [(name.lower(), value) for name, value in received.headers]
        return sized(200 if known else 401)(received, connection)

    with Service() as collector:
        collector.answer = answer
        endpoint = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url + "/v1/traces"}
        env = settings(place, endpoint)
        assert named(run("doctor", "--json", env=env), "OTLP")["verdict"] == "problem"
        ran = run("doctor", "--json", env={**env, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20marked"})
    assert named(ran, "OTLP")["verdict"] == "ok" and "marked" not in ran.output
    assert named(ran, "DNS of OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")["verdict"] == "ok"
    told = named(run("doctor", "--json", env=env), "OTLP")
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in told["fix"], "the collector has gone"


SENT = {"LOKI_HOST": "Loki's lines", "JAEGER_ENDPOINT": "Jaeger's spans",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "OTLP's spans"}  # fmt: skip
NOTHING = {"status": "success", "data": {"resultType": "streams", "result": []}}


@pytest.mark.parametrize("setting", SENT)
@pytest.mark.parametrize("answers", [False, True], ids=["no query", "not found"])
def test_what_is_not_read_back_is_said(place: Place, setting: str, answers: bool) -> None:
    def answer(received: Received, connection: socket.socket) -> Any:
        empty = NOTHING if received.target.startswith(b"/loki/") else {"data": None, "errors": [{"code": 404}]}
        asked = sized(404, body=json.dumps(empty).encode()) if answers else sized(403)
        return (sized(204) if received.method == "POST" else asked)(received, connection)

    with Service() as taker:
        taker.answer = answer
        where = {setting: taker.url + ("" if setting == "LOKI_HOST" else "/api/traces")}
        told = named(run("doctor", "--json", "--jaeger", taker.url, env=settings(place, where)), SENT[setting])
    assert told["verdict"] == ("warning" if answers else "unknown"), told
    assert ("does not find it" if answers else "answers no query (status 403)") in told["found"]


def test_without_a_page_of_jaegers_its_usual_port_is_asked(place: Place) -> None:
    """Where this machine has a Jaeger, that does not find the span; else nobody answers."""
    fixes = {"warning": "the log of the collector", "unknown": "--jaeger"}
    with Service() as taker:
        taker.answer = sized(202)
        env = settings(place, {"JAEGER_ENDPOINT": taker.url + "/api/traces"})
        told = named(run("doctor", "--json", env=env), "Jaeger's spans")
    assert "127.0.0.1:16686/" in told["found"] and fixes[told["verdict"]] in told["fix"], told


class NarrowRedis:
    """A Redis on the wire whose user may do no more than `says` has, by command; `asked` counts the commands."""

    SCANNED_FOR_EVER = b"*2\r\n$1\r\n7\r\n*0\r\n"

    def __init__(self, **says: bytes) -> None:
        self.says = {"SET": b"+OK\r\n", "PING": b"+PONG\r\n", **says}
        self.asked: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while line := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2].decode() for _ in range(int(line[1:]))]
                self.asked.append(words[0].upper())
                connection.sendall(self.says.get(self.asked[-1], b"-NOPERM this user has no permissions\r\n"))


def redis_findings(place: Place, redis: NarrowRedis) -> dict[str, dict[str, Any]]:
    with Relay(redis.serve) as relay:
        relay.open()
        ran = run("doctor", "--json", env=settings(place, {"REDIS_URL": f"redis://{relay.address}"}))
    return {row["check"]: row for row in ran.json()["groups"]["Redis"]}


def test_a_redis_that_only_takes_values_is_no_problem(place: Place) -> None:
    found = redis_findings(place, NarrowRedis())
    assert {check: row["verdict"] for check, row in found.items()} == {
        "Redis": "ok", "Redis's configuration": "unknown", "Redis's clock": "unknown",
        "Redis's deployments": "unknown",
    }, found  # fmt: skip
    assert all("may not do this" in row["found"] for row in found.values() if row["verdict"] == "unknown")


def test_a_large_redis_is_not_read_to_its_end(place: Place) -> None:
    redis = NarrowRedis(SCAN=NarrowRedis.SCANNED_FOR_EVER)
    redis_findings(place, redis)
    assert redis.asked.count("SCAN") == KEYS_LOOKED_AT // KEYS_AT_ONCE
