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
    ├── Loading
    └── NoSuchDatabase
"""

from __future__ import annotations

from redis import exceptions


class RedisFault(Exception):
    """`reason` is the text for the log, because an error's own text may contain what was sent, even the password."""

    reason = "an error"


class ConnectionLost(RedisFault):
    """No connection could be made, or it was closed."""

    reason = "no connection"


class TooSlow(RedisFault):
    """No reply in time."""

    reason = "too slow"


class NotRedis(RedisFault):
    """A reply that does not come from a Redis."""

    reason = "it answers as no Redis does"


class ErrorReply(RedisFault):
    """Redis refuses the command."""

    reason = "it refuses the command"


class WrongPassword(ErrorReply):
    """A wrong password, or a missing one."""

    reason = "a wrong password"


class NotPermitted(ErrorReply):
    """The user lacks permissions (ACL)."""

    reason = "its user may not do this"


class ReadOnly(ErrorReply):
    """A replica, or one without enough replicas."""

    reason = "it is read-only"


class Full(ErrorReply):
    """Over its `maxmemory`."""

    reason = "it is full"


class Loading(ErrorReply):
    """Redis is still starting."""

    reason = "it still loads what it keeps"


class NoSuchDatabase(ErrorReply):
    """Redis has 16 by default."""

    reason = "it has no database of that number"


_NO_DATABASE = "DB index is out of range"

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
    """The fault for an error reply, by its first word, which is a code."""
    return NoSuchDatabase() if _NO_DATABASE in text else _BY_CODE.get(text.partition(" ")[0], ErrorReply)()


def of_exception(error: Exception) -> RedisFault:
    """The fault for an exception of redis-py: the first class that matches. A peer that is not Redis can cause any
    exception."""
    if isinstance(error, RedisFault):
        return error
    if _NO_DATABASE in str(error):
        return NoSuchDatabase()
    if isinstance(error, exceptions.ResponseError):
        code = _BY_CODE.get(str(error).partition(" ")[0])
        if code is not None:
            return code()
    return next((kind for known, kind in _BY_CLASS if isinstance(error, known)), NotRedis)()
