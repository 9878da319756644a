"""What a provider is made of: its realm, the clients registered there, the users who can sign in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
DEFAULT_SCOPES = ("email", "profile")


class UriPatterns(tuple[str, ...]):
    """Registered URIs. ``uri in patterns`` is an exact match, except as Keycloak does:

    a trailing ``*`` takes any ending, and a loopback host without a port takes any port (RFC 8252, 7.3).
    """

    def __contains__(self, uri: object) -> bool:
        return isinstance(uri, str) and any(_matches(pattern, uri) for pattern in self)


def _matches(pattern: str, uri: str) -> bool:
    if pattern.endswith("*") and uri.startswith(pattern[:-1]):
        return True
    if pattern == uri:
        return True
    want, got = urlsplit(pattern), urlsplit(uri)
    if want.scheme != "http" or want.hostname not in LOOPBACK or want.port is not None:
        return False
    if (got.scheme, got.hostname, got.username) != ("http", want.hostname, None):
        return False
    if want.path.endswith("*"):
        return got.path.startswith(want.path[:-1])
    return (got.path, got.query, got.fragment) == (want.path, want.query, want.fragment)


@dataclass(frozen=True)
class Client(ClientMixin):
    """A registered client. No secret makes it public; ``access_lifetime`` (s) overrides the realm's.

    ``audience`` is what Keycloak's audience mappers put in access tokens: one is a string, several a list.
    """

    client_id: str = "ai-video-interview-app"
    secret: str | None = field(default="test-secret-not-for-production", repr=False)
    redirect_uris: Iterable[str] = ("http://localhost/auth/callback", "http://127.0.0.1/auth/callback")
    post_logout_redirect_uris: Iterable[str] = ("http://localhost/*", "http://127.0.0.1/*")
    grants: tuple[str, ...] = ("authorization_code", "refresh_token", "password")
    audience: tuple[str, ...] = ("ai-video-interview-app",)
    access_lifetime: int | None = None
    require_pkce: bool = True
    backchannel_logout_url: str | None = None

    @property
    def client_metadata(self) -> dict[str, UriPatterns]:
        """Read by Authlib's end-session endpoint."""
        return {"post_logout_redirect_uris": UriPatterns(self.post_logout_redirect_uris)}

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Keycloak never assumes one."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """``openid`` when asked for, the default scopes always, ``None`` for one that does not exist."""
        asked = set((scope or "").split())
        if asked - {"openid", *DEFAULT_SCOPES}:
            return None
        return " ".join([*(["openid"] if "openid" in asked else []), *DEFAULT_SCOPES])

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in UriPatterns(self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (self.secret is None)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grants

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass(frozen=True)
class User:
    """A person. ``client_roles`` maps a client id to the roles held there."""

    id: str
    username: str
    password: str = field(repr=False)
    email: str | None
    first_name: str
    last_name: str
    realm_roles: tuple[str, ...]
    client_roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


CORA = User(
    id="11111111-1111-4111-8111-111111111111",
    username="cora",
    password="cora-password",
    email="cora@example.test",
    first_name="Cora",
    last_name="Candidate",
    realm_roles=("default-roles-ai-video-interview", "candidate"),
)
RICK = User(
    id="22222222-2222-4222-8222-222222222222",
    username="rick",
    password="rick-password",
    email="rick@example.test",
    first_name="Rick",
    last_name="Recruiter",
    realm_roles=("default-roles-ai-video-interview", "recruiter", "admin"),
    client_roles={"ai-video-interview-app": ("interview:review",)},
)


@dataclass(frozen=True)
class ProviderSettings:
    """Lifetimes in seconds. ``base_url`` is the provider as a browser sees it, without a path.

    ``backchannel_dynamic`` is Keycloak's ``hostname-backchannel-dynamic``: a discovery document asked for at
    another address names token, certs and userinfo there, and leaves revocation public. Pages of
    ``cors_origins`` may read the token endpoint. ``demo_endpoints`` opens ``/demo/…`` to other processes.
    """

    base_url: str = "http://localhost:8090"
    realm: str = "ai-video-interview"
    clients: tuple[Client, ...] = (Client(),)
    users: tuple[User, ...] = (CORA, RICK)
    access_lifetime: int = 60
    refresh_lifetime: int = 1800
    code_lifetime: int = 60
    backchannel_timeout: float = 5.0
    backchannel_dynamic: bool = False
    cors_origins: tuple[str, ...] = ()
    demo_endpoints: bool = False

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/realms/{self.realm}"
