"""`/openapi.json` and `/docs`: one document, as it is and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import orjson
from flask import Blueprint, Response, request
from gevent.lock import BoundedSemaphore

from blueprints.docs import page
from blueprints.docs.described import described, facts
from blueprints.docs.openapi import Facts
from blueprints.docs.shell import Limits
from gateway.descriptions import ServiceDocuments
from gateway.marks import any_origin, instrumented, public
from gateway.services import MEDIA
from gateway.wiring import engines

blueprint = Blueprint("docs", __name__, template_folder=".")

_turn = BoundedSemaphore()
"""Held while a form is made, which lets other requests pass: those that want it too wait for the one."""


@dataclass(frozen=True)
class Form:
    """The document in one form, made once per worker and change of what the services say of themselves."""

    body: str | bytes
    mimetype: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def answer(self) -> Response:
        """The whole of it, or 304 for who has it."""
        response = Response(self.body, mimetype=self.mimetype)
        response.headers["Cache-Control"] = "no-cache"
        response.headers.update(self.headers)
        response.add_etag()
        response.make_conditional(request)
        return response


@blueprint.get("/openapi.json")
@any_origin
@instrumented
@public
def openapi() -> Response:
    """The OpenAPI 3.1 document of this deployment."""
    with _turn:
        form = _json(facts(), engines().descriptions.documents)
    return form.answer()


@blueprint.get("/docs")
@instrumented
@public
def docs() -> Response:
    """The same document as a page that needs no other host; in development its calls can be tried there."""
    settings = engines().settings
    media = (settings.max_upload, settings.rate_limit_media) if MEDIA.name in settings.services else None
    limits = Limits(settings.max_body, settings.rate_limit_default, settings.rate_limit_auth, media)
    with _turn:
        form = _html(facts(), engines().descriptions.documents, limits, not settings.production)
    return form.answer()


@lru_cache(maxsize=2)
def _json(facts: Facts, documents: ServiceDocuments) -> Form:
    return Form(orjson.dumps(described(facts, documents), option=orjson.OPT_INDENT_2), "application/json")


@lru_cache(maxsize=2)
def _html(facts: Facts, documents: ServiceDocuments, limits: Limits, console: bool) -> Form:
    text = page.render(described(facts, documents), limits, console=console)
    return Form(text, "text/html", page.headers(console=console))
