"""Loads Settings from the environment and `.env`, or reports all of their problems."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from gateway.config import dotenv, doubts, parsers
from gateway.config.address_parsers import read_base_urls, read_url
from gateway.config.names import NAMES, OLD_NAMES, REQUIRED, REQUIRED_UNLESS, SECRETS
from gateway.config.otel import otel_problems
from gateway.config.problem import Problem, ProblemsFound
from gateway.config.secret_file import read_secret
from gateway.config.settings import Settings, is_production
from gateway.services import SERVICES
from gateway.settings_files import as_checked

SEALING_CHARACTERS = 32
_MADE_BY = {
    "KAFKA_SASL_PASSWORD": "is a placeholder: take the password that Kafka knows",
    "KEYCLOAK_CLIENT_SECRET": "is a placeholder: copy Keycloak's (Clients > the client > Credentials)",
}
_PLACEHOLDERS = ("changeme", "change-me", "placeholder")


def load(
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    content_of: Callable[[Path], bytes] = as_checked,
) -> tuple[Settings, tuple[Problem, ...]]:
    """The settings of the environment and of `.env` in the working directory, and the warnings.

    1. `.env` is read; the environment takes precedence over it, and secret files over both. `content_of` reads them;
       by default a worker has them as the master's check read them.
    2. Empty values count as unset; required names are checked.
    3. Every value is parsed by its type.
    4. Weak secrets are a problem in production and a warning in development; doubtful settings are checked.

    Raises ProblemsFound with all problems and warnings at once.
    """
    problems: list[Problem] = []
    raw = _raw(os.environ if environ is None else environ, directory or Path.cwd(), content_of, problems)
    values = {name: raw[name] for name in NAMES if raw.get(name)}
    named = {problem.name.removesuffix("_FILE") for problem in problems}
    given = values.keys() | named
    missing = (name for name in REQUIRED if name not in given and REQUIRED_UNLESS.get(name) not in given)
    problems += [Problem(name, "is required") for name in missing]
    otel = {name: value for name, value in raw.items() if name.startswith("OTEL_") and value}
    services = _of_services({spec.name: spec.setting for spec in SERVICES}, read_base_urls, values, problems)
    documents = _of_services({spec.name: spec.openapi_setting for spec in SERVICES}, read_url, values, problems)
    settings = _parsed({**values, "otel": otel, "services": services, "openapi_urls": documents}, problems)
    problems += otel_problems(otel)
    production = is_production(values.get("NODE_ENV"))
    weak = list(_weak_secrets(values))
    problems += _contradictions(values, production=production)
    if production:
        problems += weak
    if settings is not None:
        problems += doubts.impossible(settings)
    warnings = (*(() if production else weak), *_doubtful(settings, raw))
    if problems or settings is None:
        raise ProblemsFound(sorted(set(problems), key=_place), warnings)
    return settings, warnings


def _doubtful(settings: Settings | None, given: Iterable[str]) -> Iterator[Problem]:
    """What is doubtful, as far as it can be judged."""
    if settings is not None:
        yield from doubts.doubtful(settings)
    yield from doubts.unread_names(given)


def _parsed(values: Mapping[str, Any], problems: list[Problem]) -> Settings | None:
    """The settings; None if a value is invalid, which is added to `problems`."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            Problem(str(fault["loc"][0]), fault["msg"].removeprefix("Value error, "))
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
            if fault["type"] != "missing"
        ]
        return None


def _of_services(
    names: Mapping[str, str], read: Callable[[str], Any], values: Mapping[str, str], problems: list[Problem]
) -> Mapping[str, Any]:
    """What is set of each service, by its name; what is invalid is added to `problems`."""
    found: dict[str, Any] = {}
    for service, setting in names.items():
        try:
            found |= {service: read(values[setting])} if setting in values else {}
        except ValueError as error:
            problems.append(Problem(setting, str(error)))
    return MappingProxyType(found)


def _place(problem: Problem) -> int:
    """The position of a problem in the list: that of its setting in the documents."""
    name = problem.name.removesuffix("_FILE")
    return NAMES.index(name) if name in NAMES else len(NAMES)


