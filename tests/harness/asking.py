"""One way to ask for something, whatever the way to the gateway is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from harness.http import Answer


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str | bytes
    headers: list[tuple[str, str]]
    body: bytes | Iterable[bytes] | None


class Asking(Protocol):
    """`get` asks over a connection that `exchange` makes."""

    def exchange(self, asked: Asked, timeout: float) -> Answer:
        """Send one request on a connection of its own; its answer, within `timeout` seconds."""

    def get(
        self,
        path: str | bytes,
        token: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        method: str = "GET",
        body: bytes | Iterable[bytes] | None = None,
        timeout: float = 10,
    ) -> Answer:
        """One request, with `token` as bearer."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if token is not None:
            pairs.append(("Authorization", f"Bearer {token}"))
        return self.exchange(Asked(method, path, pairs, body), timeout)
