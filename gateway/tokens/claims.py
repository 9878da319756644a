"""Single claims, read without trust in their type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.tokens.invalid import EarlyToken, ExpiredToken, InvalidToken

# Beyond it are NaN, the infinities and integers that no float holds.
_LAST_TIME = 1e15


def text_claim(value: Any) -> str | None:
    """A string claim, None if it is missing or has another type. Raises InvalidToken for a lone surrogate."""
    if not isinstance(value, str) or not value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidToken("malformed") from None
    return value


def shown(value: Any) -> str:
    """A claim in a form that is safe for the log."""
    return repr(value)[:200]


def time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2) in seconds. Raises InvalidToken if it is missing or invalid."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _LAST_TIME:
        raise InvalidToken("times", f"{name} is missing or no number")
    return float(value)


def require_times(claims: Mapping[str, Any], leeway: float, now: float) -> float:
    """`exp`, after `exp`, `nbf` and `iat` were checked against `now` (RFC 7519 section 4.1). Raises InvalidToken,
    EarlyToken, ExpiredToken."""
    expires = time(claims, "exp")
    for name in ("nbf", "iat"):
        if claims.get(name) is not None and time(claims, name) > now + leeway:
            raise EarlyToken(name)
    if now >= expires + leeway:
        raise ExpiredToken
    return expires


def audience(claims: Mapping[str, Any]) -> list[str]:
    """The members of `aud`, a string or a list of strings. Raises InvalidToken for anything else."""
    value = claims.get("aud")
    members: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(member, str) for member in members):
        raise InvalidToken("audience", f"aud is no string or list of strings: {shown(value)}")
    return members
