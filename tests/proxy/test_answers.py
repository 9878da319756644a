"""A service's answer comes back as it was: status, headers, bytes."""

import gzip

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.service import Service

FRONTEND = "http://localhost:3000"


@pytest.mark.conformance("P8")
def test_several_cookies_stay_several(gateway: Gateway, users: Service, token: str) -> None:
    cookies = ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/", "b=2, 3; HttpOnly", "a=1"]
    users.answer = replies.sized(200, [("Set-Cookie", cookie) for cookie in cookies])
    assert gateway.get("/users/me", token).all("Set-Cookie") == cookies


@pytest.mark.conformance("P8")
def test_a_header_twice_stays_twice_in_order(gateway: Gateway, users: Service, token: str) -> None:
    links = ['</a>; rel="x"', "</b>", "</a>"]
    users.answer = replies.sized(200, [("Link", links[0]), ("X-A", "1"), *[("Link", link) for link in links[1:]]])
    answer = gateway.get("/users/me", token)
    assert answer.all("Link") in (links, [", ".join(links)])


@pytest.mark.conformance("P8")
def test_headers_pass_as_they_are(gateway: Gateway, users: Service, token: str) -> None:
    passed = {
        "Content-Type": "text/plain; charset=latin-1",
        "ETag": 'W/"a,b"',
        "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT",
        "Content-Disposition": "attachment; filename*=UTF-8''%e2%82%ac.txt",
        "Content-Language": "de",
        "Vary": "Accept",
        "Retry-After": "7",
        "X-Latin": "caf\xe9",
        "X-Empty": "",
        "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    users.answer = replies.sized(200, passed.items(), b"caf\xe9")
    answer = gateway.get("/users/me", token)
    for name in passed.keys() - {"Vary"}:
        assert answer.header(name) == passed[name]
    assert "accept" in ",".join(answer.all("Vary")).lower().replace(" ", "").split(",")
    assert answer.body == b"caf\xe9"


@pytest.mark.conformance("P8")
def test_a_header_there_is_one_of_comes_once(gateway: Gateway, media: Service, token: str) -> None:
    """`header` fails where one came twice."""
    said = {
        "Server": "service",
        "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
        "Content-Type": "text/plain",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": "of-the-service",
        "Connection": "keep-alive",
        "Content-Length": "2",
    }
    media.answer = replies.raw(replies.head(200, said.items()) + b"ok")
    answer = gateway.get("/media/a", token)
    assert all(answer.header(name) for name in said.keys() - {"Connection"})


@pytest.mark.conformance("P8")
@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200 Gr\xf6\xdfe & <so> on", b"HTTP/1.1 299 200 OK"]
)
def test_an_odd_reason_is_no_matter(gateway: Gateway, media: Service, token: str, line: bytes) -> None:
    media.answer = replies.raw(line + b"\r\nContent-Length: 2\r\n\r\nok")
    answer = gateway.get("/media/a", token)
    assert (str(answer.status), answer.body) == (line[9:12].decode(), b"ok")


@pytest.mark.conformance("P8")
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip", "x-unknown"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_coded_body_is_not_decoded(gateway: Gateway, users: Service, token: str, coding: str, chunked: bool) -> None:
    body = gzip.compress(b"hello " * 1000)
    headers = [("Content-Encoding", coding), ("Content-Type", "text/plain")]
    pieces = [body[:10], body[10:]]
    users.answer = replies.chunked(200, headers, pieces) if chunked else replies.sized(200, headers, body)
    answer = gateway.get("/users/me", token, {"Accept-Encoding": coding})
    assert answer.body == body
    assert answer.header("Content-Encoding") == coding
    assert users.last.header("Accept-Encoding") == coding
    if not chunked:
        assert answer.header("Content-Length") == str(len(body))


@pytest.mark.conformance("P8")
@pytest.mark.parametrize("length", ["0", "5", "123456789012"])
def test_head_keeps_the_length(gateway: Gateway, users: Service, token: str, length: str) -> None:
    users.answer = replies.raw(replies.head(200, [("Content-Length", length), ("ETag", '"x"')]))
    answer = gateway.get("/users/me", token, method="HEAD")
    assert answer.header("Content-Length") == length
    assert answer.header("ETag") == '"x"'
    assert users.last.method == "HEAD"


