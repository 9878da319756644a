"""CORS (docs/conformance.md, C7): the frontend's origins, exactly, and what they may send and read."""

from collections.abc import Iterator

import pytest
from harness import replies
from harness.gateway import Gateway, StartError, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Answer
from harness.issuer import Issuer
from harness.service import Service

FIRST, SECOND = "http://localhost:3000", "https://app.example.com"
FOREIGN = [
    "null",
    "*",
    "http://localhost:3000.evil.test",
    "http://localhost:30000",
    "http://localhost:3001",
    "http://localhost",
    "https://localhost:3000",
    "http://LOCALHOST:3000",
    "http://localhost:3000/",
    "http://localhost:3000,https://app.example.com",
    "http://127.0.0.1:3000",
    "http://evillocalhost:3000",
    "http://user@localhost:3000",
    "http://evil.test/http://localhost:3000",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.test",
    "https://evil.test?https://app.example.com",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://app-example.com",
    "https://appxexample.com",
    "https://example.com",
]
EXPOSED = {
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
    "etag",
    "location",
    "link",
    "x-total-count",
    "accept-ranges",
    "content-range",
    "content-encoding",
    "content-disposition",
    "proxy-status",
    "tus-resumable",
    "tus-version",
    "tus-extension",
    "tus-max-size",
    "upload-length",
    "upload-offset",
    "upload-metadata",
    "upload-concat",
    "upload-expires",
    "upload-complete",
    "upload-limit",
}
METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH"}
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """Two frontends; small bodies, and no interviews, so that there are errors to read."""
    env = {"FRONTEND_URL": f"{FIRST},{SECOND}", "MAX_BODY_BYTES": "1000"}
    with make_gateway(env, services=["users", "media"]) as running:
        yield running


def words(answer: Answer, name: str) -> set[str]:
    """The members of a list header, in lower case."""
    return {word.strip().lower() for value in answer.all(name) for word in value.split(",") if word.strip()}


def cors_names(answer: Answer) -> set[str]:
    return {name.lower() for name, _ in answer.headers if name.lower().startswith("access-control-")}


def check_allowed(answer: Answer, origin: str) -> None:
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert answer.header("Access-Control-Allow-Credentials") == "true"
    assert words(answer, "Access-Control-Expose-Headers") == EXPOSED
    assert "origin" in words(answer, "Vary")


def check_foreign(answer: Answer) -> None:
    assert not cors_names(answer)
    assert "origin" in words(answer, "Vary")


@pytest.mark.conformance("C7")
@pytest.mark.parametrize("origin", [FIRST, SECOND])
def test_a_frontend(gateway: Gateway, issuer: Issuer, origin: str) -> None:
    check_allowed(gateway.get("/users/me", issuer.mint(), {"Origin": origin}), origin)


@pytest.mark.conformance("C7")
@pytest.mark.parametrize("origin", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (200, "GET", "/auth/session"),
        (400, "GET", "/interviews/a%2fb"),
        (400, "GET", "/auth/callback?code=c&state=s"),
        (401, "GET", "/interviews/1"),
        (404, "GET", "/nope"),
        (405, "PATCH", "/users/me"),
        (413, "PUT", "/users/me"),
        (415, "POST", "/auth/refresh"),
        (503, "GET", "/health"),
    ],
)
def test_a_frontend_reads_every_answer(
    gateway: Gateway, issuer: Issuer, origin: str, status: int, method: str, path: str
) -> None:
    headers = {"Origin": origin, "Content-Type": "text/plain"}
    body = b"x" * 2000 if method in ("PUT", "POST") else None
    token = None if status == 401 else issuer.mint()
    answer = gateway.get(path, token, headers, method=method, body=body)
    assert answer.status == status
    check_allowed(answer, origin)


@pytest.mark.conformance("C7")
def test_a_frontend_reads_that_a_service_is_gone(gateway: Gateway, issuer: Issuer) -> None:
    answer = gateway.get("/interviews", issuer.mint(), {"Origin": FIRST})
    assert answer.status == 502
    check_allowed(answer, FIRST)


@pytest.mark.conformance("C7")
@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin(gateway: Gateway, issuer: Issuer, origin: str) -> None:
    """The request itself is served: CORS is the browser's to enforce."""
    answer = gateway.get("/users/me", issuer.mint(), {"Origin": origin})
    assert answer.status == 200
    check_foreign(answer)
    check_foreign(gateway.get("/users/me", headers={"Origin": origin}))
    check_foreign(gateway.get("/nope", headers={"Origin": origin}))
    check_foreign(gateway.get("/users/me", headers={"Origin": origin, **PREFLIGHT}, method="OPTIONS"))


