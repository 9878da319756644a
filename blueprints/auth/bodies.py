"""The request bodies of the sign-in endpoints: small JSON objects, and one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import gevent

from gateway import errors
from gateway.proxy import Body
from gateway.wiring import engines

FIELD_CHARACTERS = 16_384
BODY_BYTES = 65_536


def json_fields(environ: Mapping[str, Any], *names: str) -> dict[str, str | None]:
    """The string fields `names` of the JSON object in the body; no body counts as an empty object, `null` as absent.

    Raises UnsupportedMediaType for another content type, BadRequest for invalid JSON, or a field that is empty or not a
    string.
    """
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json":
        raise errors.UnsupportedMediaType()
    text = _read(environ)
    if text and not kind:
        raise errors.UnsupportedMediaType()
    try:
        content = json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise errors.BadRequest("The body is not valid JSON") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise errors.BadRequest("The body is not a JSON object")
    return {name: _field(name, content.get(name)) for name in names}


def form_field(environ: Mapping[str, Any], name: str) -> str:
    """The only value of a form field (application/x-www-form-urlencoded). Raises BadRequest if there is none."""
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise errors.BadRequest()
    try:
        values = parse_qs(_read(environ).decode("ascii"), max_num_fields=20).get(name, [])
    except ValueError:
        raise errors.BadRequest() from None
    if len(values) != 1:
        raise errors.BadRequest()
    return values[0]


def _read(environ: Mapping[str, Any]) -> bytes:
    settings = engines().settings
    # Anybody may send these bodies: the time-out of one read applies to the complete body.
    with gevent.Timeout(settings.body_timeout, errors.RequestTimeout()):
        return b"".join(Body(environ, min(BODY_BYTES, settings.max_body), settings.body_timeout))


def _field(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= FIELD_CHARACTERS or not _is_text(value):
        raise errors.BadRequest(f"{name} has to be a text that is not empty")
    return value


def _is_text(value: str) -> bool:
    """JSON can contain lone surrogates (RFC 8259 section 8.2), which are not valid text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
