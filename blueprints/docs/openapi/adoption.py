"""Parts of a service's description, converted for the gateway's: references lead to components that carry the name of
the service, and schemas of OpenAPI 3.0 become schemas of 3.1."""

from __future__ import annotations

from typing import Any

from blueprints.docs.openapi.nodes import Node
from gateway.descriptions import DescriptionFault

KINDS = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links")
_VALUES = ("example", "default", "enum", "const", "value")
"""The values of these are data, whatever they look like."""

_OBJECTS = ("properties", "content", "headers")
"""The values of these are objects: the page lists their members."""

_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas", "examples", "headers", "content", "links")
"""The values of these are objects with arbitrary member names."""


class Adoption:
    """Copies nodes of one service's document, and the components that they refer to."""

    def __init__(self, document: Node, prefix: str) -> None:
        """`prefix`: for the names of its components in the gateway's description."""
        self._components = document.get("components", {})
        self._is_old = str(document.get("openapi")).startswith("3.0")
        self._prefix = prefix
        self._wanted: list[tuple[str, str]] = []
        self._seen: set[tuple[str, str]] = set()

    def copy(self, node: Any, *, named: bool = False) -> Any:
        """The node, converted. Raises DescriptionFault for a reference that leads nowhere."""
        if isinstance(node, list):
            return [self.copy(item) for item in node]
        if not isinstance(node, dict):
            return node
        if named:
            return {name: self.copy(value) for name, value in node.items()}
        if isinstance(node.get("$ref"), str):
            return {**node, "$ref": self._renamed(node["$ref"])}
        wrong = next((name for name in _OBJECTS if not isinstance(node.get(name, {}), dict)), None)
        if wrong is not None:
            raise DescriptionFault(f"{wrong} is not an object")
        copied = {
            name: value if name in _VALUES else self.copy(value, named=name in _NAMED) for name, value in node.items()
        }
        mapping = node.get("discriminator", {}).get("mapping") if isinstance(node.get("discriminator"), dict) else None
        if isinstance(mapping, dict):
            renamed = {value: self._renamed(ref) if "/" in ref else ref for value, ref in mapping.items()}
            copied["discriminator"] = {**copied["discriminator"], "mapping": renamed}
        return _as_new(copied) if self._is_old else copied

    def resolved(self, node: Any) -> Node:
        """The object that a node of the document is or refers to. Raises DescriptionFault if there is none."""
        for _ in range(10):
            if not isinstance(node, dict):
                raise DescriptionFault(f"{str(node)[:80]!r} is not an object")
            if "$ref" not in node:
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

    def _renamed(self, ref: str) -> str:
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