@pytest.mark.conformance("P8")
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [None, "0", "17"])
def test_no_body_where_there_can_be_none(
    gateway: Gateway, users: Service, token: str, status: int, length: str | None
) -> None:
    headers = [("ETag", '"x"')] + ([("Content-Length", length)] if length else [])
    users.answer = replies.raw(replies.head(status, headers))
    with http.Connection(gateway.port) as connection:
        connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}", "Connection": "close"})
        answer = connection.receive()
        assert connection.rest() == b""
    assert answer.status == status
    assert answer.header("ETag") == '"x"'
    assert "transfer-encoding" not in {name.lower() for name, _ in answer.headers}


@pytest.mark.conformance("P8")
@pytest.mark.parametrize(
    ("status", "header", "kept"),
    [
        (204, ("X", "x"), True),
        (204, ("Content-Length", "17"), False),
        (204, ("Transfer-Encoding", "chunked"), False),
        (304, ("Content-Length", "17"), True),
        (304, ("Transfer-Encoding", "chunked"), False),
    ],
)
def test_a_body_that_can_not_be_is_not_waited_for(
    gateway: Gateway, users: Service, token: str, status: int, header: tuple[str, str], kept: bool
) -> None:
    """Who says that there is one may send it later: nothing else goes over that connection."""
    users.answer = replies.by_turn(replies.raw(replies.head(status, [header])), replies.sized(200, body=b"good"))
    assert gateway.get("/users/me", token).status == status
    assert gateway.get("/users/me", token).body == b"good"
    first, second = users.requests
    assert (first.connection == second.connection) is kept


@pytest.mark.conformance("P8")
def test_a_body_behind_a_204_goes_nowhere(gateway: Gateway, users: Service, token: str) -> None:
    """And it is not taken for the answer to the next request either."""
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    evil = replies.raw(b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    users.answer = replies.by_turn(evil, replies.sized(200, body=b"good"))
    first = gateway.get("/users/me", token)
    assert (first.status in (204, 502), b"evil" in first.body) == (True, False)
    assert gateway.get("/users/me", token).body in (b"good",)


@pytest.mark.conformance("P9")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["http://127.0.0.1:{own}/away", "/interviews/2", "//evil.test/", "https://a.test/é"])
def test_a_redirect_passes_and_is_not_followed(
    gateway: Gateway, users: Service, interviews: Service, token: str, status: int, to: str
) -> None:
    location = to.replace("{own}", str(interviews.port)).encode().decode("latin-1")
    users.answer = replies.sized(status, [("Location", location)], b"over there")
    answer = gateway.get("/users/me", token)
    assert (answer.status, answer.header("Location"), answer.body) == (status, location, b"over there")
    assert (len(users.requests), len(interviews.requests)) == (1, 0)


@pytest.mark.conformance("P9")
def test_a_streamed_redirect_keeps_its_body(gateway: Gateway, users: Service, token: str) -> None:
    users.answer = replies.chunked(307, [("Location", "/users/me")], [b"over ", b"there"])
    answer = gateway.get("/users/me", token, method="PUT", body=b"x")
    assert (answer.status, answer.body) == (307, b"over there")
    assert len(users.requests) == 1


@pytest.mark.conformance("F7")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 429, 431, 451, 499,
                                    500, 501, 502, 503, 504, 508, 599])  # fmt: skip
def test_a_services_own_error_passes_unchanged(gateway: Gateway, users: Service, token: str, status: int) -> None:
    headers = [
        ("Content-Type", "application/problem+json"),
        ("WWW-Authenticate", 'Basic realm="service"'),
        ("Retry-After", "3"),
        ("Allow", "GET"),
    ]
    users.answer = replies.sized(status, headers, b'{"of": "the service"}')
    answer = gateway.get("/users/me", token)
    assert (answer.status, answer.body) == (status, b'{"of": "the service"}')
    for name, value in headers:
        assert answer.header(name) == value
    assert len(users.requests) == 1


