"""Parts of a service's description, converted for the gateway's: references lead to components that carry the name of
the service, and schemas of OpenAPI 3.0 become schemas of 3.1."""

from __future__ import annotations

from typing import Any

import orjson

from blueprints.docs.openapi.nodes import Node
from gateway.descriptions import DescriptionFault

KINDS = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers")
MOST_NODES = 50_000
"""JSON values of one service; more are refused: a worker serves nothing else while it copies them."""

_MOST_RESOLVED = 2 << 20
"""Bytes of JSON that stand where references were. A component is written as often as calls refer to it."""

_VALUES = ("example", "default", "enum", "const", "value")
"""The values of these are data, whatever they look like."""

_OBJECTS = ("properties", "content", "headers")
"""The values of these are objects: the page lists their members."""

_NAMED = (
    *("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependentRequired"),
    *("dependencies", "examples", "headers", "content", "encoding", "mapping"),
)
"""The values of these are objects with arbitrary member names."""

_DROPPED = ("links", "externalValue", "$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef")
"""What would lead to calls and documents of the service, or change where its references lead."""

_BESIDE_OLD_REFERENCES = ("summary", "description")
"""OpenAPI 3.0 ignores whatever stands beside a reference; these mean no harm."""


class Adoption:
    """Copies nodes of one service's document, and the components that they refer to."""

    def __init__(self, document: Node, prefix: str) -> None:
        """`prefix`: for the names of its components in the gateway's description."""
        self._components = document.get("components", {})
        self._is_old = str(document.get("openapi")).startswith("3.0")
        self._prefix = prefix
        self._wanted: list[tuple[str, str]] = []
        self._seen: set[tuple[str, str]] = set()
        self._nodes = 0
        self._resolved = 0

    def copy(self, node: Any, *, named: bool = False) -> Any:
        """The node, converted. Raises DescriptionFault for a reference that leads nowhere, and if all nodes that were
        copied are more than MOST_NODES."""
        self._count()
        if isinstance(node, list):
            return [self.copy(item) for item in node]
        if not isinstance(node, dict):
            return node
        if named:
            return {name: self.copy(value) for name, value in node.items()}
        if "$ref" in node:
            beside = {name: value for name, value in node.items() if name != "$ref"}
            if self._is_old:
                beside = {name: beside[name] for name in _BESIDE_OLD_REFERENCES if isinstance(beside.get(name), str)}
            return {**self.copy(beside), "$ref": self._renamed(node["$ref"])}
        wrong = next((name for name in _OBJECTS if not isinstance(node.get(name, {}), dict)), None)
        if wrong is not None:
            raise DescriptionFault(f"{wrong} is not an object")
        copied = {name: self._member(name, value) for name, value in node.items() if name not in _DROPPED}
        mapping = node.get("discriminator", {}).get("mapping") if isinstance(node.get("discriminator"), dict) else None
        if isinstance(mapping, dict):
            renamed = {value: self._renamed(_as_reference(ref)) for value, ref in mapping.items()}
            copied["discriminator"] = {**copied["discriminator"], "mapping": renamed}
        return _as_new(copied) if self._is_old else copied

    def resolved(self, node: Any) -> Node:
        """The object that a node of the document is or refers to. Raises DescriptionFault if there is none, and if
        those that were referred to are too long together."""
        for followed in range(10):
            if not isinstance(node, dict):
                raise DescriptionFault(f"{str(node)[:80]!r} is not an object")
            if "$ref" not in node:
                self._resolved += len(orjson.dumps(node)) if followed else 0
                if self._resolved > _MOST_RESOLVED:
                    raise DescriptionFault("it is too long with its references resolved")
                return node
            kind, name = self._place(node["$ref"])
            node = self._components[kind][name]
        raise DescriptionFault("references form a circle")

    def components(self) -> dict[str, Node]:
        """By kind: everything that the copied nodes refer to, directly or indirectly."""
        found: dict[str, Node] = {}
        while self._wanted:
            kind, name = self._wanted.pop()
            found.setdefault(kind, {})[self._prefix + name] = self.copy(self._components[kind][name])
        return found

    def _member(self, name: str, value: Any) -> Any:
        if name in _VALUES or (name == "examples" and isinstance(value, list)):
            self._count_all(value)
            return value
        return self.copy(value, named=name in _NAMED)

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise DescriptionFault(f"it has more than {MOST_NODES:,} values")

    def _count_all(self, value: Any) -> None:
        self._count()
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self._count_all(inner)

    def _renamed(self, ref: Any) -> str:
        place = self._place(ref)
        if place not in self._seen:
            self._seen.add(place)
            self._wanted.append(place)
        return f"#/components/{place[0]}/{self._prefix}{place[1]}"

    def _place(self, ref: Any) -> tuple[str, str]:
        parts = str(ref).split("/")
        if parts[:2] == ["#", "components"] and len(parts) == 4 and parts[2] in KINDS:
            held = self._components.get(parts[2])
            if isinstance(held, dict) and parts[3] in held:
                return parts[2], parts[3]
        raise DescriptionFault(f"its reference {str(ref)[:80]!r} leads to none of its components")


def _as_reference(mapped: str) -> str:
    """A value of a discriminator's mapping, which may be the name of a schema."""
    return mapped if "/" in mapped else f"#/components/schemas/{mapped}"


def _as_new(node: Node) -> Node:
    """A schema of OpenAPI 3.0 in 3.1: null is a type, exclusive bounds are numbers."""
    new = {name: value for name, value in node.items() if name != "nullable" or not isinstance(value, bool)}
    if node.get("nullable") is True:
        if isinstance(node.get("type"), str):
            new["type"] = [node["type"], "null"]
            if isinstance(node.get("enum"), list) and None not in node["enum"]:
                new["enum"] = [*node["enum"], None]
        elif "$ref" not in node:
            rest = {name: new.pop(name) for name in ("allOf", "oneOf", "anyOf") if name in new}
            new |= {"anyOf": [rest, {"type": "null"}]} if rest else {}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(node.get(exclusive), bool):
            del new[exclusive]
            if node[exclusive] and bound in new:
                new[exclusive] = new.pop(bound)
    return new
