"""The user of a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway import headers


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a verified access token.

    `token` is the access token as it was sent, `expires` and `issued` its `exp` and `iat` in seconds since the epoch,
    `session_id` Keycloak's `sid` and `token_id` its `jti`, if the token has them.
    """

    user_id: str
    email: str | None
    roles: frozenset[str]
    token: str = field(repr=False)
    expires: float
    issued: float = 0.0
    session_id: str | None = None
    token_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    # The headers to a service: built once per token, not per request.
    forwarded: tuple[tuple[str, str], ...] = field(init=False, repr=False)
    session: str = field(init=False, repr=False)
    """Keycloak's session; without `sid` the token itself, and without `jti` all sessions of the user."""
    subject: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        subject = f"sub:{self.user_id}"
        session = f"sid:{self.session_id}" if self.session_id is not None else None
        alone = f"jti:{self.token_id}" if self.token_id is not None else subject
        object.__setattr__(self, "forwarded", identity_headers(self))
        object.__setattr__(self, "session", session or alone)
        object.__setattr__(self, "subject", subject)


def identity_headers(principal: Principal) -> tuple[tuple[str, str], ...]:
    """The identity headers to a service in addition to Authorization: X-User-Id, X-User-Email (if known) and
    X-User-Roles (sorted, comma-separated, no spaces)."""
    roles = ",".join(headers.identity_value(role) for role in sorted(principal.roles))
    email = (("X-User-Email", headers.identity_value(principal.email)),) if principal.email else ()
    return (
        ("X-User-Id", headers.identity_value(principal.user_id)),
        *email,
        ("X-User-Roles", roles),
    )
