"""Where keys come from, which of them count, and when they are read again."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from harness import http, jose, replies
from harness.errors import check_error, check_refused
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import REALM, Issuer, Key, as_json, encryption_key
from harness.service import Service
from harness.waiting import until

REFRESH = 10
"""Seconds between two readings that an unknown kid may cause."""


def certificate(key: rsa.RSAPrivateKey) -> str:
    """A self-signed certificate, as `x5c` carries it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.test")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    der = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(der).decode()


class TestKeysInTheToken:
    @pytest.fixture(scope="class")
    @classmethod
    def attacker(cls) -> Key:
        return Key("attacker", "RS256", jose.generate("RS256"))

    @pytest.fixture
    def server(self, attacker: Key) -> Iterator[Service]:
        """Serves the attacker's key to whoever asks."""
        with Service() as running:
            body = json.dumps({"keys": [attacker.jwk]}).encode()
            running.answer = replies.sized(200, [("Content-Type", "application/json")], body)
            yield running

    @pytest.mark.conformance("J3")
    @pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
    @pytest.mark.parametrize("kid", ["attacker", "genuine", None])
    def test_keys_in_the_token_give_no_trust(
        self, gateway: Gateway, issuer: Issuer, attacker: Key, server: Service, name: str, kid: str | None
    ) -> None:
        headers = {name: self.headers(attacker, server)[name]}
        headers["kid"] = issuer.key().kid if kid == "genuine" else kid
        check_refused(gateway.get("/users/me", issuer.mint(headers=headers, key=attacker)))
        assert server.accepted == 0

    @pytest.mark.conformance("J3")
    @pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
    def test_addresses_in_a_genuine_token_are_not_called(
        self, gateway: Gateway, issuer: Issuer, attacker: Key, server: Service, name: str
    ) -> None:
        token = issuer.mint(headers={name: self.headers(attacker, server)[name]})
        assert gateway.get("/users/me", token).status in (200, 401)
        assert server.accepted == 0

    @pytest.mark.conformance("J3", "J5")
    def test_addresses_of_another_issuer_are_not_called(
        self, gateway: Gateway, issuer: Issuer, attacker: Key, server: Service
    ) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({"iss": server.url + REALM}, key=attacker)))
        assert server.accepted == 0

    @staticmethod
    def headers(attacker: Key, server: Service) -> dict[str, Any]:
        assert isinstance(attacker.private, rsa.RSAPrivateKey)
        return {
            "jwk": attacker.jwk,
            "jku": f"{server.url}/certs",
            "x5u": f"{server.url}/cert.pem",
            "x5c": [certificate(attacker.private)],
        }


def broken_keys() -> dict[str, Any]:
    """Members of a key set that no library can import."""
    good = jose.jwk(encryption_key().private, use="sig", alg="RS256", kid="broken")
    return {
        "n is no base64": {**good, "n": "!!!"},
        "n is empty": {**good, "n": ""},
        "n is a number": {**good, "n": 5},
        "e is missing": {name: value for name, value in good.items() if name != "e"},
        "kty is unknown": {**good, "kty": "QUANTUM"},
        "kty is a number": {**good, "kty": 5},
        "kty is missing": {name: value for name, value in good.items() if name != "kty"},
        "kid is a number": {**good, "kid": 5},
        "curve is unknown": {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "broken"},
        "point is off the curve": {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "kid": "broken"},
        "object is empty": {},
        "null": None,
        "string": "key",
        "list": [],
    }


WEAK = Key("weak", "RS256", jose.generate("RS256", bits=1024))
OCT = {"kty": "oct", "kid": "oct", "alg": "HS256", "use": "sig", "k": jose.b64(b"o" * 64)}


