"""Who signs people in: the demo's provider with its login form, or a scripted one that lies on demand."""

import base64
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from demo.browser import Browser
from harness import jose
from harness.issuer import ANY, CLIENT, Call, Issuer, Reply, as_json
from harness.visitor import Authorize


def as_user(username: str = "cora") -> Authorize:
    """Signs in with the provider's form, in a browser of its own."""

    def authorize(auth_url: str) -> str:
        with Browser() as browser:
            return browser.sign_in(auth_url, username)

    return authorize


def refusal(error: str, status: int = 400) -> Callable[[Call], Reply]:
    """A token endpoint's error answer (RFC 6749 section 5.2)."""
    return lambda call: as_json({"error": error, "error_description": "marked"}, status)


class Scripted(Issuer):
    """An issuer that gives tokens to every code it made and to every refresh token.

    What it gives can be bent: `id_token` and `access_token` are arguments of `mint`, `at_hash` makes that of an access
    token (as RS256 has it, unless set), `answer` is laid over the token
    endpoint's answer (None takes a member away), `instead` answers for it where it returns something. Only with
    `ends_sessions` its end-session call takes a refresh token, as Keycloak's.
    """

    def __init__(self) -> None:
        super().__init__(token_answer=self._tokens, revoke_answer=self._revoke, logout_answer=self._logout)
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count(1)
        self.restore()

    def restore(self) -> None:
        """Be good again."""
        self.id_token: Mapping[str, Any] = {}
        self.at_hash: Callable[[str], str] = at_hash
        self.access_token: Mapping[str, Any] = {}
        self.answer: Mapping[str, Any] = {}
        self.instead: Callable[[Call], Reply | None] | None = None
        self.revoke_instead: Callable[[Call], Reply | None] | None = None
        self.ends_sessions = False

    def authorize(self, auth_url: str, code: str | None = None) -> str:
        """The visit at the login form: the URL that it sends the browser to, with `code` or one of its own."""
        asked = dict(parse_qsl(urlsplit(auth_url).query))
        code = code or f"code-{next(self._numbers)}"
        self._codes[code] = asked
        query = {"code": code, "state": asked["state"], "iss": self.issuer, "session_state": "s"}
        return f"{asked['redirect_uri']}?{urlencode(query)}"

    def asked(self, name: str = "token") -> list[dict[str, str]]:
        """The forms that reached an endpoint."""
        return [dict(parse_qsl(call.body.decode())) for call in self.seen if call.name == name]

    def _revoke(self, call: Call) -> Reply:
        return (self.revoke_instead and self.revoke_instead(call)) or (200, {}, b"")

    def _logout(self, call: Call) -> Reply:
        known = self.ends_sessions and call.method == "POST" and "refresh_token" in parse_qs(call.body.decode())
        return (204, {}, b"") if known else as_json({"error": "not_found"}, 404)

    def _tokens(self, call: Call) -> Reply:
        instead = self.instead and self.instead(call)
        if instead:
            return instead
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        number = next(self._numbers)
        if form["grant_type"] == "refresh_token":
            nonce, sid = None, form["refresh_token"].split("_")[1]
        else:
            asked = self._codes.pop(form["code"], None)
            if asked is None or not proves(form["code_verifier"], asked["code_challenge"]):
                return as_json({"error": "invalid_grant"}, 400)
            nonce, sid = asked["nonce"], f"sid-{number}"
        access = self._mint({"sid": sid}, self.access_token)
        identity = {"typ": "ID", "aud": CLIENT, "sid": sid, "at_hash": self.at_hash(access), "nonce": nonce}
        if nonce is None:
            del identity["nonce"]
        answer = {
            "access_token": access,
            "expires_in": 300,
            "refresh_token": f"refresh_{sid}_{number}",
            "refresh_expires_in": 1800,
            "token_type": "Bearer",
            "id_token": self._mint(identity, self.id_token),
            **self.answer,
        }
        return as_json({name: value for name, value in answer.items() if value is not None})

    def _mint(self, claims: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        options = dict(options)
        return self.mint({**claims, **options.pop("claims", {})}, **{"key": ANY, **options})


class Gate:
    """An `instead` that keeps requests waiting until it is opened; `waiting` is how many came."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.waiting = 0

    def __call__(self, call: Call) -> None:
        self.waiting += 1
        self.opened.wait(30)


def lapsed() -> dict[str, Any]:
    """For `Scripted.access_token`: issued 15 minutes ago, good for five."""
    now = int(time.time())
    return {"claims": {"iat": now - 900, "exp": now - 600}}


def at_hash(access_token: str) -> str:
    return jose.b64(hashlib.sha256(access_token.encode()).digest()[:16])


def proves(verifier: str, challenge: str) -> bool:
    """RFC 7636 section 4.6, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge


def credentials(call: Call) -> tuple[str, str]:
    """Client id and secret of a call's Basic credentials."""
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    assert scheme == "Basic", json.dumps(dict(call.headers))
    client, _, secret = base64.b64decode(value).decode().partition(":")
    return client, secret
