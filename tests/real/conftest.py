"""Servers that are not ours: a script in tests/peers installs and starts each, on a free port, and ends it."""

from collections.abc import Iterator

import pytest
from harness.keycloak import Keycloak


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with Keycloak(tmp_path_factory.mktemp("keycloak")) as running:
        yield running