class TestKeySet:
    """One set with a good key among all that may be wrong with others."""

    @pytest.fixture(scope="class")
    @classmethod
    def realm(cls) -> Iterator[Issuer]:
        with Issuer() as running:
            keys = [*broken_keys().values(), WEAK.jwk, OCT, encryption_key().jwk, running.key().jwk]
            running.jwks_answer = lambda call: as_json({"keys": keys})
            yield running

    @pytest.fixture(scope="class", params=["RS256", "RS256,HS256"])
    @classmethod
    def reader(cls, make_gateway: GatewayFactory, request: pytest.FixtureRequest, realm: Issuer) -> Iterator[Gateway]:
        env = {"JWT_ALGORITHMS": request.param, "JWT_SECRET": "a secret of the tests " * 3}
        with make_gateway(env, issuer=realm, services=["users"]) as running:
            yield running

    @pytest.mark.conformance("J12")
    def test_a_broken_key_disables_no_other(self, reader: Gateway, realm: Issuer) -> None:
        assert reader.get("/users/me", realm.mint()).status == 200

    @pytest.mark.conformance("J12")
    def test_an_rsa_key_under_2048_bits_is_ignored(self, reader: Gateway, realm: Issuer) -> None:
        check_refused(reader.get("/users/me", realm.mint(key=WEAK)))

    @pytest.mark.conformance("J12", "J2")
    def test_an_oct_key_is_ignored(self, reader: Gateway, realm: Issuer) -> None:
        token = realm.mint(alg="HS256", key=b"o" * 64, headers={"kid": "oct"})
        check_refused(reader.get("/users/me", token))

    @pytest.mark.conformance("J12")
    @pytest.mark.parametrize("kid", [True, False], ids=["named", "no kid"])
    def test_a_key_for_encryption_is_ignored(self, reader: Gateway, realm: Issuer, kid: bool) -> None:
        headers = {"kid": encryption_key().kid if kid else None}
        check_refused(reader.get("/users/me", realm.mint(key=encryption_key(), headers=headers)))


class TestUnknownKid:
    @pytest.mark.conformance("J4")
    def test_a_flood_of_unknown_kids_makes_one_fetch(self, start_gateway: StartGateway) -> None:
        """1,000 on one connection; signatures are junk, for no key of theirs is known."""
        with Issuer() as realm:
            gateway = start_gateway(issuer=realm)
            good, claims = realm.mint(), jose.encode(realm.claims())
            begun, before = time.monotonic(), realm.calls["jwks"]
            with http.Connection(gateway.port) as connection:
                for number in range(1000):
                    head = jose.encode({"alg": "RS256", "typ": "JWT", "kid": f"unknown-{number}"})
                    bad = f"{head}.{claims}.{jose.b64(bytes(256))}"
                    connection.request("GET", "/users/me", {"Authorization": f"Bearer {bad}"})
                    assert connection.receive().status == 401
                    if number % 100 == 0:
                        assert gateway.get("/users/me", good).status == 200
                        assert gateway.get("/users/me", realm.mint()).status == 200
            lasted = time.monotonic() - begun
            assert realm.calls["jwks"] - before <= 1 + lasted // REFRESH

    @pytest.mark.conformance("J4", "F2")
    def test_many_at_once_before_any_key_was_read_make_one_fetch(self, start_gateway: StartGateway) -> None:
        """Single-flight: a slow issuer is asked once, and all who waited get the answer."""
        with Issuer() as realm:
            realm.stop()
            gateway = start_gateway(issuer=realm, ready=False)
            realm.jwks_answer = slowly(realm)
            realm.start()
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(lambda _: gateway.get("/users/me", realm.mint()), range(20)))
            assert {answer.status for answer in answers} <= {200, 503}
            assert realm.calls["jwks"] <= 2


def slowly(realm: Issuer) -> Callable[[object], Any]:
    def answer(call: object) -> Any:
        time.sleep(0.5)
        return as_json(realm.jwks())

    return answer


class Aged:
    """A gateway and a realm of two keys; the token was verified, and so cached, with the later one."""

    def __init__(self, start: Callable[[Issuer], Gateway]) -> None:
        self.issuer = Issuer()
        self.first = self.issuer.key()
        self.issuer.rotate()
        self.issuer.start()
        self.gateway = start(self.issuer)
        self.made = time.monotonic()
        self.token = self.issuer.mint()
        assert self.works(self.token)

    def works(self, token: str) -> bool:
        return self.gateway.get("/users/me", token).status == 200

    def ask(self) -> http.Answer:
        """One token of a key nobody knows."""
        return self.gateway.get("/users/me", self.issuer.mint(headers={"kid": "unknown"}, key=b"junk"))

    def provoke(self) -> http.Answer:
        """Ask until the keys are read once more; the last answer."""
        before, answers = len(self.issuer.seen), []

        def read() -> bool:
            answers.append(self.ask())
            return len(self.issuer.seen) > before

        until(read, REFRESH + 5, "a second reading of the keys")
        return answers[-1]


