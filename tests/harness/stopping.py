"""How long the gateway takes to stop, at most, with its default settings."""

import math

from gateway.check import STOPPING_SECONDS
from gateway.config.settings import Settings


def graceful_timeout() -> int:
    """gunicorn's, in seconds."""
    (drain,) = [field.default for field in Settings.model_fields.values() if field.alias == "DRAIN_TIMEOUT"]
    return int(math.ceil(drain) + STOPPING_SECONDS)
