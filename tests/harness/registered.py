"""A realm in which a client is registered as in Keycloak: what is not registered is refused in Keycloak's words."""

import base64
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from harness.issuer import CLIENT, REALM, Call, Reply, as_json
from harness.provider import Scripted

BASE = f"{REALM}/protocol/openid-connect"
AUTH = f"{BASE}/auth"
ELSEWHERE = "https://keycloak.example.test"
FORM = '<form action="{action}" method="post"><input name="username"><input name="password" type="password"></form>'


def page(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    return status, {"Content-Type": "text/html;charset=utf-8", **(headers or {})}, text.encode()


class Registered(Scripted):
    """`redirect_uris` and `post_logout_uris` as the client has them (`*` is any); `secret` is its secret; `scopes` are
    the realm's; `flow` is whether it may sign users in; `date` is what its clock says (None: the right time); the calls
    that `moved` names are sent to ELSEWHERE, as a proxy before Keycloak does; `form_host` is where the form leads."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.redirect_uris: tuple[str, ...] = ()
        self.post_logout_uris: tuple[str, ...] = ()
        self.scopes: tuple[str, ...] = ("openid", "profile", "email")
        self.flow = True
        self.date: str | None = None
        self.moved: tuple[str, ...] = ()
        self.form_host = ""
        self.discovered: Mapping[str, object] = {}
        super().__init__()

    def discovery(self) -> dict[str, object]:
        return {**super().discovery(), "scopes_supported": list(self.scopes), **self.discovered}

    def reply(self, call: Call) -> Reply:
        status, headers, content = self._reply(call)
        return status, {**headers, **({"Date": self.date} if self.date else {})}, content

    def _reply(self, call: Call) -> Reply:
        if call.name in self.moved:
            return page(301, "", {"Location": f"{ELSEWHERE}{call.path}"})
        if call.name == AUTH:
            return self._authorization(call)
        if call.name == f"{BASE}/form":
            return self._form(call)
        if call.name == "logout" and call.method == "GET":
            wanted = query(call).get("post_logout_redirect_uri", "")
            known = "*" in self.post_logout_uris or wanted in self.post_logout_uris
            return page(200, "Do you want to log out?") if known else page(400, "Invalid redirect uri")
        if call.name == "token" and (refusal := self._refusal(call)):
            return as_json({"error": refusal}, 401)
        return super().reply(call)

    def _authorization(self, call: Call) -> Reply:
        asked = query(call)
        uri = asked.get("redirect_uri", "")
        if asked.get("client_id") != CLIENT:
            return page(400, "Client not found.")
        if "*" not in self.redirect_uris and uri not in self.redirect_uris:
            return page(400, "Invalid parameter: redirect_uri")
        error = "unauthorized_client" if not self.flow else ""
        if not set(asked.get("scope", "").split()) <= set(self.scopes):
            error = "invalid_scope"
        if error:
            return page(302, "", {"Location": f"{uri}?{urlencode({'error': error, 'state': asked['state']})}"})
        action = f"{self.form_host}{BASE}/form?{urlsplit(call.path).query}".replace("&", "&amp;")
        return page(200, FORM.format(action=action), {"Set-Cookie": "AUTH=1; Secure; HttpOnly"})

    def _form(self, call: Call) -> Reply:
        sent = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if sent != {"username": "cora", "password": "cora-password"} or call.headers.get("Cookie") != "AUTH=1":
            return page(200, FORM.format(action=call.path))
        return page(302, "", {"Location": self.authorize(f"{self.url}?{urlsplit(call.path).query}")})

    def _refusal(self, call: Call) -> str:
        scheme, _, value = call.headers.get("Authorization", "").partition(" ")
        pair = base64.b64decode(value).decode() if scheme == "Basic" else ":"
        client, secret = map(unquote_plus, pair.split(":", 1))
        if client != CLIENT:
            return "invalid_client"
        return "" if secret == self.secret else "unauthorized_client"


def query(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
