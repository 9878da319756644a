"""The envelope of every event (`deploy/events` has the JSON Schema of each type)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from gateway.clock import timestamp


@dataclass(frozen=True, slots=True)
class Event:
    """One event. A duplicate has the same `id`; `data` never contains a token or a secret."""

    type: str
    user_id: str
    data: Mapping[str, Any]
    traceparent: str
    id: str = field(default_factory=lambda: str(uuid4()))
    timestamp: str = field(default_factory=timestamp)

    @property
    def key(self) -> bytes:
        """The events of one user have the same key, so they are in one partition, in order."""
        return self.user_id.encode()

    @property
    def value(self) -> bytes:
        """The message: one JSON object."""
        envelope = {
            "eventId": self.id,
            "eventType": self.type,
            "timestamp": self.timestamp,
            "userId": self.user_id,
            "data": self.data,
        }
        return orjson.dumps(envelope)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The message's headers, for protocol versions that have them (Kafka 0.11)."""
        return [
            ("content-type", b"application/json"),
            ("event-type", self.type.encode()),
            ("traceparent", self.traceparent.encode()),
        ]
