"""Servers that are not ours: a script in tests/peers installs and starts each, on a free port, and ends it."""

from collections.abc import Iterator

import pytest
from harness.chromium import chromium
from harness.keycloak import Keycloak
from harness.stage import Stage
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with Keycloak(tmp_path_factory.mktemp("keycloak")) as running:
        yield running


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The whole demo; a module that wants it otherwise makes its own."""
    with Stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running
