"""`is_sound` against a plain reading of a path: character by character, segment by segment."""

import re
from string import ascii_letters, digits
from urllib.parse import unquote_to_bytes

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.scope.target import is_sound

PLAIN = ascii_letters + digits + "!\"$&'()*+,-./:;<=>@[]^_`{|}~"


def plainly(path: str) -> bool:
    """What may be forwarded: printable ASCII, whole percent-encodings, no dot segment, no encoded separator."""
    if not path.startswith("/") or path.startswith("//"):
        return False
    for place, character in enumerate(path):
        if character == "%":
            if not re.match("[0-9A-Fa-f]{2}", path[place + 1 :]):
                return False
        elif character not in PLAIN:
            return False
    if any(byte in path.lower() for byte in ("%2f", "%5c", "%7f", "%0", "%1")):
        return False
    for segment in path.split("/"):
        name = re.split(";|%3b", re.sub("%2e", ".", segment, flags=re.IGNORECASE), flags=re.IGNORECASE)[0]
        if name in (".", ".."):
            return False
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


pieces = st.sampled_from(
    [*"/.%;:#\\ a~2eE", "%2e", "%2E", "%2f", "%3b", "%3B", "%5c", "%0a", "%7f", "%c3%a9", "%ff", "é", "\x00", "id-7"]
)


@given(st.lists(pieces, max_size=12).map("".join))
@example("users/me")
@example("/users/me")
@example("/a/.hidden/..b")
@example("/%2e%2E;x/a")
@settings(max_examples=800)
def test_the_same_paths_are_sound(rest: str) -> None:
    for path in (rest, "/" + rest):
        assert is_sound(path, "") is plainly(path), path
