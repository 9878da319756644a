"""`/openapi.json` and `/docs`: one document, as it is and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import orjson
from flask import Blueprint, Response, request

from blueprints.docs import page
from blueprints.docs.openapi import Facts, document
from gateway import headers
from gateway.marks import any_origin, instrumented, public
from gateway.wiring import engines

blueprint = Blueprint("docs", __name__, template_folder=".")


@dataclass(frozen=True)
class Form:
    """The document in one form, made once per worker."""

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
    return _json(_facts()).answer()


@blueprint.get("/docs")
@instrumented
@public
def docs() -> Response:
    """The same document as a page that needs no other host and runs no script."""
    return _html(_facts()).answer()


def _facts() -> Facts:
    settings = engines().settings
    return Facts(
        services=frozenset(settings.services),
        peers=(*engines().probes.names, *(["redis"] if settings.redis_url is not None else [])),
        max_body=settings.max_body,
        max_upload=settings.max_upload,
        cookie=engines().sign_in.cookies.name(headers.ACCESS_COOKIE),
        url=settings.public_url,
    )


@cache
def _json(facts: Facts) -> Form:
    return Form(orjson.dumps(document(facts), option=orjson.OPT_INDENT_2), "application/json")


@cache
def _html(facts: Facts) -> Form:
    return Form(page.render(document(facts)), "text/html", page.PAGE_HEADERS)
