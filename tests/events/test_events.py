"""What is told to other services (docs/events.md): each sign-in, refresh and end of a session, once, as the schemas
say."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import kafka_losses
import pytest
from harness import jose
from harness.each_worker import each_worker
from harness.environment import GOOD
from harness.errors import TIMESTAMP
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.http import Answer
from harness.issuer import Issuer
from harness.kafka import Message, MockKafka, Reader, schema
from harness.losses import COUNT, FAULTS
from harness.provider import Scripted, as_user, refusal
from harness.refreshes import later
from harness.repository import ROOT
from harness.visitor import Visitor

from demo.identity import Provider
from gateway.config import load
from gateway.events import NullAuthEvents, NullPublisher, Subject
from gateway.events.auth_events import authenticated, logged_out
from gateway.wiring import build_engines
from gateway.wiring.events import auth_events

SIGNED_IN = ("user.authenticated", "oauth2")
REFRESHED = ("user.authenticated", "jwt_refresh")
SIGNED_OUT = ("user.logged_out", "user_action")
LAPSED = ("user.logged_out", "token_expired")
ENDED = ("user.logged_out", "admin_action")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as running:
        yield running


@pytest.fixture(scope="module", params=["confluent", "pykafka"])
def single(
    make_gateway: GatewayFactory, request: pytest.FixtureRequest, kafka: MockKafka, provider: Provider
) -> Iterator[Gateway]:
    """One worker: what it publishes for one user arrives in the order in which it happened."""
    env = {"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": request.param}
    with make_gateway(env, issuer=provider) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(make_gateway: GatewayFactory, kafka: MockKafka, provider: Provider) -> Iterator[Gateway]:
    env = {"KAFKA_BROKERS": kafka.brokers}
    with make_gateway(env, issuer=provider, workers=3) as running:
        yield running


@pytest.fixture
def events(kafka: MockKafka) -> Reader:
    """What is published from here on."""
    kafka.reader.new()
    return kafka.reader


@pytest.fixture(scope="module")
def running_realm() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture(scope="module")
def scripted(make_gateway: GatewayFactory, kafka: MockKafka, running_realm: Scripted) -> Iterator[Gateway]:
    """A gateway before a realm that can be told to lie."""
    env = {"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": "confluent"}
    with make_gateway(env, issuer=running_realm, services={}) as running:
        yield running


@pytest.fixture
def realm(running_realm: Scripted) -> Scripted:
    running_realm.restore()
    return running_realm


class Guest(Visitor):
    """Somebody who is signed in; `sid` is Keycloak's name for the session."""

    def __init__(self, gateway: Gateway, name: str = "cora") -> None:
        super().__init__(gateway)
        self.tokens = self.signed_in(as_user(name))
        self.claims = jose.decode(self.tokens["accessToken"])[1]
        self.sid: str = self.claims["sid"]


def guest_of(gateway: Gateway, realm: Scripted) -> Visitor:
    visitor = Visitor(gateway)
    visitor.signed_in(realm.authorize)
    return visitor


def tell(gateway: Gateway, token: str) -> Answer:
    body = urlencode({"logout_token": token}).encode()
    return gateway.get("/auth/backchannel-logout", headers={"Content-Type": FORM}, method="POST", body=body)


def summaries(messages: list[Message]) -> list[tuple[str, str]]:
    return [message.summary for message in messages]


