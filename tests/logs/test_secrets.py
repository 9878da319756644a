"""No secret in anything that is written (G1): marked ones are planted wherever they travel, then looked for."""

import json
import random
from collections.abc import Iterator

import pytest
from harness import jose, replies
from harness.gateway import FRONTEND, Gateway, StartError, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Connection
from harness.issuer import Issuer, as_json
from harness.service import Service
from harness.signin import Browser, Realm, visit
from harness.waiting import until
from harness.watchers import Watchers


@pytest.fixture(scope="module")
def watchers() -> Iterator[Watchers]:
    with Watchers() as running:
        yield running


@pytest.fixture(scope="module", params=["debug", "info"])
def planted(make_gateway: GatewayFactory, request: pytest.FixtureRequest, watchers: Watchers) -> Iterator[Gateway]:
    env = {
        "LOG_LEVEL": request.param,
        "KEYCLOAK_CLIENT_SECRET": "marked-client-secret-0123456789-abcdef",
        "SESSION_SECRET": "marked-session-secret-0123456789-abcdef",
        "JWT_SECRET": "marked-jwt-secret-0123456789-abcdef",
        "JWT_ALGORITHMS": "RS256,HS256",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20a-collectors-password",
        **watchers.env,
    }
    with make_gateway(env, services=["users"]) as running:
        yield running


def check(gateway: Gateway, *secrets: str) -> None:
    """They are in no line and in no metric. Once a request that came later is in the log, everything before it is."""
    mark = f"/after-{random.getrandbits(60):x}"
    gateway.get(mark)
    gateway.access_line(mark)
    written = gateway.raw_output() + gateway.get("/metrics").text
    for secret in ("marked", "collectors-password", *secrets):
        assert secret not in written, written[max(0, written.index(secret) - 300) :][:600]


@pytest.mark.conformance("G1")
def test_of_tokens(planted: Gateway, issuer: Issuer) -> None:
    good = issuer.mint()
    tokens = [
        good,
        issuer.mint(life=-600),
        issuer.mint({"aud": "other"}),
        issuer.mint(drop=["sub"]),
        issuer.mint({"exp": "x"}),
        issuer.mint({"typ": "ID"}),
        issuer.mint(headers={"kid": "unknown"}),
        issuer.mint(headers={"alg": "none"}),
        issuer.mint(alg="HS256", key=b"a marked shared secret of the tests"),
        good[:-4] + "AAAA",
        "marked." + good.split(".", 1)[1],
        good + ".marked",
    ]
    for token in tokens:
        planted.get("/users/me", token)
        planted.get("/auth/session", token)
    parts = {part for token in tokens for part in token.split(".") if len(part) > 40}
    check(planted, *(part[:40] for part in parts if part != good.split(".")[0]))


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    "path",
    [
        "/users/me?token=marked",
        "/users/me?access_token=marked&code=marked",
        "/auth/callback?code=marked&state=marked&session_state=marked",
        "/auth/callback?error=access_denied&state=marked",
        "/auth/callback?code=marked",
        "/nope?token=marked",
        "/nope?",
        "/interviews/a%2fb?token=marked",
        "/health?token=marked",
        "/metrics?token=marked",
    ],
)
def test_of_queries(planted: Gateway, issuer: Issuer, path: str) -> None:
    planted.get(path)
    planted.get(path, issuer.mint())
    planted.get(path, headers={"Referer": f"{FRONTEND}/?code=marked", "Accept": "text/html"})
    check(planted)


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer marked",
        "Authorization: Basic bWFya2Vk-marked",
        "Authorization: marked",
        "Cookie: session=marked; __Host-session=marked",
        "Cookie: marked",
        "Proxy-Authorization: Basic marked",
        "X-Api-Key: marked",
        "Referer: http://localhost:3000/?code=marked",
    ],
)
def test_of_headers(planted: Gateway, header: str) -> None:
    name, value = header.split(": ")
    for path in ("/users/me", "/auth/session", "/auth/callback?code=x&state=y", "/nope"):
        planted.get(path, headers={name: value})
    check(planted)


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/auth/refresh", "application/json", json.dumps({"refreshToken": "marked"})),
        ("/auth/refresh", "application/json", '{"refreshToken": "marked"'),
        ("/auth/refresh", "text/plain", "marked"),
        ("/auth/logout", "application/json", json.dumps({"refreshToken": "marked"})),
        ("/auth/backchannel-logout", "application/x-www-form-urlencoded", "logout_token=marked.marked.x"),
        ("/auth/backchannel-logout", "application/x-www-form-urlencoded", "marked"),
        ("/users/me", "application/json", '{"password": "marked"}'),
    ],
)
def test_of_bodies(planted: Gateway, issuer: Issuer, path: str, content_type: str, body: str) -> None:
    headers = {"Content-Type": content_type}
    for method in ("POST", "PUT"):
        planted.get(path, issuer.mint(), headers, method=method, body=body.encode())
    check(planted)


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    "data",
    [
        b"GET /auth/callback?code=marked&state=marked\r\n\r\n",
        b"GET /auth/callback?code=marked HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /auth/callback?code=mar ked&x=marked HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nAuthorization Bearer marked\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer marked\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer mar\x00marked\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nCookie: marked\r\n marked\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nContent-Length: marked\r\n\r\n",
        b"GET /x?code=marked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: marked\r\n\r\n",
        b"GET /x?code=" + b"marked" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: " + b"marked" * 10_000 + b"\r\n\r\n",
        b"GET http://user:marked@evil.test/x?code=marked HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /auth/refresh HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nmarked\r\n\r\n",
    ],
    ids=lambda data: repr(data[:60]),
)
def test_of_malformed_requests(planted: Gateway, data: bytes) -> None:
    planted.provoke(data)
    check(planted)


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    "line",
    [
        *("GET /users/me#access_token=marked", "GET /users/me?a=b#marked", "GET /auth/callback#code=marked&state=1"),
        *("GET //user:marked@h/", "GET //user:marked@h/users/me", "GET ///user:marked@h/auth/session"),
        *("GET ws://user:marked@h/", "GET https:user:marked@h/users/me", "GET user:marked@h", "GET token=marked"),
        *("GET http://user:marked@h/users/me", "GET http://user:marked@h?x=marked", "GET http://user:marked@h#marked"),
        *("CONNECT user:marked@h:443", "OPTIONS *?marked", "OPTIONS *#marked"),
        *("MARKED /users/me", "marked /users/me", "markedGET /auth/session", "marked.e30.x /nope", "marked /docs"),
    ],
)
def test_of_request_lines(planted: Gateway, issuer: Issuer, line: str) -> None:
    """A pipelined request that follows a body which was longer than it said has any method."""
    sent = f"{line} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {issuer.mint()}\r\nConnection: close\r\n\r\n"
    empty = f"POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n{sent}"
    for data in (sent, empty):
        with Connection(planted.port) as connection:
            connection.send(data.encode())
            answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 ") and b"marked" not in answer.lower()
    check(planted, "MARKED")


