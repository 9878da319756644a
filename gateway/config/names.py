"""The names of all settings in the environment, and their documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Settings
from gateway.services import SERVICES

# Aliases, read if the name itself is unset.
OLD_NAMES = {"NODE_ENV": "APP_ENV", "CA_BUNDLE": "NODE_EXTRA_CA_CERTS"}

# Required unless the other name is set.
REQUIRED_UNLESS = {"KEYCLOAK_CLIENT_SECRET": "KEYCLOAK_CLIENT_KEY"}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of the table of settings: its `name` in the environment, and its documentation."""

    name: str
    required: bool
    default: Any
    description: str
    secret: bool = False


def _rows() -> Iterator[SettingRow]:
    for name, field in Settings.model_fields.items():
        if name == "services":
            yield from (SettingRow(spec.setting, spec.required, None, spec.description) for spec in SERVICES)
            continue
        description = " ".join((field.description or "").split())
        if name == "openapi_urls":
            yield from (SettingRow(spec.openapi_setting, False, None, description) for spec in SERVICES)
        elif field.alias:
            secret = "SecretStr" in str(field.annotation)
            required = field.is_required() or field.alias in REQUIRED_UNLESS
            yield SettingRow(field.alias, required, field.default, description, secret)


ROWS = tuple(_rows())
"""Every setting, in the order of the documents and of the list of problems."""

NAMES = tuple(row.name for row in ROWS)

SECRETS = tuple(row.name for row in ROWS if row.secret)

REQUIRED = tuple(row.name for row in ROWS if row.required)
