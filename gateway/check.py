"""`python -m gateway.check`: reports every problem of the configuration.

All that a worker's boot does is done here, short of serving: what the check accepts, the boot must accept. A reload
with settings that the boot refuses would end gunicorn's master.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.bind import BindTrial, address_of
from gateway.config import Problem, ProblemsFound, Settings, load
from gateway.settings_files import SettingsRead
from gateway.urls import place_of

STOPPING_SECONDS = 7
"""The time that a stop takes in addition to DRAIN_TIMEOUT: to cut requests, and for the engines to flush and close."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found; `settings` is None where they cannot even be read."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def listening(settings: Settings) -> dict[str, object]:
    """The settings that gunicorn's configuration needs."""
    return {
        "bind": address_of(settings.host, settings.port),
        "workers": settings.workers,
        "level": settings.log_level,
        "graceful_timeout": math.ceil(settings.drain_timeout) + STOPPING_SECONDS,
    }


def start_fields(settings: Settings) -> dict[str, object]:
    """What the line of the start says: the mode, the issuer, and where each peer is. Without users and passwords."""
    redis = settings.redis_url.get_secret_value() if settings.redis_url is not None else None
    addresses: dict[str, tuple[str | None, ...]] = {
        **settings.services,
        "redis": (redis,),
        "kafka": tuple(f"//{broker}" for broker in settings.kafka_brokers),
        "loki": (settings.loki_host,),
        "jaeger": (settings.jaeger_endpoint,),
    }
    places = {name: [_place(url) for url in urls if url is not None] for name, urls in addresses.items()}
    mode = "production" if settings.production else "development"
    return {"mode": mode, "issuer": settings.issuer, "peers": {name: found for name, found in places.items() if found}}


def _place(url: str) -> str:
    return place_of(url) or urlsplit(url).path  # of a Unix socket


def checked(trial: BindTrial | None = None, files: SettingsRead | None = None) -> Checked:
    """Everything that is wrong with the settings of the environment and `.env`.

    1. They are read. 2. The app is built, as far as others than `gateway.config` judge a setting. 3. `trial` binds HOST
    and PORT, and lets them go; by default for a person: a gateway that listens there is only a warning.
    """
    try:
        read = files or SettingsRead()
        settings, warnings = load(content_of=read.read)
        for path in (settings.ca_bundle, settings.kafka_ssl_ca):
            if path is not None:
                read.read(path)
    except ProblemsFound as found:
        return Checked(None, found.problems, found.warnings)
    bound = (trial or BindTrial()).result(settings.host, settings.port)
    problems = (*_unbuildable(settings), *bound.problems)
    return Checked(settings, problems, (*warnings, *bound.warnings))


def _unbuildable(settings: Settings) -> Iterator[Problem]:
    """What the app cannot be built with. Only libraries refuse what the settings' own kinds accept: without what they
    are given, importing them is spared."""
    if not (settings.otel or settings.redis_url or settings.kafka_brokers or settings.jaeger_endpoint):
        return
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # a running master's: nothing is to be counted there
    with no_log_lines():
        error = _build_error(settings)
    if error is not None:
        for name in _names(str(error), settings):
            yield Problem(name, f"is refused when the gateway is built ({type(error).__name__}): correct or unset it")


def _build_error(settings: Settings) -> Exception | None:
    """The exception that building the app raises."""
    try:
        from opentelemetry.sdk.trace import TracerProvider

        from gateway.app import create_app

        create_app(settings, ())
        TracerProvider(shutdown_on_exit=False)  # reads its limits, also where no exporter is configured by now
    except Exception as error:  # a library's own, of whatever class
        return error
    return None


@contextmanager
def no_log_lines() -> Iterator[None]:
    """Without the lines that the app would log: standard output is the result's, and each worker logs them again."""
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)


def _names(text: str, settings: Settings) -> tuple[str, ...]:
    """The settings that a library's words are about: those it names, else those whose values it quotes, else all that
    the library reads. The words themselves may hold a secret."""
    named = [name for name in dict.fromkeys(re.findall(r"OTEL_[A-Z_]+", text)) if name in settings.otel]
    quoted = [name for name, value in settings.otel.items() if value in text]
    return tuple(named or quoted or settings.otel or ["the configuration"])


def main(trial: BindTrial | None = None, files: SettingsRead | None = None) -> int:
    """0 with one JSON object on stdout where the settings are good; 1 with a line for each problem and warning on
    stderr. The object has what `files` have read, if they are given: only the master may, for there are secrets in it.
    """
    found = checked(trial, files)
    settings = None if found.problems else found.settings
    if settings is None:
        print("The configuration cannot be used:", *found.problems, sep="\n  ", file=sys.stderr)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if settings is not None:
        for_master = {"files": files.contents, "start": start_fields(settings)} if files else {}
        print(json.dumps(listening(settings) | for_master))
        return 0
    if not Path(".env").exists():
        print("There is no .env in the working directory.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
