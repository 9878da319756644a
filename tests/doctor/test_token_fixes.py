"""Each reason for which an access token is refused has its instruction."""

import re
from pathlib import Path

import gateway.tokens
from gateway.doctor.token_fixes import TOKEN_FIXES

TOKENS = Path(gateway.tokens.__file__).parent
OF_OTHERS = {"id_token", "logout_token"}
"""Reasons of other kinds of tokens."""


def test_each_reason_has_an_instruction() -> None:
    sources = [path.read_text() for path in TOKENS.glob("*.py")]
    named = {reason for text in sources for reason in re.findall(r'InvalidToken\(\s*"(\w+)"', text)}
    assert len(named) > 8, "the pattern finds none"
    assert named | {"expired"} == TOKEN_FIXES.keys() | OF_OTHERS
