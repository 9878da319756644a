"""Why Redis cannot be used.

RedisFault
├── ConnectionLost
├── TooSlow
├── NotRedis
└── ErrorReply
    ├── WrongPassword
    ├── NotPermitted
    ├── ReadOnly
    ├── Full
    └── Loading
"""

from __future__ import annotations

from redis import exceptions


class RedisFault(Exception):
    """`reason` says why in words for a log: an error's own text may hold what was sent, the password too."""

    reason = "an error"


class ConnectionLost(RedisFault):
    """It can not be connected to, or the connection has ended."""

    reason = "no connection"


class TooSlow(RedisFault):
    """No answer in time."""

    reason = "too slow"


class NotRedis(RedisFault):
    """An answer that Redis does not give."""

    reason = "it answers as no Redis does"


class ErrorReply(RedisFault):
    """Redis refuses the command."""

    reason = "it refuses the command"


class WrongPassword(ErrorReply):
    """Or none, where one is needed."""

    reason = "a wrong password"


class NotPermitted(ErrorReply):
    """The user's rights (ACL) do not reach."""

    reason = "its user may not do this"


class ReadOnly(ErrorReply):
    """A replica, or one without enough replicas."""

    reason = "it is read-only"


class Full(ErrorReply):
    """Over its `maxmemory`."""

    reason = "it is full"


class Loading(ErrorReply):
    """It has just been started."""

    reason = "it still loads what it keeps"


_BY_CODE: dict[str, type[ErrorReply]] = {
    "NOAUTH": WrongPassword,
    "WRONGPASS": WrongPassword,
    "NOPERM": NotPermitted,
    "READONLY": ReadOnly,
    "NOREPLICAS": ReadOnly,
    "OOM": Full,
    "LOADING": Loading,
}

_BY_CLASS: tuple[tuple[type[Exception], type[RedisFault]], ...] = (
    (exceptions.AuthenticationError, WrongPassword),
    (exceptions.NoPermissionError, NotPermitted),
    (exceptions.ReadOnlyError, ReadOnly),
    (exceptions.OutOfMemoryError, Full),
    (exceptions.BusyLoadingError, Loading),
    (exceptions.TimeoutError, TooSlow),
    (exceptions.ConnectionError, ConnectionLost),
    (OSError, ConnectionLost),
)


def of_reply(text: str) -> ErrorReply:
    """What an error reply is; its first word is a code."""
    return _BY_CODE.get(text.partition(" ")[0], ErrorReply)()


def of_exception(error: Exception) -> RedisFault:
    """What an exception of redis-py's is: the first class that fits. What is no Redis may make it raise anything."""
    if isinstance(error, RedisFault):
        return error
    if isinstance(error, exceptions.ResponseError):
        code = _BY_CODE.get(str(error).partition(" ")[0])
        if code is not None:
            return code()
    return next((kind for known, kind in _BY_CLASS if isinstance(error, known)), NotRedis)()
