"""The log: one JSON object a line on stdout, whatever came in."""

import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import replies
from harness.errors import TIMESTAMP, TRACE_ID
from harness.gateway import Gateway, StartGateway
from harness.issuer import Issuer
from harness.service import Service
from harness.waiting import until

LONGEST = 4096


class TestAccessLine:
    def test_a_forwarded_request_has_an_access_line(self, gateway: Gateway, issuer: Issuer) -> None:
        headers = {"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        gateway.get("/interviews/line-1?page=2&q=x", issuer.mint(sub="the-user"), headers)
        line = gateway.access_line("/interviews/line-1")
        assert TIMESTAMP.fullmatch(line["timestamp"])
        assert line["level"] == "info"
        assert line["service"] == "api-gateway"
        assert line["host"] == os.uname().nodename and line["pid"] in gateway.workers()
        assert line["message"] == "HTTP: GET /interviews/line-1 200"
        assert line["method"] == "GET"
        assert line["statusCode"] == 200
        assert 0 < line["duration"] < 60_000
        assert line["userId"] == "the-user"
        assert line["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_an_error_has_an_access_line(self, gateway: Gateway) -> None:
        """The trace id is the one the client was told."""
        answer = gateway.get("/interviews/line-2?token=x")
        line = gateway.access_line("/interviews/line-2")
        assert line["statusCode"] == 401
        assert line["message"] == "HTTP: GET /interviews/line-2 401"
        assert line["traceId"] == answer.json()["traceId"]
        assert TRACE_ID.fullmatch(line["traceId"])
        assert not line.get("userId")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("POST", "/interviews/line-3", 405),
            ("GET", "/line-4", 404),
            ("DELETE", "/interviews/line-5", 200),
            ("GET", "/interviews/line%2f6", 400),
        ],
    )
    def test_any_request_has_an_access_line(
        self, gateway: Gateway, issuer: Issuer, method: str, path: str, status: int
    ) -> None:
        gateway.get(path, issuer.mint(), method=method)
        line = gateway.access_line(path)
        assert (line["method"], line["statusCode"]) == (method, status)

    def test_a_services_own_error_has_an_access_line(
        self, gateway: Gateway, issuer: Issuer, interviews: Service
    ) -> None:
        interviews.answer = replies.sized(500, [], b"boom")
        gateway.get("/interviews/line-7", issuer.mint())
        assert gateway.access_line("/interviews/line-7")["statusCode"] == 500

    def test_it_says_what_became_of_the_call(self, gateway: Gateway, issuer: Issuer, interviews: Service) -> None:
        token = issuer.mint()
        gateway.get("/interviews/line-8", token)
        line = gateway.access_line("/interviews/line-8")
        place = interviews.url.removeprefix("http://")
        assert (line["upstream"], line["instance"]) == ("interview-service", place)
        assert 0 < line["upstreamDuration"] <= line["duration"]
        assert not line.keys() & {"kind", "retries", "code"}
        interviews.answer = replies.by_turn(replies.reset(), replies.sized(200))
        assert gateway.get("/interviews/line-9", token).status == 200
        line = gateway.access_line("/interviews/line-9")
        assert (line["statusCode"], line["retries"], line["kind"]) == (200, 1, "closed")
        interviews.answer = replies.reset()
        assert gateway.get("/interviews/line-10", token).status == 502
        line = gateway.access_line("/interviews/line-10")
        assert (line["code"], line["retries"], line["kind"]) == ("service_unreachable", 1, "closed")
        assert line["instance"] == place and 0 < line["upstreamDuration"] <= line["duration"]
        gateway.get("/interviews/line-11")
        calls = {"upstream", "instance", "upstreamDuration", "kind", "retries"}
        assert not gateway.access_line("/interviews/line-11").keys() & calls


class TestLevels:
    def test_a_refused_service_is_an_error(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway({"LOG_LEVEL": "error"}, services={})
        gateway.get("/users/me", issuer.mint())
        gateway.wait_line(lambda line: line["level"] == "error")

    def test_probes_are_logged_at_debug(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"LOG_LEVEL": "info"})
        for path in ("/health", "/health/live", "/health/ready", "/nope"):
            gateway.get(path)
        gateway.access_line("/nope")
        urls = {line.get("url") for line in gateway.lines()}
        assert not urls & {"/health", "/health/live", "/health/ready"}
        assert "debug" not in {line["level"] for line in gateway.lines()}

    def test_debug_tells_of_probes_and_tokens(self, gateway: Gateway) -> None:
        gateway.get("/health/live")
        assert gateway.access_line("/health/live")["level"] == "debug"
        before = len(gateway.lines())
        trace_id = gateway.get("/users/me", "bad").json()["traceId"]
        gateway.wait_line(lambda line: line["level"] == "debug" and line.get("traceId") == trace_id)
        assert len(gateway.lines()) > before + 1


