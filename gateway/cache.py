"""A small cache bounded by the size of its values, not by their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by text; the oldest are dropped when the sum of all sizes exceeds `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: dict[str, Value] = {}
        self._sizes: dict[str, int] = {}
        self.get: Callable[[str], Value | None] = self._values.get
        """The value, or None if it is not cached."""

    def put(self, key: str, value: Value, size: int) -> None:
        """Cache `value`, which takes about `size` bytes, its key included."""
        self.drop(key)
        self._values[key] = value
        self._sizes[key] = size
        self._size += size
        while self._size > self._limit:
            self.drop(next(iter(self._values)))

    def drop(self, key: str) -> None:
        """Drop one value."""
        self._values.pop(key, None)
        self._size -= self._sizes.pop(key, 0)
