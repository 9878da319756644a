"""The head of a response, from either parser."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 65_536
"""The longest head of a response, or of a chunked body's trailers and extensions."""

LINE_BYTES = 32_768
"""The longest header line of a response: nginx and browsers accept no longer one."""

HEADER_FIELDS = 100


@dataclass(slots=True)
class Head:
    """`headers` are (name, value) pairs in their order, decoded as Latin-1; `fields` has the values of each name in
    lower case, joined by commas. `length` is that of the body if the head states it; `is_framed`: the body ends before
    the connection; `keeps_alive`: the connection may serve another call."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    fields: dict[str, str]
    length: int | None
    is_framed: bool
    keeps_alive: bool


def fields_of(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The values of each field, by its name in lower case."""
    fields: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        fields[lowered] = f"{fields[lowered]},{value}" if lowered in fields else value
    return fields