@pytest.mark.conformance("P8")
@pytest.mark.parametrize("status", [200, 201, 202, 203, 205, 206, 207, 226, 299])
def test_a_good_status_passes(gateway: Gateway, users: Service, token: str, status: int) -> None:
    users.answer = replies.sized(status, [("X-A", "b")], b"" if status == 205 else b"hello")
    answer = gateway.get("/users/me", token)
    assert (answer.status, answer.header("X-A")) == (status, "b")


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("asked", ["bytes=0-4", "bytes=-5", "bytes=0-1,3-4", "bytes=99-"])
def test_ranges_are_the_services_business(gateway: Gateway, media: Service, token: str, asked: str) -> None:
    status = 416 if "99" in asked else 206
    body = b"--b\r\nContent-Range: bytes 0-1/9\r\n\r\nhe\r\n--b--" if "," in asked else b"hello"
    headers = {
        "Content-Range": "bytes */9" if status == 416 else "bytes 0-4/9",
        "Content-Type": "multipart/byteranges; boundary=b" if "," in asked else "video/mp4",
        "Accept-Ranges": "bytes",
        "ETag": '"v1"',
    }
    media.answer = replies.sized(status, headers.items(), body)
    answer = gateway.get("/media/a", token, {"Range": asked, "If-Range": '"v1"'})
    assert (media.last.header("Range"), media.last.header("If-Range")) == (asked, '"v1"')
    assert (answer.status, answer.body) == (status, body)
    assert {name: answer.header(name) for name in headers} == headers


@pytest.mark.conformance("C7")
@pytest.mark.parametrize("origin", [None, FRONTEND, "http://evil.test", "null"], ids=str)
def test_a_services_cors_headers_are_dropped(gateway: Gateway, users: Service, token: str, origin: str | None) -> None:
    theirs = [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Credentials", "yes"),
        ("Access-Control-Allow-Methods", "BREW"),
        ("Access-Control-Allow-Headers", "x-theirs"),
        ("Access-Control-Expose-Headers", "x-theirs"),
        ("Access-Control-Max-Age", "86399"),
        ("Access-Control-Allow-Private-Network", "true"),
    ]
    users.answer = replies.sized(200, theirs)
    answer = gateway.get("/users/me", token, {"Origin": origin} if origin else {})
    assert answer.all("Access-Control-Allow-Origin") == ([FRONTEND] if origin == FRONTEND else [])
    for name, value in theirs:
        assert value not in answer.all(name)
    assert "origin" in ",".join(answer.all("Vary")).lower()


@pytest.mark.conformance("C6")
@pytest.mark.parametrize("status", [200, 404, 500])
def test_cache_control_is_added_where_the_service_says_nothing(
    gateway: Gateway, users: Service, token: str, status: int
) -> None:
    users.answer = replies.sized(status, body=b"x")
    assert gateway.get("/users/me", token).header("Cache-Control") == "private, no-cache"
    users.answer = replies.sized(status, [("Cache-Control", "public, max-age=60")], b"x")
    assert gateway.get("/users/me", token).header("Cache-Control") == "public, max-age=60"


