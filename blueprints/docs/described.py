"""The description of this deployment: the gateway's own document, with the services' own documents merged into it."""

from __future__ import annotations

from functools import lru_cache

import orjson
from flask import current_app
from werkzeug.exceptions import HTTPException

from blueprints.docs import page
from blueprints.docs.openapi import TAGS, Facts, document, merged
from blueprints.docs.openapi.nodes import Node
from gateway import headers
from gateway.descriptions import DescriptionFault, ServiceDocuments
from gateway.services import SERVICES
from gateway.wiring import engines


def facts() -> Facts:
    """The settings that a client can notice."""
    settings = engines().settings
    return Facts(
        services=frozenset(settings.services),
        peers=(*engines().probes.names, *(["redis"] if settings.redis_url is not None else [])),
        max_body=settings.max_body,
        max_upload=settings.max_upload,
        cookie=engines().sign_in.cookies.name(headers.ACCESS_COOKIE),
        url=settings.public_url,
    )


_MOST_WRITTEN = 8 << 20
"""Bytes of the whole document, as it is written: with line breaks and indentation."""


@lru_cache(maxsize=2)
def described(facts: Facts, documents: ServiceDocuments) -> Node:
    """The whole document. A service's own is left out if it cannot be used, whatever is wrong with it. Other requests
    are served meanwhile."""
    found = document(facts)
    for spec in SERVICES:
        own = documents.by_name.get(spec.name)
        if own is None or spec.name not in facts.services:
            continue
        try:
            candidate = merged(found, spec, TAGS[spec.name], dict(own), _is_routed)
            if len(orjson.dumps(candidate, option=orjson.OPT_INDENT_2)) > _MOST_WRITTEN:
                raise DescriptionFault(f"the description would be longer than {_MOST_WRITTEN:,} bytes")
            page.check(candidate)
            found = candidate
        except DescriptionFault as fault:
            engines().descriptions.refuse(spec.name, str(fault))
        except Exception as error:
            engines().descriptions.refuse(spec.name, f"it is malformed ({type(error).__name__})")
    return found


def _is_routed(path: str, method: str) -> bool:
    try:
        current_app.url_map.bind("gateway.invalid").match(path, method.upper())
    except HTTPException:
        return False
    return True
