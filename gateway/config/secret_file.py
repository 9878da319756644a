"""A secret in a file of its own: read, or named what is wrong with the file; never what is in it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


def read_secret(path: Path, content_of: Callable[[Path], bytes] = Path.read_bytes, *, lines: bool) -> str:
    """The secret, without the end of its last line. `lines`: it may have several (a PEM text).

    ValueError says what was expected, and what was found.
    """
    try:
        content = content_of(path)
    except OSError as error:
        raise ValueError(f"expected the path of a readable file that holds the secret: {_why(path, error)}") from None
    if content.startswith(_UTF16):
        raise ValueError("expected a text file in UTF-8, this one is UTF-16: save it as UTF-8")
    if content.startswith(_UTF8_MARK):
        raise ValueError("begins with a byte order mark, which would be part of the secret: save it without (UTF-8)")
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected a text file in UTF-8, invalid at byte {error.start}") from None
    if not text:
        raise ValueError("is empty, expected the secret")
    if "\0" in text:
        raise ValueError("expected a text file in UTF-8, it holds a zero byte (UTF-16?)")
    if not lines and len(text.splitlines()) > 1:
        raise ValueError(f"holds {len(text.splitlines())} lines, and a secret is one: leave the others out")
    if not lines and text != text.strip():
        raise ValueError("begins or ends with whitespace, which would be part of the secret: use `printf %s`")
    return text


def _why(path: Path, error: OSError) -> str:
    """Why it cannot be read: who asks, and whose it is."""
    who = f"as {_user(os.geteuid())}"
    with suppress(OSError):
        found = path.stat()
        owner = f"it is {_user(found.st_uid)}'s with mode {stat.S_IMODE(found.st_mode):04o}"
        return f"{error.strerror}, {who}; {owner}"
    return f"{error.strerror}, {who}"


def _user(number: int) -> str:
    with suppress(KeyError):
        return f"user {pwd.getpwuid(number).pw_name} ({number})"
    return f"user {number}"
