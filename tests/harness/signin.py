"""A sign-in without a login page: a realm whose token endpoint gives, and a browser that keeps cookies."""

import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from harness import jose
from harness.gateway import FRONTEND, Gateway
from harness.http import Answer
from harness.issuer import CLIENT, Call, Issuer, Reply, as_json


class Realm(Issuer):
    """Signs in whoever comes with a code, and keeps every token it gave out."""

    def __init__(self) -> None:
        super().__init__(token_answer=self.give, revoke_answer=lambda call: (200, {}, b""))
        self.nonce = ""
        self.given: list[str] = []

    def give(self, call: Call) -> Reply:
        """New tokens: of a new session for a code, of the same session for a refresh token."""
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        sid, nonce = uuid.uuid4().hex, self.nonce
        if form["grant_type"] == "refresh_token":
            sid, nonce = jose.decode(form["refresh_token"])[1]["sid"], ""
        refresh_claims = {"jti": len(self.given), "sid": sid}
        answer = {
            "access_token": self.mint({"sid": sid}),
            "refresh_token": jose.compact({"alg": "HS512"}, refresh_claims, "HS512", b"of Keycloak alone"),
            "id_token": self.mint(
                {"typ": "ID", "aud": CLIENT, "sid": sid, "nonce": nonce}, drop=() if nonce else ["nonce"]
            ),
        }
        self.given += answer.values()
        return as_json({**answer, "token_type": "Bearer", "expires_in": 300, "refresh_expires_in": 1800})


class Browser:
    """Calls from the frontend's pages, with the cookies that were set; `kept` is every cookie value it ever had."""

    def __init__(self, gateway: Gateway, realm: Realm) -> None:
        self.gateway, self.realm = gateway, realm
        self.jar: dict[str, str] = {}
        self.kept: set[str] = set()

    def call(self, path: str, method: str = "GET", body: Any = None) -> Answer:
        headers = {"Origin": FRONTEND, "Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}
        content = None
        if body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(body).encode()
        answer = self.gateway.get(path, headers=headers, method=method, body=content, timeout=20)
        for line in answer.all("Set-Cookie"):
            self._take(line)
        return answer

    def _take(self, line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        if not value or "max-age=0" in line.lower():
            self.jar.pop(name, None)
            return
        self.jar[name] = value
        self.kept.add(value)

    def begin(self) -> str:
        """Log in at the realm; the path of the callback that ends it."""
        asked = parse_qs(urlsplit(self.call("/auth/login", "POST", {}).json()["authUrl"]).query)
        self.realm.nonce = asked["nonce"][0]
        self.kept |= {asked["state"][0], asked["nonce"][0]}
        query = {"code": "marked-code", "state": asked["state"][0], "iss": self.realm.issuer}
        return f"/auth/callback?{urlencode(query)}"


def visit(browser: Browser) -> set[str]:
    """From sign-in to sign-out; what must stay between browser, gateway and realm."""
    realm = browser.realm
    assert browser.call(browser.begin()).status == 200
    assert browser.call("/users/me").status == 200
    assert browser.call("/auth/session").json()["authenticated"]
    assert browser.call("/auth/refresh", "POST", {}).status == 200
    assert browser.call("/auth/refresh", "POST", {"refreshToken": realm.given[-2]}).status == 200
    assert browser.call("/auth/logout", "POST", {}).status == 200
    parts = {part[:40] for token in realm.given for part in token.split(".")[1:]}
    verifiers = {word for call in realm.seen for word in parse_qs(call.body.decode()).get("code_verifier", [])}
    assert verifiers
    return browser.kept | verifiers | parts
