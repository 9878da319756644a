"""Where a request goes: destination, path and query that were authorised are what is forwarded."""

from collections.abc import Iterator

import pytest
from harness import http
from harness.gateway import Gateway, StartGateway
from harness.service import Service


@pytest.fixture
def elsewhere() -> Iterator[Service]:
    """A host a request would like to reach."""
    with Service() as service:
        yield service


def raw(method: bytes, target: bytes, token: str, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    bearer = b"Authorization: Bearer " + token.encode()
    head = [method + b" " + target + b" " + version, bearer, *(lines or (b"Host: gateway.test",))]
    return b"\r\n".join([*head, b"", b""])


BAD_TARGETS = {
    "dot-dot": b"/media/../users/me",
    "dot-dot-inside": b"/media/a/../b",
    "dot-dot-last": b"/media/a/..",
    "dot-dot-only": b"/media/..",
    "dot": b"/media/./a",
    "dot-last": b"/media/a/.",
    "dot-dot-first": b"/../media/a",
    "encoded-dots": b"/media/%2e%2e/users",
    "encoded-dots-upper": b"/media/%2E%2E/users",
    "half-encoded-dots": b"/media/.%2e/users",
    "half-encoded-dots-other": b"/media/%2e./users",
    "encoded-dot": b"/media/%2e/a",
    "encoded-dots-last": b"/media/a/%2e%2E",
    "dots-with-parameter": b"/media/..;/users",
    "dots-with-encoded-parameter": b"/media/..%3b/users",
    "dots-with-encoded-parameter-last": b"/media/a/%2e.%3Ba",
    "encoded-slash": b"/media/a%2fb",
    "encoded-slash-upper": b"/media/a%2Fb",
    "encoded-dots-and-slash": b"/media/..%2f..%2fusers",
    "encoded-backslash": b"/media/a%5cb",
    "encoded-backslash-upper": b"/media/a%5Cb",
    "backslash": b"/media/a\\b",
    "backslash-dots": b"/media/..\\users",
    "encoded-nul": b"/media/a%00b",
    "encoded-control": b"/media/a%01b",
    "encoded-newline": b"/media/a%0ab",
    "encoded-return": b"/media/a%0db",
    "encoded-crlf-header": b"/media/a%0d%0aX-Evil:%201",
    "encoded-delete": b"/media/a%7fb",
    "nul": b"/media/a\x00b",
    "control": b"/media/a\x01b",
    "tab": b"/media/a\tb",
    "delete": b"/media/a\x7fb",
    "bad-utf8": b"/media/%ff",
    "bad-utf8-truncated": b"/media/%c3",
    "bad-utf8-continuation": b"/media/%c3%28",
    "bad-utf8-overlong-dot": b"/media/%c0%ae%c0%ae/users",
    "bad-utf8-overlong-slash": b"/media/a%c0%afb",
    "bad-utf8-surrogate": b"/media/%ed%a0%80",
    "bad-utf8-raw": b"/media/\xff",
    "in-an-id": b"/interviews/%2e%2e",
    "below-an-id": b"/interviews/1/%2e%2e/2",
    "slash-in-an-id": b"/interviews/1%2f2",
}


@pytest.mark.conformance("P2")
@pytest.mark.parametrize("target", BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_a_path_that_reads_two_ways_is_refused(
    gateway: Gateway, services: dict[str, Service], token: str, target: bytes
) -> None:
    answer = http.send(gateway.port, raw(b"GET", target, token))
    assert answer.status == 400
    assert not any(service.requests for service in services.values())


GOOD_TARGETS = {
    "plain": b"/media/a",
    "encoded-tilde": b"/media/%7Euser",
    "tilde": b"/media/~user",
    "encoded-letter": b"/media/%41%62",
    "lower-case-escapes": b"/media/%c3%a9",
    "upper-case-escapes": b"/media/%C3%A9",
    "four-byte-utf8": b"/media/%f0%9f%98%80",
    "semicolon": b"/media/a;v=1/b;c",
    "plus": b"/media/a+b",
    "encoded-plus": b"/media/a%2Bb",
    "encoded-space": b"/media/a%20b",
    "encoded-percent": b"/media/100%25",
    "twice-encoded": b"/media/a%252e%252e%252fb",
    "encoded-question": b"/media/a%3Fb",
    "encoded-hash": b"/media/a%23b",
    "sub-delimiters": b"/media/!$&'()*+,;=:@",
    "encoded-sub-delimiters": b"/media/%21%24%26%27%28%29",
    "dots-in-a-name": b"/media/a..b/...c/.d/e.",
    "three-dots": b"/media/.../a",
    "empty-query": b"/media/a?",
    "question-in-query": b"/media/a?b=?c?d",
    "slashes-in-query": b"/media/a?b=/../c//d",
    "odd-escapes-in-query": b"/media/a?q=%zz&r=%",
    "encoded-slash-in-query": b"/media/a?q=%2f%2F%5c",
    "empty-parameters": b"/media/a?&&=&a=&=b",
    "repeated-parameters": b"/media/a?x=1&x=2&X=3",
    "plus-and-space-in-query": b"/media/a?q=a+b%20c",
    "braces-in-query": b"/media/a?q[0]={x}|y",
    "colon-at": b"/media/user:pw@host",
    "trailing-slash": b"/media/a/",
    "slashes-inside": b"/media/a//b",
    "long": b"/media/" + b"a" * 2000,
}


@pytest.mark.conformance("P2")
@pytest.mark.parametrize("target", GOOD_TARGETS.values(), ids=GOOD_TARGETS)
def test_an_odd_target_arrives_byte_for_byte(gateway: Gateway, media: Service, token: str, target: bytes) -> None:
    assert http.send(gateway.port, raw(b"GET", target, token)).status == 200
    assert [received.target for received in media.requests] == [target]


UNSURE_TARGETS = {
    "fragment": b"/media/a#b",
    "fragment-dots": b"/media/a#/../b",
    "first-segment-empty": b"/media//a",
    "first-segments-empty": b"//media/a",
    "broken-escape": b"/media/%zz",
    "lone-percent": b"/media/a%",
    "utf8-unescaped": b"/media/\xc3\xa9",
    "quotes": b'/media/"a"',
    "angles": b"/media/<a>",
    "brackets": b"/media/[a]",
    "bad-utf8-in-query": b"/media/a?q=\xff",
    "control-in-query": b"/media/a?q=\x01",
    "encoded-crlf-in-query": b"/media/a?q=%0d%0aX-Evil:%201",
    "space": b"/media/a b",
    "unicode-dots": b"/media/%e2%80%a5/a",
}


@pytest.mark.conformance("P2")
@pytest.mark.parametrize("target", UNSURE_TARGETS.values(), ids=UNSURE_TARGETS)
def test_a_doubtful_target_is_refused_or_arrives_unchanged(
    gateway: Gateway, media: Service, token: str, target: bytes
) -> None:
    answer = http.send(gateway.port, raw(b"GET", target, token))
    assert answer.status in (200, 400, 404)
    assert [received.target for received in media.requests] == ([target] if answer.status == 200 else [])


@pytest.mark.conformance("P2")
def test_a_base_path_goes_before_the_target(start_gateway: StartGateway, media: Service, token: str) -> None:
    gateway = start_gateway({"MEDIA_SERVICE_URL": media.url + "/base/v1/"})
    assert http.send(gateway.port, raw(b"GET", b"/media/%7Ea?b", token)).status == 200
    assert media.last.target == b"/base/v1/media/%7Ea?b"


@pytest.mark.conformance("P1")
@pytest.mark.parametrize(
    "target",
    [
        b"http://{there}/media/a",
        b"HTTP://{there}/media/a",
        b"https://{there}/media/a",
        b"http://user:pw@{there}/media/a",
        b"//{there}/media/a",
        b"///{there}/media/a",
        b"@{there}/media/a",
        b"/@{there}/media/a",
        b"/media/@{there}/a",
        b"/media/a@{there}",
        b"/media//{there}/a",
        b"/media/http://{there}/a",
        b"/media/a?next=http://{there}/",
        b"{there}/media/a",
        b":80@{there}/media/a",
        b".{there}/media/a",
        b"/\\{there}/media/a",
        b"http:/media/a",
        b"ftp://{there}/media/a",
        b"*",
    ],
    ids=lambda target: target.decode().replace("{there}", "there"),
)
def test_the_target_chooses_no_host(
    gateway: Gateway, media: Service, elsewhere: Service, token: str, target: bytes
) -> None:
    there = f"127.0.0.1:{elsewhere.port}".encode()
    host = there if b"://" in target else b"gateway.test"
    target = target.replace(b"{there}", there)
    answer = http.send(gateway.port, raw(b"GET", target, token, b"Host: " + host))
    assert answer.status in (200, 400, 404)
    assert elsewhere.accepted == 0
    for received in media.requests:
        assert received.target.startswith(b"/media/")
        assert received.header("Host") == f"127.0.0.1:{media.port}"


@pytest.mark.conformance("P1")
@pytest.mark.parametrize(
    "host",
    [
        "{there}",
        "gateway.test@{there}",
        "{there}/media",
        "{there}#",
        "{there}, gateway.test",
        "[::1]:1",
        "a b",
    ],
)
def test_the_host_header_chooses_no_host(
    gateway: Gateway, media: Service, elsewhere: Service, token: str, host: str
) -> None:
    line = host.replace("{there}", f"127.0.0.1:{elsewhere.port}").encode()
    extra = b"X-Forwarded-Host: 127.0.0.1:%d" % elsewhere.port
    answer = http.send(gateway.port, raw(b"GET", b"/media/a", token, b"Host: " + line, extra))
    assert answer.status in (200, 400)
    assert elsewhere.accepted == 0
    assert [received.header("Host") for received in media.requests] in ([], [f"127.0.0.1:{media.port}"])


@pytest.mark.conformance("P1")
@pytest.mark.parametrize("host", ["gateway.test", "other.test:8080", "127.0.0.1", "EXAMPLE.org.", "[::1]:3001"])
def test_any_host_is_accepted(gateway: Gateway, media: Service, token: str, host: str) -> None:
    assert gateway.get("/media/a", token, {"Host": host}).status == 200
    assert media.last.header("Host") == f"127.0.0.1:{media.port}"


@pytest.mark.conformance("P6")
@pytest.mark.parametrize(
    "lines",
    [[b"X-No-Host: 1"], [b"Host: a.test", b"Host: b.test"], [b"Host: a.test", b"Host: a.test"]],
    ids=["none", "two", "twice the same"],
)
def test_one_host_is_needed(gateway: Gateway, media: Service, token: str, lines: list[bytes]) -> None:
    assert http.send(gateway.port, raw(b"GET", b"/media/a", token, *lines)).status == 400
    assert http.send(gateway.port, raw(b"GET", b"/health/live", token, *lines)).status == 400
    assert media.requests == []


@pytest.mark.conformance("P6")
def test_http_1_0_needs_no_host(gateway: Gateway, media: Service, token: str) -> None:
    request = raw(b"GET", b"/media/a", token, b"X-No-Host: 1", version=b"HTTP/1.0")
    answer = http.send(gateway.port, request)
    assert answer.status == 200
    assert answer.complete
    assert answer.json()["target"] == "/media/a"


@pytest.mark.conformance("P11")
def test_connect_opens_no_tunnel(gateway: Gateway, elsewhere: Service, token: str) -> None:
    target = f"127.0.0.1:{elsewhere.port}".encode()
    answer = http.send(gateway.port, raw(b"CONNECT", target, token, b"Host: " + target))
    assert answer.status == 501
    assert elsewhere.accepted == 0