@pytest.mark.conformance("G1")
def test_of_services(planted: Gateway, issuer: Issuer, users: Service) -> None:
    headers = [("Set-Cookie", "a=marked"), ("Location", "http://x/?token=marked"), ("X-Secret", "marked")]
    for reply in (
        replies.sized(302, headers, b"marked"),
        replies.sized(500, headers, b"marked"),
        replies.raw(b"HTTP/1.1 x y\r\nSet-Cookie marked\r\n\r\nmarked", close=True),
        replies.raw(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\rmarked\r\nContent-Length: 0\r\n\r\n"),
        replies.raw(b"HTTP/1.1 200 OK\r\nSet-Cookie: marked\r\nContent-Length: x\r\n\r\n"),
    ):
        users.answer = reply
        planted.get("/users/me", issuer.mint())
    check(planted)


@pytest.mark.conformance("G1")
def test_of_the_issuer(start_gateway: StartGateway) -> None:
    """What Keycloak says in an error may hold a token; what is asked of it holds the client secret."""
    with Issuer() as realm:
        reported = {"error": "invalid_grant", "error_description": "marked", "refresh_token": "marked"}
        realm.token_answer = lambda call: as_json(reported, 400)
        realm.revoke_answer = lambda call: (500, {}, b"marked")
        gateway = start_gateway({"KEYCLOAK_CLIENT_SECRET": "marked-" * 6}, issuer=realm)
        body = json.dumps({"refreshToken": f"marked.{jose.b64(b'{}')}.x"}).encode()
        for path in ("/auth/refresh", "/auth/logout"):
            gateway.get(path, headers={"Content-Type": "application/json"}, method="POST", body=body)
        assert realm.calls["token"]
        check(gateway)


@pytest.mark.conformance("G1")
def test_of_a_broken_configuration(start_gateway: StartGateway) -> None:
    """What is wrong is named, never shown; userinfo in an address is a secret too."""
    env = {
        "NODE_ENV": "production",
        "SESSION_SECRET": "changeme-marked",
        "USER_SERVICE_URL": "marked://u:marked@h",
    }
    with pytest.raises(StartError) as reported:
        start_gateway(env)
    assert "SESSION_SECRET" in str(reported.value)
    assert "changeme-marked" not in str(reported.value)
    assert "u:marked" not in str(reported.value)


@pytest.mark.conformance("G1")
@pytest.mark.parametrize("level", ["debug", "info"])
def test_of_a_whole_visit(start_gateway: StartGateway, level: str) -> None:
    with Realm() as realm:
        env = {"LOG_LEVEL": level, "KEYCLOAK_CLIENT_SECRET": "marked-client-secret-0123456789-abcdef"}
        gateway = start_gateway(env, issuer=realm)
        secrets = ["marked", *visit(Browser(gateway, realm))]
        gateway.get("/users/me?token=marked", realm.mint())
        check(gateway, *secrets)
        gateway.stop()
        assert not [secret for secret in secrets if secret in gateway.raw_output()]


@pytest.mark.conformance("G1")
def test_of_all_that_leaves_for_loki_and_the_collectors(planted: Gateway, watchers: Watchers, issuer: Issuer) -> None:
    """What the tests before this one did to the gateway is there too."""
    token = issuer.mint()
    secret = {"Cookie": "session=marked", "Referer": f"{FRONTEND}/?code=marked", "User-Agent": "a-browser"}
    planted.get("/interviews/left?token=marked", token, secret)
    planted.get("/interviews/left?token=marked", f"{token}marked", secret)
    planted.get("/auth/callback?code=marked&state=marked", headers=secret)
    mark = f"/after-{random.getrandbits(60):x}"
    planted.get(mark)
    there = {"/interviews/left", "/auth/callback", mark}
    until(lambda: all(there <= paths for paths in watchers.paths()), 20, "all to leave")
    left = watchers.raw()
    assert b"a-browser" in left and b"/interviews/left" in left
    for part in (b"marked", b"MARKED", *(part.encode() for part in token.split(".")[1:])):
        assert part not in left, left[max(0, left.index(part) - 300) :][:600]