GARBAGE: dict[str, Any] = {
    "html": (200, {"Content-Type": "text/html"}, b"<html><body>Welcome to Keycloak</body></html>"),
    "500": (500, {}, b"boom"),
    "no-body": (200, {"Content-Type": "application/json"}, b""),
    "no-keys": as_json({"keys": []}),
    "only-broken-keys": as_json({"keys": [key for name, key in broken_keys().items() if "kid" not in name]}),
    "redirect": (302, {"Location": "http://127.0.0.1:1/"}, b""),
}


class TestSecondReading:
    """All gateways here wait out the ten seconds together."""

    @pytest.fixture(scope="class")
    @classmethod
    def aged(cls, make_gateway: GatewayFactory) -> Iterator[dict[str, Aged]]:
        def start(issuer: Issuer) -> Gateway:
            return make_gateway(issuer=issuer, services=["users"])

        names = [*GARBAGE, "refused", "hanging", "rotated", "crowded"]
        with ThreadPoolExecutor(3) as pool:
            made = dict(zip(names, pool.map(lambda _: Aged(start), names), strict=True))
        yield made
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda one: one.gateway.stop(), made.values()))
        for one in made.values():
            one.issuer.stop()

    @pytest.mark.conformance("F2")
    @pytest.mark.parametrize("garbage", GARBAGE)
    def test_garbage_keeps_the_old_keys(self, aged: dict[str, Aged], garbage: str) -> None:
        one = aged[garbage]
        one.issuer.jwks_answer = lambda call: GARBAGE[garbage]
        check_error(one.provoke())
        assert one.works(one.token)
        assert one.works(one.issuer.mint())

    @pytest.mark.conformance("F1")
    def test_refused_keeps_the_old_keys(self, aged: dict[str, Aged]) -> None:
        one = aged["refused"]
        one.issuer.stop()
        for _ in range(10):
            assert one.ask().status in (401, 503)
            assert one.works(one.token)
            assert one.works(one.issuer.mint())
        assert one.gateway.get("/health/ready").status == 200

    @pytest.mark.conformance("F1", "F2")
    def test_hanging_keeps_the_old_keys(self, aged: dict[str, Aged]) -> None:
        """Who asks for an unknown key waits for a time-out; who asks for a known one does not."""
        one = aged["hanging"]
        before = len(one.issuer.seen)
        one.issuer.hang()
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(one.provoke)
            until(lambda: len(one.issuer.seen) > before, REFRESH + 5, "a second reading of the keys")
            assert one.works(one.token)
            while not asking.done():
                assert one.works(one.issuer.mint())
            assert asking.result().status in (401, 503)
        assert one.works(one.issuer.mint())

    @pytest.mark.conformance("F2", "J4", "J13")
    def test_a_new_key_works_and_a_gone_one_stops(self, aged: dict[str, Aged]) -> None:
        one = aged["rotated"]
        gone = one.issuer.drop_key(one.issuer.key().kid)
        one.issuer.rotate()
        before = one.issuer.calls["jwks"]
        until(lambda: one.works(one.issuer.mint()), REFRESH + 3, "the new key to be read")
        check_refused(one.gateway.get("/users/me", one.token))
        check_refused(one.gateway.get("/users/me", one.issuer.mint(key=gone)))
        assert one.works(one.issuer.mint(key=one.first))
        assert one.issuer.calls["jwks"] - before <= 2

    @pytest.mark.conformance("F2", "J4")
    def test_a_new_key_works_on_first_use_for_all(self, aged: dict[str, Aged]) -> None:
        """Single-flight: those who come while the keys are read wait for them, and are let in."""
        one = aged["crowded"]
        until(lambda: time.monotonic() > one.made + REFRESH, REFRESH + 1, "the first reading to be old")
        one.issuer.rotate()
        one.issuer.jwks_answer = slowly(one.issuer)
        before = one.issuer.calls["jwks"]
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: one.works(one.issuer.mint()), range(20))
        assert all(answers)
        assert one.issuer.calls["jwks"] == before + 1
