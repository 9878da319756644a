"""What can go wrong with a call: one tree under requests' exceptions, by how far the call got.

    CallFault (RequestException)
    ├── ConnectError        nothing of the request has left: it can be sent elsewhere
    │   └── ConnectTimedOut
    ├── NoResponse          sent, and the connection ended before the first byte of a response
    ├── ResponseTimeout     sent, and the peer was too slow
    └── ProtocolError       what came is no HTTP/1.1 response
        └── IncompleteBody  the head came, its body did not end

Metrics and logs call a fault by its class's `kind`.
"""

from __future__ import annotations

from typing import ClassVar

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException


class CallFault(RequestException):
    """A call that brought no whole response. `timed_out`: the gateway answers 504 for it, else 502; `unresponsive`: it
    says that the peer may be down, which is what opens a circuit breaker."""

    kind: ClassVar[str]
    timed_out: ClassVar[bool] = False
    unresponsive: ClassVar[bool] = False


class ConnectError(CallFault, RequestsConnectionError):
    """No connection could be made: nothing of the request has left."""

    kind = "connect"
    unresponsive = True


class ConnectTimedOut(ConnectError, ConnectTimeout):
    """No connection could be made in time: nothing of the request has left."""

    kind = "connect_timeout"
    timed_out = True


class NoResponse(CallFault, RequestsConnectionError):
    """The connection ended before the first byte of a response."""

    kind = "closed"


class ResponseTimeout(CallFault, ReadTimeout):
    """The peer was too slow: between two bytes, or in all."""

    kind = "timeout"
    timed_out = True
    unresponsive = True


class ProtocolError(CallFault):
    """What came is no HTTP/1.1 response, or one that can be read in two ways."""

    kind = "bad_answer"


class IncompleteBody(ProtocolError):
    """The response's body ended before its end."""

    kind = "cut"


def loggable(error: Exception) -> str:
    """What a log may say of an exception of `requests`: our faults' own words, of any other the type."""
    return str(error) if isinstance(error, CallFault) else type(error).__name__
