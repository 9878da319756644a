"""A browser as the gateway sees one: it keeps the cookies it was set, and sends them where their paths say."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from harness.gateway import FRONTEND, Gateway
from harness.http import Answer, Connection

NAVIGATION = {
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
}
ABSENT: Any = object()
Authorize = Callable[[str], str]
"""From the URL where a browser signs in to the one it comes back to."""


@dataclass(frozen=True)
class Cookie:
    """A Set-Cookie line; attribute names in lower case."""

    name: str
    value: str
    attributes: Mapping[str, str]

    @classmethod
    def of(cls, line: str) -> Self:
        pair, *rest = line.split(";")
        name, _, value = pair.strip().partition("=")
        attributes = {key.strip().lower(): word for key, _, word in (part.partition("=") for part in rest)}
        return cls(name, value, attributes)

    @property
    def life(self) -> int:
        """Seconds; a cookie that does not say lives as long as the browser."""
        return int(self.attributes.get("max-age", 1))

    def goes_to(self, path: str) -> bool:
        """RFC 6265bis section 5.1.4."""
        mine = self.attributes.get("path", "/")
        return path == mine or path.startswith(mine if mine.endswith("/") else mine + "/")


@dataclass(frozen=True)
class Login:
    """What a login answered, and what its URL asks of the provider."""

    auth_url: str
    state: str

    @property
    def asked(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.auth_url).query))


def set_by(answer: Answer) -> list[Cookie]:
    return [Cookie.of(line) for line in answer.all("Set-Cookie")]


def target(url: str) -> str:
    """Path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Visitor:
    """`origin` is the page's, sent with what writes; `root` the path below which the browser sees the gateway."""

    def __init__(self, gateway: Gateway, *, origin: str | None = FRONTEND, root: str = "") -> None:
        self.gateway = gateway
        self.origin = origin
        self.root = root
        self.jar: dict[str, Cookie] = {}

    def copy(self) -> "Visitor":
        """Another browser with the same cookies."""
        twin = Visitor(self.gateway, origin=self.origin, root=self.root)
        twin.jar = dict(self.jar)
        return twin

    def cookie_header(self, path: str) -> str:
        path = self.root + path.partition("?")[0]
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar.values() if cookie.goes_to(path))

    def call(
        self,
        method: str,
        path: str,
        body: Any = ABSENT,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        origin: str | None = ABSENT,
        over: Connection | None = None,
        timeout: float = 20,
    ) -> Answer:
        """One request, with `body` as JSON. `over`: on this connection instead of one of its own."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        origin = (self.origin if method != "GET" else None) if origin is ABSENT else origin
        if origin is not None:
            pairs.append(("Origin", origin))
        if sent := self.cookie_header(path):
            pairs.append(("Cookie", sent))
        content = None
        if body is not ABSENT:
            pairs.append(("Content-Type", "application/json"))
            content = json.dumps(body).encode()
        if over is None:
            answer = self.gateway.get(path, headers=pairs, method=method, body=content, timeout=timeout)
        else:
            over.request(method, path, pairs, content)
            answer = over.receive(method=method)
        self.keep(answer)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = ABSENT, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def keep(self, answer: Answer) -> None:
        for cookie in set_by(answer):
            if cookie.life > 0 and cookie.value:
                self.jar[cookie.name] = cookie
            else:
                self.jar.pop(cookie.name, None)

    def own(self, name: str) -> str:
        """A cookie's name as the gateway of a test has it: on localhost, without https, with the port."""
        return f"{name}_{urlsplit(self.gateway.url).port}"

    def move_to(self, gateway: Gateway) -> None:
        """Go on at another gateway, as if it stood where the one before did: its cookies have other names."""
        before, after = (f"_{urlsplit(place.url).port}" for place in (self.gateway, gateway))
        moved = [replace(cookie, name=cookie.name.replace(before, after, 1)) for cookie in self.jar.values()]
        self.gateway, self.jar = gateway, {cookie.name: cookie for cookie in moved}

    def named(self, part: str) -> dict[str, Cookie]:
        """The cookies whose name holds `part`."""
        return {name: cookie for name, cookie in self.jar.items() if part in name}

    def begin(self, **fields: Any) -> Login:
        answer = self.post("/auth/login", fields)
        assert answer.status == 200, answer
        return Login(answer.json()["authUrl"], answer.json()["state"])

    def sign_in(self, authorize: Authorize, *, navigates: bool = False, **fields: Any) -> Answer:
        """From login to callback; the callback's answer."""
        back = target(authorize(self.begin(**fields).auth_url))
        return self.get(back, headers=NAVIGATION if navigates else {})

    def signed_in(self, authorize: Authorize) -> dict[str, Any]:
        """Sign in; the tokens that the callback gave."""
        answer = self.sign_in(authorize)
        assert answer.status == 200, answer
        tokens: dict[str, Any] = answer.json()
        return tokens

    @property
    def authenticated(self) -> bool:
        """Whether the gateway knows somebody, by the cookies."""
        return self.get("/users/me").status == 200
