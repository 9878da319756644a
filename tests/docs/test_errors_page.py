"""docs/errors.md is the catalogue of the code's errors: no code is missing, none is made up, each has its status."""

import re

from harness.repository import ROOT

from blueprints.auth.login import AUTH_ERRORS
from gateway import errors
from gateway.errors import ErrorCode, GatewayError

PAGE = (ROOT / "docs" / "errors.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| ([\d, ]+) \| .+ \|$", re.M)
ROWS = {row[1]: [int(status) for status in row[2].split(", ")] for row in ROW.finditer(PAGE)}
OF_SIGN_IN = re.compile(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", re.M)


def kinds(kind: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in kinds(below))]


def test_every_code_has_a_row() -> None:
    assert list(ROWS) != [] and set(ROWS) == {str(code) for code in ErrorCode}


def test_a_row_has_the_status_of_the_error() -> None:
    for kind in kinds():
        assert kind.status in ROWS[kind.code], kind


def test_a_status_without_a_code_of_its_own_has_one_of_the_catalogue() -> None:
    for status in (400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 429, 431, 500, 501, 502, 503, 504, 508):
        assert status in ROWS[errors.code_of(status)]


def test_what_a_browser_is_told() -> None:
    reported = {code: row[1] for row in OF_SIGN_IN.finditer(PAGE) for code in re.findall(r"`(\w+)`", row[2])}
    assert {str(code): word for code, word in AUTH_ERRORS.items()}.items() <= reported.items()
    assert set(reported) <= {str(code) for code in ErrorCode}