HOSTILE_TARGETS = {
    "quotes": b'/interviews/"quoted"?"x"',
    "backslash": b"/interviews/a\\b\\",
    "json": b'/interviews/{"level":"error"}',
    "newline encoded": b"/interviews/a%0a{%22level%22:1}",
    "carriage return encoded": b"/interviews/a%0d%0aX",
    "NUL encoded": b"/interviews/a%00b",
    "control characters": b"/interviews/a\x01\x02\x1b[31mred\x7f",
    "tab": b"/interviews/a\tb",
    "bad utf-8": b"/interviews/\xff\xfe\xc3",
    "bad utf-8 encoded": b"/interviews/%ff%fe%c3",
    "utf-8": "/interviews/рекрутер\u2028\u2029".encode(),
    "lone percent": b"/interviews/%",
    "8 KB": b"/interviews/" + b"x" * 8000,
    "8 KB of quotes": b"/interviews/" + b'"' * 7900,
    "8 KB of controls": b"/interviews/" + b"\x01" * 7900,
    "8 KB of utf-8": b"/interviews/" + "я".encode() * 3900,
    "8 KB of query": b"/interviews/1?" + b"q" * 8000,
    "absolute": b"http://evil.test/interviews/1",
    "absolute with userinfo": b"http://user:word@evil.test/interviews/1",
}
HOSTILE_HEADERS = {
    "quotes": b'User-Agent: "quoted" \\ {"level":"error"}',
    "long": b"User-Agent: " + b"u" * 7000,
    "obs-text": b"User-Agent: \xff\xfe\xd1\x80",
    "tab": b"User-Agent: a\tb",
    "control": b"User-Agent: \x1b[31mred\x07",
    "traceparent": b"Traceparent: 00-" + b"\xff" * 32 + b"-00f067aa0ba902b7-01",
    "request id": b'X-Request-Id: "}\x01{"',
    "forwarded": b"X-Forwarded-For: \xff\xfe, " + b"1.2.3.4, " * 300,
    "host": b'Host: "}{"\xff',
    "origin": b'Origin: http://"}{"',
    "bearer": b'Authorization: Bearer "}{"\xff',
    "cookie": b'Cookie: a="}{"\xff; session=' + b"c" * 5000,
}
HOSTILE_SUBJECTS = ['"}{"', "a\r\nb", "\x00\x1b", "я" * 1000, "u" * 9000]


class TestLines:
    """G2: gateway.lines() parses each, and fails on one that is no JSON object."""

    @pytest.mark.conformance("G2")
    @pytest.mark.parametrize("target", HOSTILE_TARGETS.values(), ids=HOSTILE_TARGETS.keys())
    def test_a_hostile_target_is_one_json_line(self, gateway: Gateway, issuer: Issuer, target: bytes) -> None:
        head = b"GET %b HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer %b\r\n\r\n"
        self.check(gateway, head % (target, issuer.mint().encode()))

    @pytest.mark.conformance("G2")
    @pytest.mark.parametrize("header", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
    def test_a_hostile_header_is_one_json_line(self, gateway: Gateway, header: bytes) -> None:
        host = b"" if header.startswith(b"Host") else b"Host: gateway.test\r\n"
        self.check(gateway, b"GET /interviews/1 HTTP/1.1\r\n" + host + header + b"\r\n\r\n")

    @pytest.mark.conformance("G2")
    @pytest.mark.parametrize("method", [b'"}{"', b"G\x01T", b"M" * 3000, b"\xff"], ids=repr)
    def test_a_hostile_method_is_one_json_line(self, gateway: Gateway, method: bytes) -> None:
        self.check(gateway, method + b" /interviews/1 HTTP/1.1\r\nHost: gateway.test\r\n\r\n")

    @pytest.mark.conformance("G2")
    @pytest.mark.parametrize("seed", range(3))
    def test_random_bytes_are_json_lines(self, gateway: Gateway, seed: int) -> None:
        chance = random.Random(seed)
        for size in (1, 10, 100, 1000, 5000):
            self.check(gateway, chance.randbytes(size) + b"\r\n\r\n")
            self.check(gateway, b"GET /" + chance.randbytes(size) + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            self.check(gateway, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + chance.randbytes(size) + b"\r\n\r\n")

    @pytest.mark.conformance("G2")
    @pytest.mark.parametrize("sub", HOSTILE_SUBJECTS, ids=lambda sub: repr(sub[:9]))
    def test_a_hostile_user_is_one_json_line(self, gateway: Gateway, issuer: Issuer, sub: str) -> None:
        gateway.get("/interviews/hostile-user", issuer.mint(sub=sub))
        gateway.access_line("/interviews/hostile-user")
        self.check_lines(gateway)

    @pytest.mark.conformance("G2")
    def test_lines_of_several_workers_do_not_mix(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway(workers=2)
        token = issuer.mint()
        paths = [f"/interviews/{number}-{'x' * 3000}" for number in range(100)]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda path: gateway.get(path, token), paths)
            assert {answer.status for answer in answers} == {200}
        wanted = {path[:40] for path in paths}
        until(lambda: wanted <= {str(line.get("url"))[:40] for line in gateway.lines()}, 5, "every line")
        self.check_lines(gateway)

    def check(self, gateway: Gateway, data: bytes) -> None:
        gateway.provoke(data)
        self.check_lines(gateway)

    @staticmethod
    def check_lines(gateway: Gateway) -> None:
        assert all(len(line) < LONGEST for line in gateway.stdout.split(b"\n"))
        for line in gateway.lines():
            assert {"timestamp", "level", "service", "message"} <= set(line), line
            assert "?" not in str(line.get("url")), line
            assert str(line.get("url")).isprintable(), line


def test_the_address_of_a_refused_client_is_written_as_it_is(start_gateway: StartGateway) -> None:
    """Also where one socket takes both families (RFC 4291 section 2.5.5.2)."""
    gateway = start_gateway({"HOST": "::"})
    gateway.provoke(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    assert gateway.wait_line(lambda line: line["message"] == "HTTP: refused 400")["ip"] == "127.0.0.1"
