"""What can go wrong with a call, as requests' own exceptions, by how far it got: may it be made again?"""

from __future__ import annotations

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException


def loggable(error: Exception) -> str:
    """What a log may say of an exception of `requests`: our faults' own words, of any other the type."""
    ours = isinstance(error, (ConnectError, NoResponse, ResponseTimeout, ProtocolError))
    return str(error) if ours else type(error).__name__


class ConnectError(RequestsConnectionError):
    """No connection could be had: nothing of the request has left."""


class ConnectTimedOut(ConnectError, ConnectTimeout):
    """No connection could be had in time: nothing of the request has left."""


class NoResponse(RequestsConnectionError):
    """The connection ended before the first byte of an answer."""


class ResponseTimeout(ReadTimeout):
    """The peer was too slow: between two bytes, or in all."""


class ProtocolError(RequestException):
    """What came is no HTTP/1.1 answer, or one that can be read in two ways."""


class IncompleteBody(ProtocolError):
    """The answer's body ended before its end."""