def test_media_can_not_run_in_the_gateways_origin(gateway: Gateway, media: Service, token: str) -> None:
    media.answer = replies.sized(200, [("Content-Type", "text/html")], b"<script>")
    answer = gateway.get("/media/a", token)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    policy = answer.header("Content-Security-Policy") or ""
    assert {"default-src 'none'", "sandbox allow-same-origin"} <= set(policy.split("; "))
    own = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "default-src 'none'")]
    media.answer = replies.sized(200, own, b"<script>")
    answer = gateway.get("/media/a", token)
    assert {name: answer.header(name) for name, _ in own} == dict(own)


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("kind", ["sized", "chunked", "chunked with more", "ended by close"])
def test_every_kind_of_body_reaches_every_client(
    gateway: Gateway, users: Service, token: str, version: bytes, kind: str
) -> None:
    body = bytes(range(256)) * 300
    chunks = replies.head(200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Trailer")])
    users.answer = {
        "sized": replies.sized(200, body=body),
        "chunked": replies.chunked(pieces=[body[:1], body[1:]]),
        "chunked with more": replies.raw(chunks + b"%x;a=b\r\n%b\r\n0;c\r\nX-Trailer: 1\r\n\r\n" % (len(body), body)),
        "ended by close": replies.raw(b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\n" + body, close=True),
    }[kind]
    request = b"GET /users/me %b\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n"
    answer = http.send(gateway.port, request % (version, token.encode()))
    assert (answer.body, answer.complete) == (body, True)
    assert not (version == b"HTTP/1.0" and answer.all("Transfer-Encoding"))
    assert answer.all("X-Trailer") == answer.all("Trailer") == []


@pytest.mark.conformance("P16")
@pytest.mark.parametrize(
    "name",
    [
        *("Alt-Svc", "Strict-Transport-Security", "strict-transport-security", "NEL", "Report-To"),
        *("Reporting-Endpoints", "X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile"),
    ],
)
def test_what_a_service_says_of_its_origin_is_not_said_of_the_gateways(
    gateway: Gateway, users: Service, token: str, name: str
) -> None:
    users.answer = replies.sized(200, [(name, "x")])
    answer = gateway.get("/users/me", token)
    assert (answer.status, answer.all(name)) == (200, [])


BY_WHO_ASKS = {
    "nothing said": ([], "Authorization, Cookie"),
    "kept for a while": ([("Cache-Control", "private, max-age=60")], "Authorization, Cookie"),
    "a validator": ([("ETag", '"a"')], "Authorization, Cookie"),
    "merged": ([("Vary", "Accept-Encoding")], "Accept-Encoding, Authorization, Cookie"),
    "merged of two": ([("Vary", "A"), ("Vary", "cookie")], "A,cookie, Authorization"),
    "said already": ([("Vary", "authorization, Cookie")], "authorization, Cookie"),
    "everything": ([("Vary", "*")], "*"),
    "no-store in a quoted value": ([("Cache-Control", 'max-age=60, x="no-store"')], "Authorization, Cookie"),
    "no-store in a list of it": ([("Cache-Control", 'x="a\\", no-store, b"')], "Authorization, Cookie"),
    "no-store in another name": ([("Cache-Control", "public, max-age=60, x-no-store")], "Authorization, Cookie"),
    "never kept, among others": ([("Cache-Control", 'private="a, b",No-Store , max-age=0')], None),
    "never kept": ([("Cache-Control", "no-store")], None),
    "never kept, and varies": ([("Cache-Control", "no-store"), ("Vary", "A")], "A"),
}


@pytest.mark.conformance("C10")
@pytest.mark.parametrize(("fields", "vary"), BY_WHO_ASKS.values(), ids=BY_WHO_ASKS)
@pytest.mark.parametrize("status", [200, 304, 404])
def test_what_may_be_kept_varies_by_who_asks(
    gateway: Gateway, users: Service, token: str, fields: list[tuple[str, str]], vary: str | None, status: int
) -> None:
    users.answer = replies.sized(status, fields)
    answer = gateway.get("/users/me", token)
    assert [value for value in answer.all("Vary") if value != "Origin"] == ([vary] if vary else [])


@pytest.mark.parametrize("path", ["/users/me", "/media/a"])
def test_a_304_is_given_nothing_that_would_overwrite_what_is_stored(
    gateway: Gateway, users: Service, media: Service, token: str, path: str
) -> None:
    users.answer = media.answer = replies.sized(304, [("ETag", '"a"')])
    answer = gateway.get(path, token, {"If-None-Match": '"a"'})
    assert answer.status == 304
    for name in ("Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"):
        assert answer.all(name) == []
    users.answer = media.answer = replies.sized(304, [("Cache-Control", "max-age=5")])
    assert gateway.get(path, token).header("Cache-Control") == "max-age=5"
