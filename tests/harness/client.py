"""Somebody somewhere: the gateway as it is reached from an address, through a proxy that it trusts."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.gateway import Gateway
from harness.http import Answer


class Client:
    """Asks as `Gateway.get` does, from `address`; also what a `Visitor` takes for its gateway."""

    def __init__(self, gateway: Gateway, address: str) -> None:
        self.gateway = gateway
        self.address = address

    @property
    def url(self) -> str:
        return self.gateway.url

    def get(
        self,
        path: str | bytes,
        token: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        **options: Any,
    ) -> Answer:
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        return self.gateway.get(path, token, [*pairs, ("X-Forwarded-For", self.address)], **options)