@pytest.mark.conformance("C7")
@pytest.mark.parametrize("path", ["/users/me", "/nope", "/health", "/auth/session"])
def test_no_origin(gateway: Gateway, issuer: Issuer, path: str) -> None:
    """A cache must not give this answer to a frontend."""
    check_foreign(gateway.get(path, issuer.mint()))


@pytest.mark.conformance("C7")
def test_two_origins(gateway: Gateway, issuer: Issuer) -> None:
    answer = gateway.get("/users/me", issuer.mint(), [("Origin", FIRST), ("Origin", "http://evil.test")])
    assert "evil" not in str(answer.headers)


class TestPreflight:
    @pytest.mark.conformance("C7")
    @pytest.mark.parametrize("origin", [FIRST, SECOND])
    @pytest.mark.parametrize(
        "path", ["/users/me", "/interviews/1/answers", "/media/1", "/auth/login", "/auth/session", "/health"]
    )
    def test_a_preflight_lists_what_is_allowed(self, gateway: Gateway, origin: str, path: str) -> None:
        answer = gateway.get(path, headers={"Origin": origin, **PREFLIGHT}, method="OPTIONS")
        assert answer.status in (200, 204)
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert words(answer, "Access-Control-Allow-Methods") == {method.lower() for method in METHODS}
        assert words(answer, "Access-Control-Allow-Headers") == {"authorization", "content-type"}
        assert answer.header("Access-Control-Max-Age") == "600"
        assert "origin" in words(answer, "Vary")

    @pytest.mark.conformance("C9")
    @pytest.mark.parametrize("path", ["/nope", "/interviews/a%2fb", "/users/me/../x", "/users/me"])
    @pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
    def test_a_preflight_is_204_on_every_path_and_method(self, gateway: Gateway, path: str, method: str) -> None:
        """So that a script can read the 404, 400 or 405 that its request is then answered with."""
        asked = {"Origin": FIRST, "Access-Control-Request-Method": method}
        preflight = gateway.get(path, headers=asked, method="OPTIONS")
        assert preflight.status == 204
        assert preflight.header("Access-Control-Allow-Origin") == FIRST
        refused = gateway.get(path, headers={"Origin": FIRST}, method=method)
        assert refused.status >= 400
        assert refused.header("Access-Control-Allow-Origin") == FIRST

    @pytest.mark.conformance("C9")
    @pytest.mark.parametrize("name", ["traceparent", "If-None-Match", "Last-Event-ID", "Range", "Tus-Resumable"])
    def test_a_preflight_allows_the_headers_that_frontends_use(self, gateway: Gateway, name: str) -> None:
        asked = {
            "Origin": FIRST,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": name.lower(),
        }
        answer = gateway.get("/users/me", headers=asked, method="OPTIONS")
        assert words(answer, "Access-Control-Allow-Headers") == {name.lower()}

    @pytest.mark.conformance("C7")
    @pytest.mark.parametrize(
        "asked",
        [
            {"Access-Control-Request-Method": "TRACE"},
            {"Access-Control-Request-Method": "PURGE", "Access-Control-Request-Headers": "x-evil"},
            {
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-user-id, x-forwarded-for",
            },
            {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "*"},
            {"Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true"},
        ],
        ids=lambda asked: " ".join(asked.values()),
    )
    def test_a_preflight_grants_nothing_else(self, gateway: Gateway, asked: dict[str, str]) -> None:
        answer = gateway.get("/users/me", headers={"Origin": FIRST, **asked}, method="OPTIONS")
        assert words(answer, "Access-Control-Allow-Methods") <= {method.lower() for method in METHODS}
        assert words(answer, "Access-Control-Allow-Headers") <= {"authorization", "content-type"}
        assert answer.header("Access-Control-Allow-Private-Network") != "true"

    def test_a_preflight_lists_the_headers_of_the_setting(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"CORS_ALLOW_HEADERS": "X-Custom, X-Other"})
        asked = {**PREFLIGHT, "Access-Control-Request-Headers": "authorization,x-custom,x-evil,X-Other"}
        answer = gateway.get("/users/me", headers={"Origin": FIRST, **asked}, method="OPTIONS")
        allowed = words(answer, "Access-Control-Allow-Headers") - {"content-type"}
        assert allowed == {"authorization", "x-custom", "x-other"}

    @pytest.mark.conformance("C7")
    def test_a_preflight_is_not_forwarded(
        self, gateway: Gateway, issuer: Issuer, users: Service, media: Service
    ) -> None:
        for path in ("/users/me", "/media/1"):
            for token in (None, "bad", issuer.mint()):
                answer = gateway.get(path, token, {"Origin": FIRST, **PREFLIGHT}, method="OPTIONS")
                assert answer.status in (200, 204)
        assert not users.requests
        assert not media.requests


