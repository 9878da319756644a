"""How a token arrives: one Authorization header, whatever bytes are in it."""

import base64
import json
import random
from collections.abc import Iterator

import pytest
from harness import http, jose
from harness.errors import check_error, check_refused
from harness.gateway import Gateway
from harness.issuer import Issuer, Raw
from harness.service import Service

STRANGER = jose.generate("RS256")
DEEP = b'{"deep":' + b"[" * 5000 + b"]" * 5000
DIGITS = b'{"digits":' + b"9" * 10_000
SHAPES = [
    "a",
    "a.b",
    "a.b.c",
    "..",
    "...",
    "....",
    "a.b.c.d.e",
    "{}.{}.{}",
    "e30.e30.",
    "e30.e30.e30",
    "bnVsbA.bnVsbA.bnVsbA",
    "W10.W10.W10",
    "MQ.MQ.MQ",
    "null",
    "undefined",
    "%00",
    "eyJhbGciOiJSUzI1NiJ9",
    "eyJhbGciOiJSUzI1NiJ9.",
    "eyJhbGciOiJSUzI1NiJ9..",
    "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
    "=.=.=",
    "====",
    "a" * 8000,
    "." * 8000,
]


def payloads() -> dict[str, bytes]:
    """What a validly signed token may carry instead of an object of claims."""
    return {
        "nothing": b"",
        "null": b"null",
        "array": b"[]",
        "string": b'"sub"',
        "number": b"1",
        "true": b"true",
        "no json": b"sub=user-1",
        "cut": b'{"sub": "user-1"',
        "trailing": b"{} {}",
        "bytes": bytes(range(256)),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "utf-16": '{"sub": "user-1"}'.encode("utf-16"),
        "single quotes": b"{'sub': 'user-1'}",
    }


@pytest.fixture(autouse=True)
def one_worker_throughout(gateway: Gateway) -> Iterator[None]:
    before = gateway.workers()
    yield
    assert gateway.workers() == before, "a worker died"


class TestChallenge:
    @pytest.mark.conformance("J9")
    def test_without_credentials_the_challenge_has_no_error_code(self, gateway: Gateway) -> None:
        answer = gateway.get("/users/me")
        check_error(answer, 401, "Unauthorized", "/users/me")
        assert "error" not in (answer.header("WWW-Authenticate") or "")

    @pytest.mark.conformance("J9")
    def test_a_bad_token_is_challenged_with_invalid_token(self, gateway: Gateway) -> None:
        check_refused(gateway.get("/users/me", "bad"))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic dTpw", "Token x", "x"], ids=repr)
    def test_another_scheme_is_no_token(self, gateway: Gateway, users: Service, value: str) -> None:
        check_error(gateway.get("/users/me", headers={"Authorization": value}), 401, "Unauthorized")
        assert not users.requests

    @pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_read_in_any_case(self, gateway: Gateway, issuer: Issuer, scheme: str) -> None:
        """RFC 9110 section 11.1."""
        answer = gateway.get("/users/me", headers={"Authorization": f"{scheme} {issuer.mint()}"})
        assert answer.status == 200

    @pytest.mark.conformance("J9")
    def test_every_protected_route_is_challenged(self, gateway: Gateway) -> None:
        for path in ("/users/me", "/interviews", "/interviews/1", "/interviews/1/answers", "/media/1"):
            check_error(gateway.get(path), 401, "Unauthorized", path)
            check_refused(gateway.get(path, "bad"))


