"""A small cache bounded by the size of its values, not by their number."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by text; the oldest are dropped when the sum of all sizes exceeds `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: dict[str, tuple[Value, int]] = {}

    def get(self, key: str) -> Value | None:
        """The value, or None if it is not cached."""
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: str, value: Value, size: int) -> None:
        """Cache `value`, which takes about `size` bytes, its key included."""
        self.drop(key)
        self._values[key] = value, size
        self._size += size
        while self._size > self._limit:
            self.drop(next(iter(self._values)))

    def drop(self, key: str) -> None:
        """Drop one value."""
        self._size -= self._values.pop(key, (None, 0))[1]
