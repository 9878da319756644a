"""An issuer's documents and access tokens of different users, as Keycloak shapes them."""

import json
import time
from dataclasses import dataclass, replace
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "ai-video-interview-app"
SESSION_SECRET = "session-secret-of-the-bench-0123456789"
REALM = "/realms/ai-video-interview"
USERS = 1000
LIFE_SECONDS = 3600


@dataclass(frozen=True)
class Issuer:
    """A signing key under the name `url`."""

    url: str
    key: RSAKey

    @classmethod
    def at(cls, base_url: str) -> "Issuer":
        """A new issuer whose documents are served under `base_url`."""
        return cls(base_url + REALM, _key())

    def forged(self) -> "Issuer":
        """One of the same name whose key nobody knows."""
        return replace(self, key=_key())

    def documents(self) -> dict[str, str]:
        """Discovery and JWKS: path to JSON."""
        certs = f"{REALM}/protocol/openid-connect/certs"
        discovery = {"issuer": self.url, "jwks_uri": self.url + certs.removeprefix(REALM)}
        return {
            f"{REALM}/.well-known/openid-configuration": json.dumps(discovery),
            certs: json.dumps({"keys": [self.key.as_dict(private=False)]}),
        }

    def tokens(self, users: int) -> list[str]:
        """One RS256 access token for each of so many users."""
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": "bench"}
        return [jwt.encode(header, self._claims(number, now), self.key) for number in range(users)]

    def _claims(self, number: int, now: int) -> dict[str, object]:
        return {
            "iss": self.url,
            "aud": [AUDIENCE, "account"],
            "azp": AUDIENCE,
            "typ": "Bearer",
            "sub": str(UUID(int=number + 1)),
            "sid": str(UUID(int=number + 1_000_000)),
            "iat": now,
            "exp": now + LIFE_SECONDS,
            "scope": "openid profile email",
            "email": f"user-{number}@example.com",
            "given_name": "Ada",
            "family_name": "Example",
            "realm_access": {"roles": ["candidate", "offline_access", "uma_authorization"]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        }


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