def _raw(
    environ: Mapping[str, str], directory: Path, content_of: Callable[[Path], bytes], problems: list[Problem]
) -> dict[str, str]:
    try:
        raw = dotenv.read(directory / ".env", content_of) | dict(environ)
    except UnicodeDecodeError as error:
        raise ProblemsFound([Problem(".env", f"is not UTF-8, first at byte {error.start}")]) from error
    except OSError as error:
        raise ProblemsFound([Problem(".env", f"cannot be read: {error.strerror}")]) from error
    for name, old in OLD_NAMES.items():
        if not raw.get(name) and raw.get(old):
            raw[name] = raw[old]
    for name in SECRETS:
        path = raw.get(f"{name}_FILE")
        if not path:
            continue
        if raw.get(name):
            problems.append(Problem(name, f"is given twice: keep either {name} or {name}_FILE"))
        try:
            raw[name] = read_secret(directory / path, content_of, lines=name == "KEYCLOAK_CLIENT_KEY")
        except ValueError as error:
            problems.append(Problem(f"{name}_FILE", str(error)))
    return raw


def _is_placeholder(secret: str) -> bool:
    lowered = secret.lower()
    return not secret.strip() or lowered.startswith("your-") or any(word in lowered for word in _PLACEHOLDERS)


def _members(name: str, value: str) -> tuple[str, ...]:
    """The secrets in a value: SESSION_SECRET is a list, a comma in another is a comma."""
    return parsers.read_list(value) or ("",) if name == "SESSION_SECRET" else (value,)


def _weak_secrets(values: Mapping[str, str]) -> Iterator[Problem]:
    """Secrets that can be guessed."""
    for name in SECRETS:
        if name in values and any(map(_is_placeholder, _members(name, values[name]))):
            yield Problem(name, _MADE_BY.get(name, "is a placeholder: make one with `openssl rand -hex 32`"))
    sealing = "SESSION_SECRET" if "SESSION_SECRET" in values else "JWT_SECRET"
    secret = values.get(sealing)
    if secret is None:
        yield Problem(
            "SESSION_SECRET",
            "is missing, and JWT_SECRET too: cookies are sealed with it; `openssl rand -hex 32`",
        )
    elif any(len(member) < SEALING_CHARACTERS for member in _members(sealing, secret)):
        yield Problem(sealing, f"seals cookies: at least {SEALING_CHARACTERS} characters; `openssl rand -hex 32`")


def _contradictions(values: Mapping[str, str], *, production: bool) -> Iterator[Problem]:
    """Settings that are valid separately but not together."""
    yield from _kafka_contradictions(values)
    if "openid" not in values.get("KEYCLOAK_SCOPES", "openid").split():
        yield Problem("KEYCLOAK_SCOPES", "has to hold openid: without it there is no ID token")
    if "HS256" not in values.get("JWT_ALGORITHMS", ""):
        return
    if "JWT_SECRET" not in values:
        yield Problem("JWT_SECRET", "is required when JWT_ALGORITHMS names HS256")
    if production and "SESSION_SECRET" not in values:
        yield Problem(
            "SESSION_SECRET",
            "is required when JWT_ALGORITHMS names HS256: who may sign tokens must not open cookies",
        )


def _kafka_contradictions(values: Mapping[str, str]) -> Iterator[Problem]:
    protocol = values.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT").upper()
    if protocol not in parsers.KAFKA_PROTOCOLS:
        return  # its kind says so
    for name in ("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        if protocol.startswith("SASL") and name not in values:
            yield Problem(name, f"is required when KAFKA_SECURITY_PROTOCOL is {protocol}")
        if not protocol.startswith("SASL") and name in values:
            yield Problem(name, f"needs SASL_SSL or SASL_PLAINTEXT, and KAFKA_SECURITY_PROTOCOL is {protocol}")
    if "KAFKA_SSL_CA" in values and not protocol.endswith("SSL"):
        yield Problem("KAFKA_SSL_CA", f"needs SSL or SASL_SSL, and KAFKA_SECURITY_PROTOCOL is {protocol}")
    if values.get("KAFKA_CLIENT") != "pykafka":
        return
    if protocol != "PLAINTEXT":
        yield Problem("KAFKA_CLIENT", f"has to be confluent or auto when KAFKA_SECURITY_PROTOCOL is {protocol}")
    if "[" in values.get("KAFKA_BROKERS", ""):
        yield Problem("KAFKA_CLIENT", "has to be confluent or auto when KAFKA_BROKERS holds an IPv6 address")
