"""Every error has one shape (/docs, "Errors"), whoever notices it: route, hook, proxy, or the parser."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from harness import http, replies
from harness.errors import STRANGERS, check_error, check_refused
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.service import Service

JSON = {"Content-Type": "application/json"}
ORIGIN = {"Origin": FRONTEND}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Case:
    status: int
    path: str = "/users/me"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    message: str | None = None


CASES = {
    "401": Case(401, headers={"Authorization": "Bearer bad"}, message="Unauthorized"),
    "404": Case(404, "/nope", message="Not found"),
    "404 below a route": Case(404, "/users/you", message="Not found"),
    "404 of the root": Case(404, "/", message="Not found"),
    "405 of a forwarded route": Case(405, method="DELETE", message="Method not allowed"),
    "405 of sign-in": Case(405, "/auth/login", message="Method not allowed"),
    "405 of health": Case(405, "/health", "POST", message="Method not allowed"),
    "400 for the path": Case(400, "/interviews/a%2fb"),
    "400 for the redirect": Case(400, "/auth/login", "POST", JSON, b'{"redirectUri": "https://evil.test/"}'),
    "400 for the body": Case(400, "/auth/login", "POST", JSON, b"{"),
    "400 for the kind of body": Case(400, "/auth/login", "POST", JSON, b"[]"),
    "400 for the state": Case(400, "/auth/callback?code=c&state=s"),
    "413 sized": Case(413, "/users/me", "PUT", JSON, b"x" * 5000, message="Payload too large"),
    "413 chunked": Case(413, "/users/me", "PUT", JSON, [b"x" * 5000], message="Payload too large"),
    "415": Case(415, "/auth/login", "POST", {"Content-Type": "text/plain"}, b"{}"),
    "502": Case(502, "/interviews/1", message="Bad gateway"),
    "504": Case(504, message="Gateway timeout"),
}


def ask(path: str) -> str:
    """The path with something in its query that no error may repeat."""
    return f"{path}{'&' if '?' in path else '?'}token=marked"


class TestShape:
    @pytest.fixture(scope="class")
    @classmethod
    def strict(cls, make_gateway: GatewayFactory) -> Iterator[Gateway]:
        """A gateway that is easily displeased: small bodies, little patience, no media, no interviews."""
        env = {
            "MAX_BODY_BYTES": "4096",
            "PROXY_READ_TIMEOUT": "0.5",
            "BODY_TIMEOUT": "1",
            "MEDIA_SERVICE_URL": None,
        }
        with make_gateway(env, services=["users"]) as running:
            yield running

    @pytest.mark.conformance("G3", "C7")
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
    def test_every_error_has_the_one_shape(self, strict: Gateway, issuer: Issuer, users: Service, case: Case) -> None:
        """The query, which may hold a secret, is not told; the frontend may read the error."""
        users.answer = replies.hang()
        headers = {"Authorization": f"Bearer {issuer.mint()}", "Traceparent": TRACEPARENT, **ORIGIN}
        headers.update(case.headers)
        answer = strict.get(ask(case.path), headers=headers, method=case.method, body=case.body)
        check_error(answer, case.status, case.message, case.path.partition("?")[0])
        assert "marked" not in answer.text
        assert answer.header("Access-Control-Allow-Origin") == FRONTEND
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.json()["traceId"] == TRACE_ID
        reported = datetime.fromisoformat(answer.json()["timestamp"])
        assert abs((datetime.now(UTC) - reported).total_seconds()) < 60

    def test_media_without_a_service_is_404(self, strict: Gateway, issuer: Issuer) -> None:
        check_error(strict.get("/media/1", issuer.mint()), 404, "Not found", "/media/1")

    @pytest.mark.conformance("L2")
    def test_a_body_that_stalls_is_408(self, strict: Gateway, issuer: Issuer) -> None:
        headers = {"Authorization": f"Bearer {issuer.mint()}", "Content-Length": "9"}
        head = http.head("PUT", "/users/me", headers)
        check_error(http.send(strict.port, head + b"1234"), 408, path="/users/me")

    def test_an_open_breaker_is_503(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway(services={})
        for _ in range(5):
            check_error(gateway.get("/users/me", issuer.mint()), 502, "Bad gateway", "/users/me")
        check_error(gateway.get("/users/me", issuer.mint()), 503, "Service unavailable", "/users/me")


class TestMethods:
    @pytest.mark.parametrize(
        ("path", "allowed"),
        {
            "/users/me": {"GET", "PUT"},
            "/interviews": {"GET", "POST"},
            "/interviews/1": {"GET", "PUT", "PATCH", "DELETE"},
            "/auth/login": {"POST"},
            "/auth/callback": {"GET"},
            "/auth/refresh": {"POST"},
            "/auth/logout": {"POST"},
            "/auth/session": {"GET"},
            "/auth/backchannel-logout": {"POST"},
            "/health": {"GET"},
        }.items(),
    )
    def test_a_method_that_a_route_has_not_is_405(
        self, gateway: Gateway, issuer: Issuer, users: Service, path: str, allowed: set[str]
    ) -> None:
        """Allow names what is there (RFC 9110 section 10.2.1); HEAD goes with GET, OPTIONS may be told."""
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = gateway.get(path, issuer.mint(), method=method)
            check_error(answer, 405, "Method not allowed", path)
            reported = {name.strip() for name in (answer.header("Allow") or "").split(",")}
            assert reported - {"HEAD", "OPTIONS"} == allowed
        assert not users.requests

    @pytest.mark.conformance("P11")
    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "FOO", "get"])
    def test_an_unknown_method_is_refused(self, gateway: Gateway, issuer: Issuer, users: Service, method: str) -> None:
        answer = gateway.get("/users/me", issuer.mint(), method=method)
        check_error(answer)
        assert answer.status in (400, 405, 501)
        assert not users.requests

    @pytest.mark.parametrize("path", ["/nope", "/users/me", "/auth/login"])
    def test_an_error_to_head_has_no_body(self, gateway: Gateway, path: str) -> None:
        with http.Connection(gateway.port) as connection:
            connection.request("HEAD", path, {"Connection": "close"})
            answer = connection.receive_head(method="HEAD")
            assert answer.status in (401, 404, 405)
            assert connection.rest() == b""


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "image/png", "application/xml;q=1, */*;q=0"])
def test_an_error_is_json_whatever_is_accepted(gateway: Gateway, accept: str) -> None:
    check_error(gateway.get("/nope", headers={"Accept": accept}), 404, "Not found", "/nope")


def test_trace_ids_differ(gateway: Gateway) -> None:
    ids = {gateway.get("/nope").json()["traceId"] for _ in range(5)}
    assert len(ids) == 5


def test_the_server_names_no_version(gateway: Gateway, issuer: Issuer) -> None:
    answers = [gateway.get("/nope"), gateway.get("/users/me", issuer.mint()), gateway.get("/health")]
    answers.append(http.send(gateway.port, b"nonsense\r\n\r\n"))
    for answer in answers:
        for name in ("Server", "X-Powered-By"):
            value = answer.header(name) or ""
            assert not any(character.isdigit() for character in value), value


GOOD_HEAD = b"GET /nope?token=marked HTTP/1.1\r\nHost: gateway.test\r\n"
UNPARSEABLE = {
    "no request line": b"nonsense\r\n\r\n",
    "no version": b"GET /nope?token=marked\r\n\r\n",
    "bad version": b"GET /nope?token=marked HTTP/x.y\r\nHost: a\r\n\r\n",
    "a version to come": b"GET /nope?token=marked HTTP/3.0\r\nHost: a\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20) + b"\r\n\r\n",
    "space in the target": b"GET /no pe?token=marked HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /nope?token=marked HTTP/1.1\r\n\r\n",
    "header without colon": GOOD_HEAD + b"Authorization Bearer marked\r\n\r\n",
    "space before the colon": GOOD_HEAD + b"Authorization : Bearer marked\r\n\r\n",
    "no header name": GOOD_HEAD + b": Bearer marked\r\n\r\n",
    "control character in a name": GOOD_HEAD + b"X-\x01: marked\r\n\r\n",
    "NUL in a value": GOOD_HEAD + b"X: mar\x00ked\r\n\r\n",
    "folded line": GOOD_HEAD + b"X: a\r\n marked\r\n\r\n",
    "length no number": GOOD_HEAD + b"Content-Length: marked\r\n\r\n",
    "negative length": GOOD_HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": GOOD_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and coding": GOOD_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": GOOD_HEAD + b"Transfer-Encoding: marked\r\n\r\n",
}
OVERSIZE = {
    "414": (414, b"GET /nope?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "431 for one header": (431, GOOD_HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n"),
    "431 for their number": (431, GOOD_HEAD + b"X: x\r\n" * 2000 + b"\r\n"),
}


class TestParser:
    """G3: its errors have the shape too, and repeat nothing of what could not be read."""

    @pytest.mark.conformance("G3", "P5", "P6")
    @pytest.mark.parametrize("data", UNPARSEABLE.values(), ids=UNPARSEABLE.keys())
    def test_what_the_parser_can_not_read_has_the_one_shape(self, gateway: Gateway, data: bytes) -> None:
        answer = http.send(gateway.port, data)
        check_error(answer)
        assert answer.status in (400, 431, 501, 505)
        assert "marked" not in answer.text

    @pytest.mark.conformance("G3", "L4")
    @pytest.mark.parametrize(("status", "data"), OVERSIZE.values(), ids=OVERSIZE.keys())
    def test_what_is_too_long_for_the_parser_has_the_one_shape(
        self, gateway: Gateway, status: int, data: bytes
    ) -> None:
        check_error(http.send(gateway.port, data), status)

    @pytest.mark.conformance("G3")
    def test_the_gateway_serves_on_after_unreadable_requests(self, gateway: Gateway) -> None:
        workers = gateway.workers()
        for data in UNPARSEABLE.values():
            http.send(gateway.port, data)
        assert gateway.get("/health/live").status == 200
        assert gateway.workers() == workers


@pytest.mark.conformance("G3")
@pytest.mark.parametrize(
    "reply",
    {
        "reset": replies.reset(),
        "garbage": replies.raw(b"garbage of 127.0.0.1\r\n\r\n", close=True),
        "early end": replies.raw(b"", close=True),
        "switching": replies.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", close=True),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_broken_service_is_not_described(
    gateway: Gateway, issuer: Issuer, users: Service, reply: tuple[str, Any]
) -> None:
    users.answer = reply[1]
    answer = gateway.get("/users/me", issuer.mint())
    check_error(answer, 502, "Bad gateway", "/users/me")
    assert str(users.port) not in answer.text
    assert not STRANGERS.search(answer.text)


def test_a_lapsed_token_is_told_apart(gateway: Gateway, issuer: Issuer) -> None:
    check_refused(gateway.get("/users/me", issuer.mint(life=-600)), "Token expired")
