"""Thrift's binary protocol (TBinaryProtocol), as much of it as writing takes: a field is its type, its id, its value,
and a struct is its fields with a zero after them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_BOOL, _DOUBLE, _I32, _I64, _STRING, _STRUCT, _LIST = 2, 4, 8, 10, 11, 12, 15

_FIELD = ">bh"
_bool = struct.Struct(_FIELD + "?").pack
_double = struct.Struct(_FIELD + "d").pack
_i32 = struct.Struct(_FIELD + "i").pack
_i64 = struct.Struct(_FIELD + "q").pack
_u64 = struct.Struct(_FIELD + "Q").pack
_head = struct.Struct(_FIELD).pack
_length = struct.Struct(_FIELD + "i").pack
_items = struct.Struct(_FIELD + "bi").pack


def boolean(field: int, value: bool) -> bytes:
    return _bool(_BOOL, field, value)


def double(field: int, value: float) -> bytes:
    return _double(_DOUBLE, field, value)


def i32(field: int, value: int) -> bytes:
    return _i32(_I32, field, value)


def i64(field: int, value: int) -> bytes:
    """`value` of -2⁶³ to 2⁶³ - 1; struct.error for any other."""
    return _i64(_I64, field, value)


def bits64(field: int, *values: int) -> bytes:
    """The lower 64 bits of each value, which Thrift knows as a signed number only, in `field` and those after it."""
    data = b""
    for number, value in enumerate(values, field):
        data += _u64(_I64, number, value & 0xFFFF_FFFF_FFFF_FFFF)
    return data


def string(field: int, value: str) -> bytes:
    """As UTF-8; what has none (a lone surrogate) is a question mark."""
    data = value.encode("utf-8", "replace")
    return _length(_STRING, field, len(data)) + data


def struct_of(field: int, *fields: bytes) -> bytes:
    return _head(_STRUCT, field) + b"".join(fields) + b"\0"


def list_of(field: int, structs: Sequence[bytes]) -> bytes:
    """A list of structs, each given as its joined fields."""
    return _items(_LIST, field, _STRUCT, len(structs)) + b"".join([each + b"\0" for each in structs])
