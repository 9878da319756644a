"""The request target: split without changing a byte, refused if it is ambiguous."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

# Every printable ASCII character but space, "#", "?", "%" and "\"; "%" only before two hex digits. A run of plain ones
# is one step, not one for each character: 1 us instead of 6 for a path with an id.
_PLAIN = r"[!\"$&'()*+,\-./0-9:;<=>@A-Z\[\]^_`a-z{|}~]*"
_PATH = re.compile(f"/{_PLAIN}(?:%[0-9A-Fa-f]{{2}}{_PLAIN})*")

# A dot segment in any spelling, with or without path parameters (RFC 3986 section 5.2.4), which one server resolves
# and the next does not; an encoded slash, backslash or control character.
_AMBIGUOUS = re.compile(r"/(?:\.|%2e){1,2}(?:(?:;|%3b)[^/]*)?(?:/|$)|%2f|%5c|%[01][0-9a-f]|%7f", re.IGNORECASE)


def split(raw: str) -> tuple[str, str]:
    """Path and query (with its `?`, or empty) of a request target, byte for byte (RFC 9112 section 3.2).

    Scheme and authority of an absolute form are dropped: the destination never comes from the request.
    """
    if raw.startswith("/") and not raw.startswith("//") and "#" not in raw:
        path, mark, query = raw.partition("?")
        return path, mark + query
    if not raw.startswith("/"):
        scheme, separator, rest = raw.partition("://")
        if separator and scheme.lower() in ("http", "https"):
            start = re.search(r"[/?]|$", rest).start()  # type: ignore[union-attr]  # `$` always matches
            raw = rest[start:] if rest[start : start + 1] == "/" else "/" + rest[start:]
    if not raw.startswith("/") or raw.startswith("//"):
        return ("*", "") if raw == "*" else ("", raw)  # an authority may contain a password: not shown
    end = re.search(r"[?#]|$", raw).start()  # type: ignore[union-attr]
    return raw[:end], raw[end:]


def is_sound(path: str, query: str) -> bool:
    """Whether gateway and service certainly interpret this target in the same way."""
    if _PATH.fullmatch(path) is None or path.startswith("//") or "#" in query:
        return False
    if "%" not in path and "/." not in path:  # nothing that could be ambiguous
        return True
    return _AMBIGUOUS.search(path) is None and _is_utf8(path)


def _is_utf8(path: str) -> bool:
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
