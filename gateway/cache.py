"""A small cache bounded by what it holds, not by how many."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by digest; the oldest go first once their sizes together exceed `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: dict[bytes, tuple[Value, int]] = {}

    def get(self, key: bytes) -> Value | None:
        """The value, None where it is not here, or no more."""
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: bytes, value: Value, size: int) -> None:
        """Keep `value`, which takes about `size` bytes."""
        self.drop(key)
        self._values[key] = value, size
        self._size += size
        while self._size > self._limit:
            self.drop(next(iter(self._values)))

    def drop(self, key: bytes) -> None:
        """Forget one."""
        self._size -= self._values.pop(key, (None, 0))[1]
