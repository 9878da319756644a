"""Sends one batch to one HTTP peer, and interprets its response. The queue retries."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from requests import RequestException

from gateway.batches.faults import PermanentFailure, RetryableFailure
from gateway.transport import SealedSession, Timeouts, loggable
from gateway.urls import place_of

POST_TIMEOUTS = Timeouts(connect=2.0, read=2.0, total=2.0)
_TOO_MANY = 429


def post(session: SealedSession, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Return when the peer has accepted it (2xx). Raises RetryableFailure if it is down, too slow, overloaded (429) or
    fails (5xx), PermanentFailure for any other response."""
    try:
        with session.post(url, data=body, headers=dict(headers), timeout=POST_TIMEOUTS) as response:  # type: ignore[arg-type]
            status = response.status_code
    except RequestException as error:
        raise RetryableFailure(loggable(error)) from None
    if status == _TOO_MANY or status >= 500:
        raise RetryableFailure(f"status {status}")
    if status // 100 != 2:
        raise PermanentFailure(f"status {status}")


def place(url: str) -> str:
    """A peer's address for the log: without user and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{place_of(url)}{parts.path}"
