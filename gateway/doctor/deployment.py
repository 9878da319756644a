"""What is looked at: the settings, and how their peers are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, cast
from urllib.parse import urlsplit

from gevent.lock import RLock
from requests import RequestException

from gateway.config import Problem, Settings
from gateway.oidc import Grants, Keycloak, TokenAnswer
from gateway.oidc.documents import IssuerDocuments
from gateway.spans import NO_TRACER
from gateway.transport import Timeouts, UpstreamResponse, loggable
from gateway.wiring.outbound import outbound
from gateway.wiring.sign_in import credentials_of

EXAMINATION_SECONDS = 20.0

BOUNDS = Timeouts(connect=3.0, read=5.0, total=6.0)
"""Of one question, in seconds."""

TEXT_BYTES = 1 << 20

_QUESTION: Mapping[str, Any] = MappingProxyType({"timeout": BOUNDS, "stream": True, "allow_redirects": False})


_TLS_ALONE = ("HTTPS server", "HTTPS port", "SSL-enabled server port", "requires TLS")
"""The words of Go, nginx, Apache, Tomcat for plain http that reaches a port of TLS."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: `text` up to TEXT_BYTES, `headers` by name in lower case, `fields` as they came."""

    status: int
    headers: Mapping[str, str]
    text: str
    fields: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """The values of each field of this name, which is in lower case."""
        return tuple(value for given, value in self.fields if given.lower() == name)

    @property
    def wants_tls(self) -> bool:
        """Whether plain http reached a port of TLS: many servers say so with status 400."""
        return self.status == 400 and any(words in self.text for words in _TLS_ALONE)

    @property
    def moved_to(self) -> str:
        """Scheme and host that a proxy sends everybody to, empty where it does not. Keycloak's own redirects are 302
        and 303 (RFC 9110 section 15.4)."""
        if self.status not in (301, 307, 308):
            return ""
        try:
            parts = urlsplit(self.headers.get("location", ""))
        except ValueError:
            return "another address"
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path"

    @property
    def is_alive(self) -> bool:
        """Whether a gateway has answered `/health/live`."""
        return self.status == 200 and self.json() == {"status": "ok"}

    @property
    def error(self) -> Mapping[str, Any]:
        """The body of a gateway's error; empty where another one has answered, or with something else."""
        found = self.json() or {}
        return found if {"code", "traceId"} <= found.keys() else {}

    def json(self) -> Mapping[str, Any] | None:
        """The JSON object, None where it is none."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody answered, and why."""

    why: str


class Deployment:
    """The settings, and how their peers are asked; its connections end with the `with`."""

    def __init__(
        self,
        settings: Settings,
        warnings: tuple[Problem, ...] = (),
        *,
        produces: bool = False,
        jaeger_page: str | None = None,
        stream: str | None = None,
        seconds: float = EXAMINATION_SECONDS,
    ) -> None:
        """`produces`: one event may be sent to Kafka. `jaeger_page`: where Jaeger is asked for a span.
        `stream`: the path of an event stream. `seconds`: what all checks together may take; `due`, a monotonic time, is
        their end, set as they begin. `token` may be set, an access token to judge, and `signed_in`, the answer of the
        sign-in that it is of."""
        self.settings = settings
        self.warnings = warnings
        self.token: str | None = None
        self.signed_in: TokenAnswer | None = None
        self.produces = produces
        self.jaeger_page = jaeger_page
        self.stream = stream
        self.seconds = seconds
        self.due: float
        self.out = outbound(settings, NO_TRACER)
        self._documents = IssuerDocuments(settings.issuer, settings.internal_url or settings.issuer, self.out.session)
        self._discovery: Answer | Silence | None = None
        self._public: Answer | Silence | None = None
        self._reading, self._looking = RLock(), RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.out.adapter.close()

    @contextmanager
    def keycloak(self) -> Iterator[Keycloak]:
        """The issuer's keys and endpoints as the gateway reads them."""
        reader = Keycloak(self.settings.issuer, self.settings.internal_url, self.out.session)
        reader.start()
        try:
            yield reader
        finally:
            reader.close(0.0)

    @contextmanager
    def grants(self) -> Iterator[Grants]:
        """The gateway's client at Keycloak."""
        with self.keycloak() as reader:
            yield Grants(reader, self.out.adapter, credentials_of(self.settings), self.settings.scopes)

    @property
    def keycloak_url(self) -> str:
        """The issuer as the gateway reaches it, without a last slash."""
        return (self.settings.internal_url or self.settings.issuer).rstrip("/")

    @property
    def keycloak_setting(self) -> str:
        """What names it."""
        return self._documents.setting

    def discovery(self) -> Answer | Silence:
        """Keycloak's discovery document, asked for once."""
        with self._reading:
            if self._discovery is None:
                self._discovery = self.ask(self._documents.discovery_url)
            return self._discovery

    def public(self) -> Answer | Silence:
        """What is at PUBLIC_URL, asked for once."""
        with self._looking:
            if self._public is None:
                self._public = self.ask(self.settings.public_url + "/health/live")
            return self._public

    def document(self) -> Mapping[str, Any] | None:
        """The discovery document where it is there and the issuer's, whose checks say why where it is not."""
        answer = self.discovery()
        found = answer.json() if isinstance(answer, Answer) and answer.status == 200 else None
        return found if found is not None and found.get("issuer") == self.settings.issuer else None

    def reached(self, url: str) -> str:
        """An endpoint of the issuer as the gateway reaches it."""
        return self._documents.reached(url)

    def ask(self, url: str, method: str = "GET", **options: Any) -> Answer | Silence:
        """One question, answered within BOUNDS; a redirect is an answer."""
        try:
            with self.out.session.request(method, url, **{**_QUESTION, **options}) as response:
                raw = cast(UpstreamResponse, response.raw)
                text = raw.read(TEXT_BYTES)
                fields = tuple(raw.headers)
                headers = {name.lower(): value for name, value in fields}
                return Answer(response.status_code, headers, text.decode("utf-8", "replace"), fields)
        except RequestException as error:
            return Silence(str(loggable(error)))
