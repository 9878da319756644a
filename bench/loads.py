"""What is asked of a gateway: a table of loads. The first is the one that all candidates are compared by."""

from dataclasses import dataclass

ANSWER_BYTES = 1024
LARGE_BYTES = 102_400
STREAM_PIECES = 16
"""Of ANSWER_BYTES each, in chunks, a turn of the service's loop apart."""


@dataclass(frozen=True)
class Shape:
    """The requests of a load: `answer` is how many bytes have to come back (None: whatever comes), with `status`;
    `body` is how many are sent; `credentials` is a row of `bench.credentials`."""

    title: str
    path: str = "/users/me"
    method: str = "GET"
    body: int = 0
    answer: int | None = ANSWER_BYTES
    status: int = 200
    credentials: str = "bearers"


SHAPES = {
    "get": Shape("GET, an answer of 1 KB, 1,000 tokens"),
    "put": Shape("PUT of 2 KB", method="PUT", body=2048),
    "large": Shape("an answer of 100 KB", path="/users/me?large", answer=LARGE_BYTES),
    "stream": Shape("a stream: 16 chunks of 1 KB", path="/users/me?stream", answer=STREAM_PIECES * ANSWER_BYTES),
    "cookies": Shape("cookies instead of bearers", credentials="cookies"),
    "many": Shape("10,000 tokens", credentials="many"),
    "refused": Shape("tokens of another key: 401", credentials="refused", status=401, answer=None),
}
"""By name."""