class TestOptions:
    """OPTIONS that is no preflight: on /media with credentials the service answers, else the gateway."""

    def test_the_media_service_is_asked_with_a_token(self, gateway: Gateway, issuer: Issuer, media: Service) -> None:
        media.answer = replies.sized(204, [("Tus-Version", "1.0.0"), ("Access-Control-Allow-Origin", "*")])
        no_preflights: list[dict[str, str]] = [{}, {"Origin": FIRST}, {"Access-Control-Request-Method": "PUT"}]
        for own in no_preflights:
            answer = gateway.get("/media/a", issuer.mint(), own, method="OPTIONS")
            assert (answer.status, answer.header("Tus-Version")) == (204, "1.0.0")
            assert answer.header("Access-Control-Allow-Origin") == own.get("Origin")
        assert [received.method for received in media.requests] == ["OPTIONS"] * 3
        assert media.requests[0].header("X-User-Id")

    def test_nobody_else_is(self, gateway: Gateway, issuer: Issuer, users: Service, media: Service) -> None:
        anonymous = gateway.get("/media/a", method="OPTIONS")
        assert anonymous.status == 204 and "patch" in words(anonymous, "Allow")
        assert gateway.get("/media/a", "bad", method="OPTIONS").status == 401
        assert gateway.get("/users/me", issuer.mint(), method="OPTIONS").status == 204
        assert not media.requests and not users.requests


class TestServicesOwn:
    """A service can not open what the gateway keeps shut."""

    OWN = (
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Credentials", "false"),
        ("Access-Control-Allow-Methods", "PURGE"),
        ("Access-Control-Allow-Headers", "X-Evil"),
        ("Access-Control-Expose-Headers", "X-Secret"),
        ("Access-Control-Max-Age", "86400"),
        ("Access-Control-Allow-Private-Network", "true"),
        ("access-control-allow-origin", "http://evil.test"),
        ("Vary", "Accept-Encoding"),
        ("X-Kept", "yes"),
    )

    @pytest.mark.conformance("C7")
    @pytest.mark.parametrize("status", [200, 404, 500])
    def test_a_services_own_cors_headers_are_dropped(
        self, gateway: Gateway, issuer: Issuer, users: Service, status: int
    ) -> None:
        users.answer = replies.sized(status, self.OWN, b"body")
        mine = gateway.get("/users/me", issuer.mint(), {"Origin": FIRST})
        check_allowed(mine, FIRST)
        assert cors_names(mine) == {
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-expose-headers",
        }
        foreign = gateway.get("/users/me", issuer.mint(), {"Origin": "http://evil.test"})
        check_foreign(foreign)
        for answer in (mine, foreign):
            assert answer.status == status
            assert answer.header("X-Kept") == "yes"
            assert words(answer, "Vary") == {"accept-encoding", "authorization", "cookie", "origin"}


@pytest.mark.conformance("C7")
def test_a_frontend_whose_origin_looks_like_a_pattern(start_gateway: StartGateway) -> None:
    gateway = start_gateway({"FRONTEND_URL": "http://[::1]:3000"})
    check_allowed(gateway.get("/nope", headers={"Origin": "http://[::1]:3000"}), "http://[::1]:3000")
    for origin in ("http://1:3000", "http://::3000", "http://[::1]:30001"):
        check_foreign(gateway.get("/nope", headers={"Origin": origin}))


@pytest.mark.parametrize("frontend", ["*", f"{FIRST},*", "http://*", "https://*.example.com"])
def test_a_wildcard_does_not_start(start_gateway: StartGateway, frontend: str) -> None:
    with pytest.raises(StartError, match="FRONTEND_URL"):
        start_gateway({"FRONTEND_URL": frontend})