class TestBytes:
    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("token", SHAPES, ids=lambda token: repr(token[:30]))
    def test_bytes_that_look_like_a_token_are_401(self, gateway: Gateway, token: str) -> None:
        check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("seed", range(3))
    def test_random_bytes_are_401(self, gateway: Gateway, seed: int) -> None:
        """Visible ASCII and obs-text (RFC 9110 section 5.5), alone and as the parts of a token."""
        chance = random.Random(seed)
        allowed = [byte for byte in range(0x21, 0x100) if byte not in (0x2C, 0x7F)]
        for size in (1, 3, 10, 100, 1000, 7000):
            junk = bytes(chance.choices(allowed, k=size)).decode("latin-1")
            parts = [jose.b64(chance.randbytes(size // 3 + 1)) for _ in range(3)]
            for token in (junk, ".".join(parts), f"eyJhbGciOiJSUzI1NiJ9.{parts[1]}.{parts[2]}", junk + "."):
                check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("payload", payloads().values(), ids=payloads().keys())
    def test_signed_bytes_that_are_no_claims_are_401(self, gateway: Gateway, issuer: Issuer, payload: bytes) -> None:
        check_refused(gateway.get("/users/me", issuer.mint(Raw(payload))))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("header", payloads().values(), ids=payloads().keys())
    def test_a_header_that_is_no_object_is_401(self, gateway: Gateway, issuer: Issuer, header: bytes) -> None:
        token = jose.compact(header, issuer.claims(), "RS256", issuer.key().private)
        check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize(
        "kid", [1, True, [], {}, ["x"], "", "\x00", "../../etc/passwd", "' or 1=1 --", "\ud800", "k" * 5000],
        ids=lambda kid: repr(kid)[:30],
    )  # fmt: skip
    def test_a_strange_kid_is_401(self, gateway: Gateway, issuer: Issuer, kid: object) -> None:
        """Signed by a stranger, for a key id that says nothing may as well be absent."""
        token = issuer.mint(headers={"kid": kid}, key=STRANGER)
        check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J9")
    def test_a_changed_token_is_401(self, gateway: Gateway, issuer: Issuer) -> None:
        head, payload, signature = issuer.mint().split(".")
        other = issuer.mint(sub="admin").split(".")
        flipped = bytearray(jose.unb64(signature))
        flipped[100] ^= 1
        for token in (
            f"{head}.{other[1]}.{signature}",
            f"{head}.{payload}.{jose.b64(bytes(flipped))}",
            f"{head}.{payload}.",
            f"{head}.{payload}",
            f"{head}.{payload}.{signature[:-4]}",
            f"{head}.{payload}.{signature}.{signature}",
            f"{head}.{payload}.{signature}AAAA",
            f"{head}.{payload}.{jose.b64(bytes(256))}",
            base64.b64encode(f"{head}.{payload}.{signature}".encode()).decode(),
        ):
            check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J9")
    @pytest.mark.parametrize("claim", ["sub", "email", "jti", "sid", "scope", "azp"])
    def test_bytes_that_are_no_text_are_401(self, gateway: Gateway, issuer: Issuer, claim: str) -> None:
        """A lone surrogate is valid JSON, and can not be encoded."""
        answer = gateway.get("/users/me", issuer.mint({claim: "\ud800"}))
        if answer.status != 200:
            check_refused(answer)


class TestSize:
    @pytest.mark.conformance("J10")
    @pytest.mark.parametrize("size", [16_500, 24_000, 60_000])
    def test_a_token_that_is_too_long_is_401(self, gateway: Gateway, issuer: Issuer, size: int) -> None:
        answer = gateway.get("/users/me", issuer.mint({"more": "x" * (size * 3 // 4)}))
        check_error(answer)
        assert answer.status in (401, 431)
        self.serves_on(gateway, issuer)

    @pytest.mark.conformance("J10")
    @pytest.mark.parametrize("place", ["payload", "header"])
    @pytest.mark.parametrize("part", [DEEP, DIGITS], ids=["5,000 deep", "10,000 digits"])
    def test_a_token_with_huge_contents_is_401(self, gateway: Gateway, issuer: Issuer, place: str, part: bytes) -> None:
        """Validly signed, and all else in it as it should be."""
        claims = json.dumps(issuer.claims()).encode()
        header = json.dumps({"alg": "RS256", "typ": "JWT", "kid": issuer.key().kid}).encode()
        if place == "payload":
            claims = part + b"," + claims[1:]
        else:
            header = part + b"," + header[1:]
        check_refused(gateway.get("/users/me", jose.compact(header, claims, "RS256", issuer.key().private)))
        self.serves_on(gateway, issuer)

    @staticmethod
    def serves_on(gateway: Gateway, issuer: Issuer) -> None:
        assert gateway.get("/users/me", issuer.mint()).status == 200


class TestPlaces:
    """J11: one token, in the one place for it."""

    @pytest.mark.conformance("J11")
    @pytest.mark.parametrize("first", ["good", "bad", "basic"])
    @pytest.mark.parametrize("second", ["good", "bad", "basic", "empty"])
    def test_two_authorization_headers_are_refused(
        self, gateway: Gateway, issuer: Issuer, users: Service, first: str, second: str
    ) -> None:
        values = {"good": f"Bearer {issuer.mint()}", "bad": "Bearer x", "basic": "Basic dTpw", "empty": ""}
        headers = [("Authorization", values[first]), ("Authorization", values[second])]
        self.refused(http.request(gateway.port, "GET", "/users/me", headers), users)

    @pytest.mark.conformance("J11")
    def test_two_equal_authorization_headers_are_refused(
        self, gateway: Gateway, issuer: Issuer, users: Service
    ) -> None:
        headers = [("Authorization", f"Bearer {issuer.mint()}")] * 2
        self.refused(http.request(gateway.port, "GET", "/users/me", headers), users)

    @pytest.mark.conformance("J11")
    @pytest.mark.parametrize(
        "form", ["{0},Bearer {1}", "{0}, Bearer {1}", "{0},{1}", "{0} {1}", "{0},", ",{0}", "{0}, Basic x"]
    )
    def test_two_tokens_in_one_header_are_refused(
        self, gateway: Gateway, issuer: Issuer, users: Service, form: str
    ) -> None:
        self.refused(gateway.get("/users/me", form.format(issuer.mint(), issuer.mint())), users)
        self.refused(gateway.get("/users/me", form.format(issuer.mint(), "bad")), users)
        self.refused(gateway.get("/users/me", form.format("bad", issuer.mint())), users)

    @pytest.mark.conformance("J11")
    @pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "bearer_token"])
    def test_a_token_in_the_query_does_not_count(
        self, gateway: Gateway, issuer: Issuer, users: Service, name: str
    ) -> None:
        self.refused(gateway.get(f"/users/me?{name}={issuer.mint()}"), users)

    @pytest.mark.conformance("J11")
    def test_a_token_in_a_form_does_not_count(self, gateway: Gateway, issuer: Issuer, interviews: Service) -> None:
        body = f"access_token={issuer.mint()}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = gateway.get("/interviews", headers=headers, method="POST", body=body)
        self.refused(answer, interviews)

    @pytest.mark.conformance("J11")
    @pytest.mark.parametrize(
        "name", ["X-Access-Token", "X-Authorization", "Proxy-Authorization", "X-Forwarded-Authorization"]
    )
    def test_a_token_in_another_header_does_not_count(
        self, gateway: Gateway, issuer: Issuer, users: Service, name: str
    ) -> None:
        self.refused(gateway.get("/users/me", headers={name: f"Bearer {issuer.mint()}"}), users)

    @pytest.mark.conformance("J11")
    @pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "session"])
    def test_a_cookie_that_is_the_token_does_not_count(
        self, gateway: Gateway, issuer: Issuer, users: Service, name: str
    ) -> None:
        self.refused(gateway.get("/users/me", headers={"Cookie": f"{name}={issuer.mint()}"}), users)

    @staticmethod
    def refused(answer: http.Answer, service: Service) -> None:
        check_error(answer)
        assert answer.status in (400, 401)
        assert not service.requests
