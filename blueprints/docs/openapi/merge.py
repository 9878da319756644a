"""A service's own description, merged into the gateway's: calls that are forwarded, as the service describes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from blueprints.docs.openapi.adoption import Adoption
from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import Node, ref
from blueprints.docs.openapi.operations import forwarded
from gateway import headers
from gateway.descriptions import DescriptionFault
from gateway.scope.target import is_sound
from gateway.services import ServiceSpec

METHODS = ("get", "post", "put", "patch", "delete")
MOST_CALLS = 300
"""More of one service are refused: a worker serves nothing else while it writes the page."""

_PARAMETER = re.compile(r"\{[^/{}]*\}")
_KEPT = {"summary": str, "description": str, "deprecated": bool}

IsRouted = Callable[[str, str], bool]
"""Whether the gateway has a route for this path and method."""


def merged(document: Node, spec: ServiceSpec, tag: str, own: Node, is_routed: IsRouted) -> Node:
    """`document`, in which `own`, the OpenAPI document of the service, describes the calls forwarded to it. Its other
    paths are left out. Its components are added with the service's name as a prefix.

    A path of the service is looked up as it is, below the path of its `servers`, and below the service's path at the
    gateway. The gateway's own answers stay described. Raises DescriptionFault if `own` cannot be used.
    """
    if not re.match(r"3\.[01]\b", str(own.get("openapi"))):
        raise DescriptionFault("it is not a document of OpenAPI 3.0 or 3.1")
    if not isinstance(own.get("paths"), dict) or not isinstance(own.get("components", {}), dict):
        raise DescriptionFault("its paths or components are not objects")
    adoption = Adoption(own, spec.health_name[0].upper() + spec.health_name[1:] + "_")
    paths = dict(document["paths"])
    known = {_shape(path): path for path in paths}
    taken = {there[method]["operationId"] for there in paths.values() for method in METHODS if method in there}
    for path, method, item, operation in _operations(own, adoption):
        found = next((place for place in _places(own, spec, path) if is_routed(place, method)), None)
        if found is None:
            continue
        place = known.setdefault(_shape(found), found)
        there = paths.get(place, {"parameters": [ref("parameters", "Traceparent")]})
        base = there.get(method) or _begun(taken, spec, tag, f"{method.upper()} {place}", operation)
        taken.add(base["operationId"])
        named = place in document["paths"]
        paths[place] = {**there, method: _overlaid(base, item, operation, adoption, named=named)}
    components = {kind: dict(held) for kind, held in document["components"].items()}
    for kind, held in adoption.components().items():
        components[kind] = {**components.get(kind, {}), **held}
    return {**document, "paths": paths, "components": components}


def _operations(own: Node, adoption: Adoption) -> Iterator[tuple[str, str, Node, Node]]:
    if (
        sum(method in item for item in own["paths"].values() if isinstance(item, dict) for method in METHODS)
        > MOST_CALLS
    ):
        raise DescriptionFault(f"it has more than {MOST_CALLS} calls")
    for path, item in own["paths"].items():
        if not is_sound(_filled(path), "") or not isinstance(item, dict) or "$ref" in item:
            raise DescriptionFault(f"its path {path[:80]!r} is not valid")
        for method in METHODS:
            if method in item:
                yield path, method, item, adoption.resolved(item[method])


def _places(own: Node, spec: ServiceSpec, path: str) -> Iterator[str]:
    """The paths at the gateway that a path of the service may have."""
    servers = own.get("servers")
    first = servers[0].get("url", "") if isinstance(servers, list) and servers and isinstance(servers[0], dict) else ""
    for base in ("", urlsplit(str(first)).path.rstrip("/"), spec.path):
        place = base + (path if path != "/" or not base else "")
        if is_sound(_filled(place), "") and (place == spec.path or place.startswith(spec.path + "/")):
            yield place


def _shape(path: str) -> str:
    """The path without the names of its parameters."""
    return _PARAMETER.sub("{}", path)


def _filled(path: str) -> str:
    """The path with a value for each of its parameters."""
    return _PARAMETER.sub("x", path)


def _begun(taken: set[str], spec: ServiceSpec, tag: str, call: str, operation: Node) -> Node:
    """A call that the gateway's own description lacks, with an operationId that is not `taken`."""
    asked = operation.get("operationId")
    wanted = asked if isinstance(asked, str) and asked.isidentifier() else re.sub(r"\W+", "_", call).strip("_")
    prefixed = f"{spec.health_name}_{wanted}"
    names = (wanted, prefixed, *(f"{prefixed}{number}" for number in range(2, len(taken) + 3)))
    name = next(name for name in names if name not in taken)
    return forwarded(tag, name, call, {}, writes=not call.startswith("GET "))


def _overlaid(base: Node, item: Node, operation: Node, adoption: Adoption, *, named: bool) -> Node:
    """The gateway's operation as the service describes it. `named`: its path has its parameters already."""
    mine = {name: operation[name] for name, kind in _KEPT.items() if isinstance(operation.get(name), kind)}
    parameters = _parameters(item, operation, adoption, named=named)
    answers = {
        str(status): _answer(adoption, answer)
        for status, answer in adoption.resolved(operation.get("responses", {})).items()
        if re.fullmatch(r"[1-5]([0-9]{2}|XX)", str(status))
    }
    refusals = {status: answer for status, answer in base["responses"].items() if "$ref" in answer}
    assumed = {} if any(status[0] in "23" for status in answers) else base["responses"]
    sent = adoption.copy(adoption.resolved(operation["requestBody"])) if "requestBody" in operation else None
    return {
        **{name: value for name, value in base.items() if name not in ("parameters", "requestBody")},
        **mine,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": sent} if sent else {}),
        "responses": {**assumed, **answers, **refusals},
    }


def _parameters(item: Node, operation: Node, adoption: Adoption, *, named: bool) -> list[Node]:
    """Those of the path, overridden by those of the operation, without headers that only the gateway sends."""
    given = [*item.get("parameters", ()), *operation.get("parameters", ())]
    found = {}
    for parameter in map(adoption.resolved, given):
        place, name = parameter.get("in"), parameter.get("name")
        if not isinstance(name, str) or place not in ("path", "query", "header", "cookie"):
            raise DescriptionFault(f"its parameter {str(name)[:80]!r} is not valid")
        lowered = name.lower()
        of_gateway = lowered in headers.GATEWAY_SET or lowered.startswith(headers.GATEWAY_SET_PREFIXES)
        if (place == "path" and named) or (place == "header" and of_gateway):
            continue
        found[place, name] = adoption.copy(parameter)
    return list(found.values())


def _answer(adoption: Adoption, answer: Any) -> Node:
    copied: Node = adoption.copy(adoption.resolved(answer))
    return {"description": "", **copied, "headers": {**fields("Cache-Control"), **copied.get("headers", {})}}
