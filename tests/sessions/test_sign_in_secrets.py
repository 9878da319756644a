"""No secret of a sign-in in any log line, in what Loki gets or in a span (G1), at debug level, where things go wrong as
well as where they do not."""

import secrets
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Call, Reply, as_json
from harness.provider import Scripted
from harness.visitor import NAVIGATION, Visitor, target
from harness.waiting import until
from harness.watchers import Watchers

PIECE = 24
"""So many characters of a secret are a secret."""


class Talkative(Scripted):
    """A provider that repeats in its errors what it was sent, and keeps what it gave."""

    def __init__(self) -> None:
        self.given: set[str] = set()
        self.logins: list[dict[str, str]] = []
        super().__init__()

    def authorize(self, auth_url: str, code: str | None = None) -> str:
        self.logins.append(dict(parse_qsl(urlsplit(auth_url).query)))
        code = code or f"code-that-nobody-may-see-{secrets.token_hex(16)}"
        return super().authorize(auth_url, code)

    def _tokens(self, call: Call) -> Reply:
        status, headers, body = super()._tokens(call)
        self.given.add(body.decode())
        return status, headers, body

    def repeat(self, error: str, status: int = 400) -> None:
        """Refuse, in words that hold every secret of the request."""

        def refuse(call: Call) -> Reply:
            sent = f"{call.body.decode()} {call.headers.get('Authorization')}"
            return as_json({"error": error, "error_description": sent, "error_uri": f"https://x.test/?{sent}"}, status)

        self.instead = self.revoke_instead = refuse


@pytest.fixture(scope="module")
def realm() -> Iterator[Talkative]:
    with Talkative() as running:
        yield running


@pytest.fixture(scope="module")
def watchers() -> Iterator[Watchers]:
    with Watchers() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, realm: Talkative, watchers: Watchers) -> Iterator[Gateway]:
    secret = {"KEYCLOAK_CLIENT_SECRET": "marked-client-secret-0123456789-abcdef"}
    env = {**secret, **watchers.env, "LOG_LEVEL": "debug"}
    with make_gateway(env, issuer=realm, services=["users"]) as running:
        yield running


def accidents(visitor: Visitor, realm: Talkative, cookies: set[str]) -> None:
    """Sign-ins that fail, each at another place."""

    def back() -> str:
        url = visitor.begin().auth_url
        cookies.update(cookie.value for cookie in visitor.jar.values())
        return target(realm.authorize(url))

    for change in ({"key": None}, {"claims": {"aud": "other"}}, {"claims": {"nonce": "x"}}):
        realm.id_token = change
        assert visitor.get(back()).status == 400
    realm.restore()
    for error, status in (("invalid_grant", 400), ("invalid_client", 401), ("server_error", 500)):
        realm.repeat(error, status)
        assert visitor.get(back(), headers=NAVIGATION).status == 303
    realm.restore()
    used = back()
    assert visitor.get(used).status == 200
    assert visitor.get(used).status == 400
    assert visitor.get(used.replace("code=", "error=x&code="), headers=NAVIGATION).status == 303


def refreshes(visitor: Visitor, realm: Talkative, tokens: dict[str, str]) -> None:
    """Refreshes that fail, by cookie and by body; the last one does not."""
    body = {"refreshToken": tokens["refreshToken"]}
    for error, status in (("invalid_client", 401), ("invalid_request", 400), ("server_error", 500)):
        realm.repeat(error, status)
        assert visitor.post("/auth/refresh").status == 502
        assert Visitor(visitor.gateway).post("/auth/refresh", body).status == 502
    realm.instead = lambda call: (302, {"Location": f"https://x.test/?{call.body.decode()}"}, b"")
    assert Visitor(visitor.gateway).post("/auth/refresh", {"refreshToken": "refresh_marked_1"}).status == 502
    realm.restore()
    until(lambda: visitor.post("/auth/refresh").status == 200, 5, "a refresh")


def walk(gateway: Gateway, realm: Talkative) -> set[str]:
    """A visit with all its accidents; every secret that travelled."""
    visitor = Visitor(gateway)
    cookies: set[str] = set()
    accidents(visitor, realm, cookies)
    tokens = visitor.signed_in(realm.authorize)
    cookies.update(cookie.value for cookie in visitor.jar.values())
    refreshes(visitor, realm, tokens)
    cookies.update(cookie.value for cookie in visitor.jar.values())
    visitor.get("/users/me")
    visitor.get("/users/me", headers={"Authorization": f"Bearer {tokens['accessToken'][:-5]}"})
    gateway.get("/auth/backchannel-logout?x=1", method="POST", body=urlencode(tokens).encode())
    realm.repeat("invalid_request")
    assert visitor.post("/auth/logout").status == 200
    realm.restore()
    found = {login[name] for login in realm.logins for name in ("state", "nonce", "code_challenge")}
    found |= {form[name] for form in realm.asked() for name in ("code", "code_verifier") if name in form}
    found |= {call.headers["Authorization"].split()[1] for call in realm.seen if "Authorization" in call.headers}
    found |= {word for body in realm.given for word in body.split('"') if word.count(".") == 2}
    found |= {form["refresh_token"] for form in realm.asked() if "refresh_token" in form}
    return found | {cookie.partition(".")[2] for cookie in cookies}


@pytest.mark.conformance("G1")
def test_nothing_that_binds_or_opens_is_told(gateway: Gateway, realm: Talkative, watchers: Watchers) -> None:
    """Not whole, and not by its end, which no two secrets share; in the log, and in what leaves for Loki, Jaeger and a
    collector."""
    hidden = walk(gateway, realm)
    assert len(hidden) > 50
    gateway.get("/after-the-walk")
    gateway.access_line("/after-the-walk")
    written = gateway.raw_output()
    assert '"debug"' in written
    until(lambda: all({"/auth/callback", "/after-the-walk"} <= paths for paths in watchers.paths()), 20, "all to leave")
    for found in (written, watchers.raw().decode("latin-1")):
        assert not [secret for secret in hidden if secret[-PIECE:] in found]
        assert "marked" not in found
