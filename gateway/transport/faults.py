"""The faults of calls: a tree under requests' exceptions, by the progress of the call.

    CallFault (RequestException)
    ├── ConnectError        nothing of the request was sent: it can be sent elsewhere
    │   └── ConnectTimedOut
    ├── NoResponse          sent, but the connection ended before the first byte of a response
    ├── ResponseTimeout     sent, but the peer was too slow
    └── ProtocolError       not a valid HTTP/1.1 response
        └── IncompleteBody  the head arrived, but not the complete body

Metrics and logs name a fault by the `kind` of its class.
"""

from __future__ import annotations

from typing import ClassVar

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException


class CallFault(RequestException):
    """A call without a complete response. `timed_out`: the gateway answers 504, otherwise 502; `unresponsive`: the peer
    may be down, which opens a circuit breaker."""

    kind: ClassVar[str]
    timed_out: ClassVar[bool] = False
    unresponsive: ClassVar[bool] = False


class ConnectError(CallFault, RequestsConnectionError):
    """No connection could be made: nothing of the request was sent."""

    kind = "connect"
    unresponsive = True


class ConnectTimedOut(ConnectError, ConnectTimeout):
    """No connection could be made in time: nothing of the request was sent."""

    kind = "connect_timeout"
    timed_out = True


class NoResponse(CallFault, RequestsConnectionError):
    """The connection ended before the first byte of a response."""

    kind = "closed"


class ResponseTimeout(CallFault, ReadTimeout):
    """The peer was too slow: between two bytes, or in total."""

    kind = "timeout"
    timed_out = True
    unresponsive = True


class ProtocolError(CallFault):
    """Not an HTTP/1.1 response, or an ambiguous one."""

    kind = "bad_answer"


class IncompleteBody(ProtocolError):
    """The body of the response is incomplete."""

    kind = "cut"


def loggable(error: Exception) -> str:
    """The log text of an exception of `requests`: the text of the gateway's faults, of any other the type."""
    return str(error) if isinstance(error, CallFault) else type(error).__name__
