"""What a PromQL expression names: metrics, the labels asked of each, the labels it groups by.

Not a parser: promtool says whether an expression is one (`make test-prometheus`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r'(?P<text>"(?:\\.|[^"\\])*")|(?P<span>\[[^\]]*\])|(?P<name>[A-Za-z_:][\w:]*)|(?P<number>\d[\w.]*)|(?P<sign>\S)'
)
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")\s*(?:,|$)')


@dataclass(frozen=True)
class Selector:
    """A metric, and its matchers as label → (operator, value)."""

    metric: str
    matchers: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Grouping:
    """`by (…)` and the like: its labels, and the expression it is about (all of it, for one between two operands)."""

    labels: tuple[str, ...]
    of: str


def selectors(expression: str) -> list[Selector]:
    """Every metric that is asked for, in order."""
    found = []
    rest = without_groupings(expression)
    at = 0
    while token := TOKEN.search(rest, at):
        at = token.end()
        name = token["name"]
        if name is None or name.lower() in WORDS or re.match(r"\s*\(", rest[at:]):
            continue
        matchers = {}
        if braces := re.match(r'\s*\{((?:"(?:\\.|[^"\\])*"|[^}"])*)\}', rest[at:]):
            at += braces.end()
            matchers = dict(matched(braces[1]))
        found.append(Selector(name, matchers))
    return found


def matched(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """The matchers between two braces; AssertionError for what is none."""
    at = 0
    while at < len(text.rstrip()):
        matcher = MATCHER.match(text, at)
        assert matcher, f"no matcher: {text[at:]!r}"
        yield matcher[1], (matcher[2], matcher[3][1:-1])
        at = matcher.end()


GROUP = re.compile(rf"\b({'|'.join(sorted(GROUPING))})\b\s*(?:\(([^)]*)\))?")


def groupings(expression: str) -> list[Grouping]:
    """Every grouping; it stands before its operand (`sum by (job) (…)`)."""
    found = []
    for clause in GROUP.finditer(expression):
        labels = tuple(label for label in re.split(r"[\s,]+", clause[2] or "") if label)
        inside = expression[clause.end() :].lstrip()
        is_operand = clause[1] in ("by", "without")
        assert not is_operand or inside.startswith("("), f"put the grouping before what it groups: {expression}"
        found.append(Grouping(labels, inside[: closing(inside)] if is_operand else expression))
    return found


def without_groupings(expression: str) -> str:
    return GROUP.sub(" ", re.sub(r"\b(\w+)\s+(by|without)\s*\(([^)]*)\)\s*(?=\()", r"\1", expression))


def closing(text: str) -> int:
    """Past the bracket that closes the first one."""
    depth = 0
    for token in TOKEN.finditer(text):
        depth += {"(": 1, ")": -1}.get(token["sign"] or "", 0)
        if depth == 0:
            return token.end()
    raise AssertionError(f"brackets that do not close: {text}")
