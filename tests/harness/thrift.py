"""Thrift's binary protocol, read: a struct is a dict of its fields by number, a list a list."""

import struct
from typing import Any

FIXED = {2: ">?", 3: ">b", 4: ">d", 6: ">h", 8: ">i", 10: ">q"}


def read(data: bytes) -> dict[int, Any]:
    """The struct that `data` is; AssertionError where there is something after it."""
    value, end = _value(data, 0, 12)
    assert end == len(data), f"{len(data) - end} bytes after the end"
    return dict(value)


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in FIXED:
        (value,) = struct.unpack_from(FIXED[kind], data, at)
        return value, at + struct.calcsize(FIXED[kind])
    if kind == 11:
        (length,) = struct.unpack_from(">i", data, at)
        assert 0 <= length <= len(data) - at - 4
        return data[at + 4 : at + 4 + length].decode(), at + 4 + length
    if kind == 12:
        return _struct(data, at)
    assert kind == 15, f"type {kind}"
    element, length = struct.unpack_from(">bi", data, at)
    at += 5
    values = []
    for _ in range(length):
        value, at = _value(data, at, element)
        values.append(value)
    return values, at


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    while data[at]:
        kind, number = struct.unpack_from(">bh", data, at)
        assert number not in fields, f"field {number} twice"
        fields[number], at = _value(data, at + 3, kind)
    return fields, at + 1
