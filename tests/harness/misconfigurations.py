"""What is set wrong, and what is said of it: the table that the tests go through, and docs/troubleshooting.md shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the provider needs the demo, which a program in tests/ does not find
    from harness.registered import Registered

START, DOCTOR = "start", "doctor"


@dataclass(frozen=True)
class Place:
    """What a case may refer to: the realm that runs, a folder, a service and a port that another process has."""

    realm: Registered
    folder: Path
    service: str
    taken: int


@dataclass(frozen=True)
class Misconfiguration:
    """`sets` are settings over good ones, `realm` changes the provider, `token` bends what it issues. `by` says it:
    the start (as `gateway check`) or the doctor. `check` is the setting or the finding; `says` stands in what is found
    (or in the advice of the start), `fix` in what to do. `sees`: what a user or an operator meets without it."""

    title: str
    sees: str
    check: str
    fix: str
    by: str = DOCTOR
    says: str = ""
    sets: Callable[[Place], Mapping[str, str | None]] = lambda place: {}
    realm: Mapping[str, Any] = field(default_factory=dict)
    token: Mapping[str, Any] | None = None


def values(**settings: str | None) -> Callable[[Place], Mapping[str, str | None]]:
    return lambda place: settings


def secret_file(content: bytes) -> Callable[[Place], Mapping[str, str | None]]:
    """KEYCLOAK_CLIENT_SECRET in a file of this content."""

    def sets(place: Place) -> Mapping[str, str | None]:
        (place.folder / "secret").write_bytes(content)
        return {"KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_SECRET_FILE": "secret"}

    return sets


def unreadable(place: Place) -> Mapping[str, str | None]:
    """A directory is what not even root reads."""
    (place.folder / "secret").mkdir()
    return {"KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_SECRET_FILE": "secret"}


def in_production(**settings: str | None) -> Callable[[Place], Mapping[str, str | None]]:
    return values(NODE_ENV="production", **settings)


AT_START = "does not start"
MISCONFIGURED = "`?authError=misconfigured` at sign-in, 401 for every call"
NOW = int(time.time())

TABLE: Mapping[str, Misconfiguration] = {
    "scheme": Misconfiguration(
        "`USER_SERVICE_URL=user-service:3003`: no scheme", AT_START, "USER_SERVICE_URL", "expected http://host:port",
        START, sets=values(USER_SERVICE_URL="user-service:3003"),
    ),
    "scheme-tls": Misconfiguration(
        "`https://` before a service that speaks http", "502 for its paths", "TLS of USER_SERVICE_URL",
        "http:// in USER_SERVICE_URL", says="the TLS handshake fails",
        sets=lambda place: {"USER_SERVICE_URL": place.service.replace("http:", "https:")},
    ),
    "path-twice": Misconfiguration(
        "`USER_SERVICE_URL=http://user-service:3003/users`: the service's own path", "404 for its paths",
        "USER_SERVICE_URL", "is sent twice", sets=lambda place: {"USER_SERVICE_URL": place.service + "/users"},
    ),
    "unit": Misconfiguration(
        "`PROXY_READ_TIMEOUT=30s`: a unit", AT_START, "PROXY_READ_TIMEOUT", "expected seconds",
        START, sets=values(PROXY_READ_TIMEOUT="30s"),
    ),
    "negative": Misconfiguration(
        "`MAX_BODY_BYTES=-1`", AT_START, "MAX_BODY_BYTES", "whole number over 0",
        START, sets=values(MAX_BODY_BYTES="-1"),
    ),
    "realm": Misconfiguration(
        "the wrong realm", "503 for every call; `/health/ready` is 503", "Keycloak", "https://<host>/realms/<realm>",
        says="no realm 'another'",
        sets=lambda place: {"KEYCLOAK_ISSUER_URL": place.realm.url.rpartition("/")[0] + "/another"},
    ),
    "issuer-slash": Misconfiguration(
        "the issuer with a slash too many", "503 for every call", "issuer", "set KEYCLOAK_ISSUER_URL=http",
        says="a slash at the end",
        sets=lambda place: {"KEYCLOAK_ISSUER_URL": place.realm.url + "/"},
    ),
    "issuer-host": Misconfiguration(
        "the issuer by another name of its host", "503 for every call", "issuer", "KEYCLOAK_INTERNAL_URL",
        says="Keycloak says",
        sets=lambda place: {"KEYCLOAK_ISSUER_URL": place.realm.url.replace("127.0.0.1", "localhost")},
    ),
    "keycloak-away": Misconfiguration(
        "Keycloak cannot be reached", "503 for every call", "Keycloak", "KEYCLOAK_INTERNAL_URL",
        says="no answer", sets=values(KEYCLOAK_ISSUER_URL="http://127.0.0.1:1/realms/r"),
    ),
    "keycloak-moved": Misconfiguration(
        "a proxy before Keycloak redirects to https, and the issuer is http", "503 for every call", "Keycloak",
        "name that address in KEYCLOAK_ISSUER_URL", says="redirects to https://", realm={"moved": ("discovery",)},
    ),
    "client-id": Misconfiguration(
        "the wrong `KEYCLOAK_CLIENT_ID`", "Keycloak's page \"Client not found\"", "client", "KEYCLOAK_CLIENT_ID",
        says="invalid_client", sets=values(KEYCLOAK_CLIENT_ID="nobody"),
    ),
    "client-secret": Misconfiguration(
        "the wrong `KEYCLOAK_CLIENT_SECRET`", "502 at the callback", "client", "Credentials",
        says="unauthorized_client", sets=values(KEYCLOAK_CLIENT_SECRET="another-secret-0123456789"),
    ),
    "algorithm": Misconfiguration(
        "`JWT_ALGORITHMS=ES256` where the realm signs with RS256", "401 for every call", "keys", "JWT_ALGORITHMS",
        says="RS256", sets=values(JWT_ALGORITHMS="ES256"),
    ),
    "scope": Misconfiguration(
        "a scope in `KEYCLOAK_SCOPES` that the realm has not", MISCONFIGURED, "scopes", "KEYCLOAK_SCOPES",
        says="phone2", sets=values(KEYCLOAK_SCOPES="openid phone2"),
    ),
    "flow": Misconfiguration(
        "the client's Standard flow is off", MISCONFIGURED, "sign-in", "Standard", says="unauthorized_client",
        realm={"flow": False},
    ),
    "audience": Misconfiguration(
        "no audience mapper", MISCONFIGURED, "aud", "Audience mapper", says="account",
        token={"claims": {"aud": "account"}},
    ),
    "subject": Misconfiguration(
        "no `sub`: the client lacks the scope `basic`", MISCONFIGURED, "sub", "`basic`", says="no sub",
        token={"drop": ["sub"]},
    ),
    "life-short": Misconfiguration(
        "access tokens that live 12 seconds", "429 at `/auth/refresh`, again and again", "refreshes",
        "Access Token Lifespan", says="renewed 8 times in 60 s", token={"life": 12},
    ),
    "life-long": Misconfiguration(
        "access tokens that live a day", "a disabled user goes on for a day", "access token's life",
        "Access Token Lifespan", says="86400 s", token={"life": 86_400},
    ),
    "redirect-uri": Misconfiguration(
        "the redirect URI is not registered", "Keycloak's page \"Invalid parameter: redirect_uri\"", "redirect URI",
        "Valid redirect URIs", says="is not registered", realm={"redirect_uris": ("https://elsewhere/auth/callback",)},
    ),
    "redirect-anybody": Misconfiguration(
        "`*` among the redirect URIs", "nothing, until a code is stolen", "redirect URI", "take * out",
        says="any address is accepted", realm={"redirect_uris": ("*",)},
    ),
    "callback": Misconfiguration(
        "the redirect URI does not end in `/auth/callback`", AT_START, "KEYCLOAK_REDIRECT_URI", "PUBLIC_URL",
        START, sets=values(KEYCLOAK_REDIRECT_URI="https://api.example.com/callback"),
    ),
    "post-logout": Misconfiguration(
        "the post-logout URI is missing", "Keycloak's page \"Invalid redirect uri\" after a logout", "post-logout URI",
        "Valid post logout redirect URIs", says="is not registered", realm={"post_logout_uris": ()},
    ),
    "back-channel": Misconfiguration(
        "the back-channel URL is missing or cannot be reached", "a sign-out in Keycloak does not end the session here",
        "back-channel logout", "/auth/backchannel-logout", says="administrators alone",
    ),
    "frontend-path": Misconfiguration(
        "`FRONTEND_URL` with a path", AT_START, "FRONTEND_URL", "without a path",
        START, sets=values(FRONTEND_URL="https://app.example.com/app"),
    ),
    "public-url": Misconfiguration(
        "`PUBLIC_URL` of another site than the frontend", "signed in, and 401 all the same: no cookie comes",
        "PUBLIC_URL",
        "is not same-site", sets=values(PUBLIC_URL="http://127.0.0.2:1"),
    ),
    "proxies-all": Misconfiguration(
        "`TRUSTED_PROXIES=0.0.0.0/0`", AT_START, "TRUSTED_PROXIES", "name the addresses of your proxies",
        START, sets=in_production(TRUSTED_PROXIES="0.0.0.0/0"),
    ),
    "proxies-host-bits": Misconfiguration(
        "`TRUSTED_PROXIES=10.0.0.7/8`: host bits", "a warning; more is trusted than is meant", "TRUSTED_PROXIES",
        "10.0.0.0/8 is meant", sets=values(TRUSTED_PROXIES="10.0.0.7/8"),
    ),
    "proxies-missing": Misconfiguration(
        "`TRUSTED_PROXIES` missing behind nginx", "429 for everybody: all clients share nginx's address",
        "TRUSTED_PROXIES",
        "set TRUSTED_PROXIES", says="PUBLIC_URL is https",
        sets=values(PUBLIC_URL="https://127.0.0.1:1", FRONTEND_URL="https://127.0.0.1:2"),
    ),
    "redis-unencoded": Misconfiguration(
        "a `/` in Redis's password that is not `%2F`", AT_START, "REDIS_URL", "percent-encoded",
        START, sets=values(REDIS_URL="redis://:marked/pw@redis:6379/0"),
    ),
    "redis-away": Misconfiguration(
        "Redis cannot be reached", "limits and logouts are each machine's alone", "Redis", "correct REDIS_URL",
        says="no connection", sets=values(REDIS_URL="redis://127.0.0.1:1/0"),
    ),
    "kafka-name": Misconfiguration(
        "Kafka's name or port is wrong", "no events", "Kafka", "KAFKA_BROKERS",
        says="no broker answers", sets=values(KAFKA_BROKERS="127.0.0.1:1"),
    ),
    "service-away": Misconfiguration(
        "a service cannot be reached", "502 for its paths", "interview-service", "INTERVIEW_SERVICE_URL",
        says="refused", sets=values(INTERVIEW_SERVICE_URL="http://127.0.0.1:1"),
    ),
    "name": Misconfiguration(
        "a host name that this machine does not know", "502 for its paths", "DNS of USER_SERVICE_URL", "getent hosts",
        says="not known here", sets=values(USER_SERVICE_URL="http://127.0.0.999:1"),
    ),
    "clock-behind": Misconfiguration(
        "the clock is behind", "401 for every new token", "clock", "NTP",
        says="behind Keycloak", realm={"date": formatdate(NOW + 7200, usegmt=True)},
    ),
    "clock-ahead": Misconfiguration(
        "the clock is ahead", "`Token expired` at once", "clock", "NTP",
        says="ahead of Keycloak", realm={"date": formatdate(NOW - 7200, usegmt=True)},
    ),
    "secret-mark": Misconfiguration(
        "a secret's file begins with a byte order mark", AT_START, "KEYCLOAK_CLIENT_SECRET_FILE", "byte order mark",
        START, sets=secret_file(b"\xef\xbb\xbfmarked"),
    ),
    "secret-lines": Misconfiguration(
        "a secret's file holds two lines", AT_START, "KEYCLOAK_CLIENT_SECRET_FILE", "leave the others out",
        START, sets=secret_file(b"marked\nmarked\n"),
    ),
    "secret-utf16": Misconfiguration(
        "a secret's file is UTF-16", AT_START, "KEYCLOAK_CLIENT_SECRET_FILE", "save it as UTF-8",
        START, sets=secret_file("marked".encode("utf-16")),
    ),
    "secret-unreadable": Misconfiguration(
        "a secret's file cannot be read", AT_START, "KEYCLOAK_CLIENT_SECRET_FILE", "with mode",
        START, sets=unreadable,
    ),
    "port-taken": Misconfiguration(
        "the port is taken", AT_START, "PORT", "is taken by another process",
        START, sets=lambda place: {"PORT": str(place.taken)},
    ),
    "host-foreign": Misconfiguration(
        "`HOST` is no address of this machine", AT_START, "HOST", "no address of this machine",
        START, sets=values(HOST="192.0.2.77"),
    ),
    "rate": Misconfiguration(
        "`RATE_LIMIT_DEFAULT=100/15m`", AT_START, "RATE_LIMIT_DEFAULT", "100 per 15 minutes",
        START, sets=values(RATE_LIMIT_DEFAULT="100/15m"),
    ),
    "misspelled": Misconfiguration(
        "`RATE_LIMT_DEFAULT`: a misspelled name", "the setting has its default", "RATE_LIMT_DEFAULT",
        "did you mean RATE_LIMIT_DEFAULT?", sets=values(RATE_LIMT_DEFAULT="10 per minute"),
    ),
    "log-level": Misconfiguration(
        "`LOG_LEVEL=verbose`", AT_START, "LOG_LEVEL", "debug, info, warn or error",
        START, sets=values(LOG_LEVEL="verbose"),
    ),
    "jaeger-path": Misconfiguration(
        "`JAEGER_ENDPOINT` without `/api/traces`", "no spans, one error line", "Jaeger", "/api/traces",
        says="status 404", sets=lambda place: {"JAEGER_ENDPOINT": place.realm.url},
    ),
    "otlp-scheme": Misconfiguration(
        "`OTEL_EXPORTER_OTLP_ENDPOINT` without a scheme", AT_START, "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://localhost:4318",
        START, sets=values(OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4318"),
    ),
    "ca": Misconfiguration(
        "`CA_BUNDLE` is not there", AT_START, "CA_BUNDLE", "PEM file of certificates",
        START, sets=values(CA_BUNDLE="none.pem"),
    ),
    "development": Misconfiguration(
        "`NODE_ENV=development` in production", "cookies, secrets and networks are judged leniently", "NODE_ENV",
        "NODE_ENV=production", sets=values(PUBLIC_URL="https://127.0.0.1:1", FRONTEND_URL="https://127.0.0.1:2"),
    ),
}  # fmt: skip
"""id → what is wrong."""

REDIS: Mapping[str, tuple[str, Misconfiguration]] = {
    "redis-password": (
        "redis://:marked@127.0.0.1:{port}/2",
        Misconfiguration(
            "Redis's password is wrong", "limits and logouts are each machine's alone", "Redis", "requirepass",
            says="a wrong password",
        ),
    ),
    "redis-no-password": (
        "redis://127.0.0.1:{port}/2",
        Misconfiguration(
            "Redis's password is missing", "limits and logouts are each machine's alone", "Redis", "requirepass",
            says="a wrong password",
        ),
    ),
    "redis-database": (
        "redis://:{password}@127.0.0.1:{port}/99",
        Misconfiguration(
            "Redis has no database 99", "limits and logouts are each machine's alone", "Redis", "16 by default",
            says="no database of that number",
        ),
    ),
    "redis-tls": (
        "rediss://:{password}@127.0.0.1:{port}/2",
        Misconfiguration(
            "`rediss://` and a Redis without TLS", "limits and logouts are each machine's alone", "Redis", "rediss://",
        ),
    ),
}  # fmt: skip
"""id → URL and what is said of it: for a real Redis (tests/real/test_doctor_redis.py)."""

KAFKA_TOPIC = Misconfiguration(
    "`KAFKA_TOPIC` is not there", "no events: they wait", "Kafka's topic", "create it", says="is not there",
)  # fmt: skip
KAFKA_VERSION = Misconfiguration(
    "`KAFKA_CLIENT=pykafka`, and brokers of Kafka 4", "no events: they wait", "Kafka's version",
    "KAFKA_CLIENT=confluent", says="what pykafka sends",
)  # fmt: skip
TWO_SECRETS = Misconfiguration(
    "two gateways with two `SESSION_SECRET`s", "signed in at one and not at the other", "Redis's deployments",
    "set SESSION_SECRET alike", says="share nothing with this one",
)  # fmt: skip
LOW_PORT = Misconfiguration("a port below 1024", AT_START, "PORT", "may not be bound by this user", START)

SHOWN = (*TABLE.values(), *(case for _, case in REDIS.values()), KAFKA_TOPIC, KAFKA_VERSION, TWO_SECRETS, LOW_PORT)
"""The rows of docs/troubleshooting.md."""