class TestAuthenticated:
    def test_a_callback_publishes_user_authenticated(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        (message,) = events.wait(1)
        event = message.event
        assert list(event) == ["eventId", "eventType", "timestamp", "userId", "data"]
        assert UUID4.fullmatch(event["eventId"]) and TIMESTAMP.fullmatch(event["timestamp"])
        assert event["eventType"] == "user.authenticated"
        assert event["userId"] == message.key == guest.claims["sub"]
        assert event["data"] == {
            "email": guest.claims["email"],
            "sessionId": guest.sid,
            "authMethod": "oauth2",
            "firstName": guest.claims["given_name"],
            "lastName": guest.claims["family_name"],
        }

    def test_an_event_has_headers_where_the_client_can(self, single: Gateway, events: Reader) -> None:
        visitor = Visitor(single)
        login = visitor.begin()
        callback = as_user()(login.auth_url)
        path = callback.partition(single.url)[2]
        trace = "0af7651916cd43dd8448eb211c80319c"
        assert visitor.get(path, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).status == 200
        (message,) = events.wait(1)
        if single.env["KAFKA_CLIENT"] == "pykafka":
            assert message.headers == {}
            return
        assert message.headers.pop("traceparent").split("-")[:2] == ["00", trace]
        assert message.headers == {"content-type": "application/json", "event-type": "user.authenticated"}

    def test_a_browsers_callback_publishes_user_authenticated(self, single: Gateway, events: Reader) -> None:
        visitor = Visitor(single)
        assert visitor.sign_in(as_user(), navigates=True).status == 303
        (message,) = events.wait(1)
        assert message.summary == SIGNED_IN

    def test_a_failed_callback_publishes_nothing(self, single: Gateway, events: Reader) -> None:
        visitor = Visitor(single)
        state = visitor.begin().state
        assert visitor.get(f"/auth/callback?code=none&state={state}").status == 400
        assert visitor.get("/auth/callback?code=none&state=none").status == 400
        Guest(single)
        events.wait(1)

    def test_a_refresh_by_cookie_publishes_user_authenticated(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        assert guest.post("/auth/refresh").status == 200
        first, second = events.wait(2)
        assert second.summary == REFRESHED
        assert second.data == {**first.data, "authMethod": "jwt_refresh"}
        assert second.key == first.key and second.event["eventId"] != first.event["eventId"]

    def test_a_refresh_by_body_publishes_user_authenticated(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        program = Visitor(single)
        assert program.post("/auth/refresh", {"refreshToken": guest.tokens["refreshToken"]}).status == 200
        first, second = events.wait(2)
        assert second.summary == REFRESHED and second.data["sessionId"] == first.data["sessionId"] == guest.sid

    def test_parallel_refreshes_publish_one_event(self, cluster: Gateway, events: Reader) -> None:
        """And not for who comes later with the superseded token."""
        guest = Guest(cluster)
        twins = [guest.copy() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            statuses = {answer.status for answer in pool.map(lambda twin: twin.post("/auth/refresh"), twins)}
        assert statuses == {200}
        assert guest.post("/auth/refresh").status == 200
        self.flush(cluster)
        mine = [message.summary for message in events.wait(2 + 3) if message.data["sessionId"] == guest.sid]
        assert sorted(mine) == sorted([SIGNED_IN, REFRESHED])

    @staticmethod
    def flush(cluster: Gateway) -> None:
        """One sign-in on each worker: what each was told before has gone out when that is read."""
        with each_worker(cluster) as lines:
            for line in lines.values():
                visitor = Visitor(cluster)
                back = as_user()(visitor.begin().auth_url).partition(cluster.url)[2]
                assert visitor.get(back, over=line).status == 200

    def test_an_event_leaves_out_what_is_not_known_of_the_user(
        self, scripted: Gateway, realm: Scripted, events: Reader
    ) -> None:
        """Names that nobody knows are left out, the email is null."""
        unknown = {"drop": ("email", "given_name", "family_name")}
        realm.id_token = realm.access_token = unknown
        guest_of(scripted, realm)
        (message,) = events.wait(1)
        assert message.data.keys() == {"email", "sessionId", "authMethod"}
        assert message.data["email"] is None

    def test_an_event_keeps_a_strange_name(self, scripted: Gateway, realm: Scripted, events: Reader) -> None:
        """What is no text is left out, and holds nothing up; what is, is told as it is."""
        strange = {"email": "\ud800@example.test", "given_name": 7, "family_name": 'Ünïcødé "\n\u2028' * 50}
        realm.id_token = {"claims": strange}
        realm.access_token = {"drop": ("email", "given_name", "family_name")}
        guest_of(scripted, realm)
        realm.restore()
        guest_of(scripted, realm)
        first, second = events.wait(2)
        assert first.data["email"] is None and "firstName" not in first.data
        assert first.data["lastName"] == strange["family_name"]
        assert second.data["firstName"] == "Cora"

    def test_a_session_without_a_sid_has_a_name_of_the_gateways(
        self, scripted: Gateway, realm: Scripted, events: Reader
    ) -> None:
        """Then the gateway's own name for it serves, and stays the same."""
        realm.id_token = realm.access_token = {"drop": ("sid",)}
        guest = guest_of(scripted, realm)
        guest.post("/auth/refresh")
        guest.post("/auth/logout")
        names = [message.data["sessionId"] for message in events.wait(3)]
        assert len(set(names)) == 1 and names[0]

    def test_the_access_token_completes_what_the_id_token_says(
        self, scripted: Gateway, realm: Scripted, events: Reader
    ) -> None:
        realm.id_token = {"drop": ("email", "given_name", "sid")}
        guest = guest_of(scripted, realm)
        realm.answer = {"id_token": None}
        assert guest.post("/auth/refresh").status == 200
        for message in events.wait(2):
            assert message.data["email"] == "cora@example.test" and message.data["firstName"] == "Cora"


class TestLoggedOut:
    def test_a_logout_by_cookie_publishes_user_logged_out(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        assert guest.post("/auth/logout").status == 200
        message = events.wait(2)[1]
        assert message.key == guest.claims["sub"]
        assert message.data == {"sessionId": guest.sid, "logoutReason": "user_action"}

    def test_a_logout_by_token_publishes_user_logged_out(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        bearer = {"Authorization": f"Bearer {guest.tokens['accessToken']}"}
        assert Visitor(single).post("/auth/logout", headers=bearer).status == 200
        assert events.wait(2)[1].data == {"sessionId": guest.sid, "logoutReason": "user_action"}

    def test_a_logout_by_a_refresh_token_alone_publishes_user_logged_out(self, single: Gateway, events: Reader) -> None:
        guest = Guest(single)
        body = {"refreshToken": guest.tokens["refreshToken"]}
        assert Visitor(single).post("/auth/logout", body).status == 200
        assert events.wait(2)[1].data == {"sessionId": guest.sid, "logoutReason": "user_action"}

    def test_a_logout_of_nobody_publishes_nothing(self, single: Gateway, events: Reader) -> None:
        assert Visitor(single).post("/auth/logout").status == 200
        assert Visitor(single).post("/auth/logout", {"refreshToken": "unknown"}).status == 200
        Guest(single)
        events.wait(1)

    def test_a_repeated_logout_publishes_one_event(self, cluster: Gateway, provider: Provider, events: Reader) -> None:
        """Retries by cookie, by token, at once and later; a refresh that fails for it; Keycloak's own word."""
        guest = Guest(cluster)
        bearer = {"Authorization": f"Bearer {guest.tokens['accessToken']}"}
        twins = [guest.copy() for _ in range(4)]

        def leave(twin: Visitor) -> int:
            return twin.post("/auth/logout").status + twin.post("/auth/logout", headers=bearer).status

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(leave, twins)) == {400}
        assert guest.copy().post("/auth/refresh").status == 401
        assert Visitor(cluster).post("/auth/refresh", {"refreshToken": guest.tokens["refreshToken"]}).status == 401
        assert tell(cluster, provider.mint_logout(sid=guest.sid)).status == 200
        TestAuthenticated.flush(cluster)
        mine = [message for message in events.wait(2 + 3) if message.data["sessionId"] == guest.sid]
        assert sorted(summaries(mine)) == sorted([SIGNED_IN, SIGNED_OUT])

    def test_a_logout_of_a_later_sign_in_is_published_again(self, single: Gateway, events: Reader) -> None:
        """Also where Keycloak goes on with the same session."""
        guest = Guest(single)
        assert guest.post("/auth/logout").status == 200
        guest = Guest(single)
        assert guest.post("/auth/logout").status == 200
        assert summaries(events.wait(4)) == [SIGNED_IN, SIGNED_OUT] * 2

    def test_a_logout_of_the_same_session_after_a_new_sign_in_is_published(
        self, scripted: Gateway, realm: Scripted, events: Reader
    ) -> None:
        realm.id_token = realm.access_token = {"claims": {"sid": "the-same"}}
        for _ in range(2):
            guest = guest_of(scripted, realm)
            guest.post("/auth/logout")
            guest.post("/auth/logout")
        found = events.wait(4)
        assert summaries(found) == [SIGNED_IN, SIGNED_OUT] * 2
        assert {message.data["sessionId"] for message in found} == {"the-same"}


class TestRefused:
    def test_a_refused_refresh_by_cookie_publishes_token_expired(
        self, single: Gateway, provider: Provider, events: Reader
    ) -> None:
        """Once, though many ask and ask again; the session that goes on is another."""
        guest = Guest(single)
        twins = [guest.copy() for _ in range(4)]
        provider.sessions.end(guest.sid)
        with ThreadPoolExecutor(4) as pool:
            assert {answer.status for answer in pool.map(lambda twin: twin.post("/auth/refresh"), twins)} == {401}
        assert twins[0].post("/auth/refresh").status == 401
        Guest(single)
        found = events.wait(3)
        assert summaries(found) == [SIGNED_IN, LAPSED, SIGNED_IN]
        assert found[1].data == {"sessionId": guest.sid, "logoutReason": "token_expired"}

    def test_a_refused_refresh_by_body_publishes_token_expired(
        self, single: Gateway, provider: Provider, events: Reader
    ) -> None:
        """Also of a refresh token that came by a refresh."""
        guest, program = Guest(single), Visitor(single)
        tokens = program.post("/auth/refresh", {"refreshToken": guest.tokens["refreshToken"]}).json()
        provider.sessions.end(guest.sid)
        later()
        for _ in range(2):
            assert program.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}).status == 401
        Guest(single)
        found = events.wait(4)
        assert summaries(found) == [SIGNED_IN, REFRESHED, LAPSED, SIGNED_IN]
        assert (found[2].key, found[2].data["sessionId"]) == (guest.claims["sub"], guest.sid)

    def test_a_refused_unknown_token_publishes_nothing(self, single: Gateway, events: Reader) -> None:
        assert Visitor(single).post("/auth/refresh", {"refreshToken": "of-nobody"}).status == 401
        Guest(single)
        events.wait(1)

    @pytest.mark.parametrize("reply", [refusal("invalid_client", 401), refusal("server_error", 500)])
    def test_a_refresh_that_an_outage_fails_publishes_nothing(
        self, scripted: Gateway, realm: Scripted, events: Reader, reply: Any
    ) -> None:
        guest = guest_of(scripted, realm)
        realm.instead = reply
        assert guest.post("/auth/refresh").status == 502
        realm.restore()
        time.sleep(1.1)  # who asks within a second shares the failure
        assert guest.post("/auth/refresh").status == 200
        assert summaries(events.wait(2)) == [SIGNED_IN, REFRESHED]


class TestBackchannel:
    @pytest.mark.conformance("O10")
    def test_a_back_channel_logout_publishes_one_event(
        self, cluster: Gateway, provider: Provider, events: Reader
    ) -> None:
        """A replayed token, and another one for the same session, publish nothing."""
        guest = Guest(cluster)
        sub = guest.claims["sub"]
        token = provider.mint_logout(sid=guest.sid, sub=sub)
        with each_worker(cluster) as lines:
            for line in lines.values():
                line.request("POST", "/auth/backchannel-logout", {"Content-Type": FORM},
                             urlencode({"logout_token": token}).encode())  # fmt: skip
                assert line.receive().status == 200
        assert tell(cluster, provider.mint_logout(sid=guest.sid, sub=sub)).status == 200
        assert guest.post("/auth/refresh").status == 401
        TestAuthenticated.flush(cluster)
        mine = [message for message in events.wait(2 + 3) if message.data["sessionId"] == guest.sid]
        assert sorted(summaries(mine)) == sorted([SIGNED_IN, ENDED])

    def test_a_back_channel_logout_without_a_sub_publishes_the_sessions_user(
        self, single: Gateway, provider: Provider, events: Reader
    ) -> None:
        """Who signed in here is known by the session; an unknown one has no key, and is a line in the log."""
        guest = Guest(single)
        assert tell(single, provider.mint_logout(sid=guest.sid, drop=("sub",))).status == 200
        assert tell(single, provider.mint_logout(sid="unknown", drop=("sub",))).status == 200
        Guest(single)
        found = events.wait(3)
        assert summaries(found) == [SIGNED_IN, ENDED, SIGNED_IN]
        assert found[1].key == guest.claims["sub"]
        single.wait_line(lambda line: line["message"].endswith("of an unknown user is not published"))

    def test_a_back_channel_logout_of_a_user_publishes_all_sessions(
        self, single: Gateway, provider: Provider, events: Reader
    ) -> None:
        token = provider.mint_logout("rick", drop=("sid",))
        assert tell(single, token).status == tell(single, token).status == 200
        Guest(single, "rick")
        found = events.wait(2)
        assert summaries(found) == [ENDED, SIGNED_IN]
        assert found[0].data == {"sessionId": None, "logoutReason": "admin_action"}
        assert found[0].key == found[1].key


@pytest.mark.conformance("G1")
def test_no_secret_is_in_an_event(single: Gateway, events: Reader) -> None:
    visitor = Visitor(single)
    login = visitor.begin()
    callback = as_user()(login.auth_url).partition(single.url)[2]
    tokens = visitor.get(callback).json()
    secrets = {login.state, login.asked["nonce"], tokens["accessToken"], tokens["refreshToken"]}
    secrets |= {cookie.value for cookie in visitor.jar.values()}
    assert visitor.post("/auth/refresh").status == 200
    secrets |= {cookie.value for cookie in visitor.jar.values()}
    assert visitor.post("/auth/logout").status == 200
    for message in events.wait(3):
        whole = message.raw.decode() + str(message.headers)
        assert not [secret for secret in secrets if secret in whole]
        assert callback.partition("code=")[2].partition("&")[0] not in whole


class TestWithoutKafka:
    def test_without_kafka_nothing_is_said_of_it(self, gateway: Gateway, issuer: Issuer) -> None:
        assert gateway.get("/auth/logout", issuer.mint(), method="POST").status == 200
        assert "kafka" not in gateway.get("/health").json()["services"]
        assert "Kafka" not in gateway.raw_output()

    def test_without_kafka_nothing_is_kept_for_events(self) -> None:
        settings, _ = load({**GOOD, "NODE_ENV": "test"}, ROOT / "tests")
        assert isinstance(auth_events(settings, NullPublisher(), build_engines(settings).store), NullAuthEvents)


DOCUMENT = (ROOT / "docs" / "events.md").read_text()


class TestDocument:
    def test_the_documents_event_fits_its_schema(self) -> None:
        (example,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
        event = json.loads(example)
        schema(event["eventType"]).validate(event)

    def test_the_documents_consumer_works(self, cluster: Gateway, kafka: MockKafka, events: Reader) -> None:
        guest = Guest(cluster)
        events.wait(1)
        (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
        assert program.count("localhost:9092") == 1
        command = [sys.executable, "-c", program.replace("localhost:9092", kafka.brokers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
            try:
                line = next(line for line in consumer.stdout or () if guest.sid in line)
            finally:
                consumer.kill()
        assert line.startswith(f"user.authenticated {guest.claims['sub']} ")

    def test_the_documents_losses_cover_every_client_and_fault(self) -> None:
        """`python tests/kafka_losses.py` makes the table; nothing of it may be lost."""
        rows = DOCUMENT.partition(kafka_losses.HEAD)[2].partition("\n\n")[0].splitlines()
        cells = [row.strip("| ").split(" | ") for row in rows]
        wanted = [[*client, fault] for client in kafka_losses.CLIENTS for fault in FAULTS]
        assert [row[:3] for row in cells] == wanted
        assert {(*row[3:6], row[7]) for row in cells} == {(str(COUNT), str(COUNT), "0", "kept")}


@pytest.mark.parametrize("kind", ["user.authenticated", "user.logged_out"])
def test_a_schema_refuses_what_is_none(kind: str) -> None:
    who = Subject("user", "session", "a@example.test", "A", None)
    made = {
        "user.authenticated": authenticated(who, "oauth2", ""),
        "user.logged_out": logged_out(who, "user_action", ""),
    }
    good = json.loads(made[kind].value)
    assert schema(kind).is_valid(good)
    for name in good:
        assert not schema(kind).is_valid({key: value for key, value in good.items() if key != name})
    for name in good["data"].keys() - {"firstName"}:
        rest = {key: value for key, value in good["data"].items() if key != name}
        assert not schema(kind).is_valid({**good, "data": rest})
    for change in ({"eventId": "1"}, {"timestamp": "2026-11-25T10:15:30Z"}, {"eventType": "other"}, {"more": 1}):
        assert not schema(kind).is_valid({**good, **change})
