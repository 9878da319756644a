"""A stand-in OpenID provider shaped like Keycloak 26: for a machine without Java, and for tests.

Not for production: users and sessions live in memory, passwords are compared as they are.
"""

from demo.identity.app import create_provider, provider_of, running_provider
from demo.identity.provider import Provider
from demo.identity.settings import Client, ProviderSettings, User

__all__ = [
    "Client",
    "Provider",
    "ProviderSettings",
    "User",
    "create_provider",
    "provider_of",
    "running_provider",
]
