"""How the product's code is cut: one meaning for each public name, short functions, short modules."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

import pytest
from harness.repository import ROOT

FILES = {
    file.relative_to(ROOT).as_posix(): file
    for package in ("gateway", "blueprints")
    for file in sorted((ROOT / package).rglob("*.py"))
}
CONVENTIONS = {"CHECKS", "TAG", "blueprint", "log", "paths"}
"""Names that mean the same in each module: the checks of a peer, the tag and paths of a
page of the description, the blueprint, the logger."""

FUNCTION_LINES = 40
MEDIAN_LINES = 90


def bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module defines; what is imported is defined elsewhere."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
    elif isinstance(node, ast.If | ast.Try):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt):
                yield from bound(inner)


def test_a_public_name_has_one_meaning() -> None:
    places = defaultdict(set)
    for name, file in FILES.items():
        for node in ast.parse(file.read_text()).body:
            for defined in bound(node):
                places[defined].add(name)
    several = {
        name: sorted(modules)
        for name, modules in places.items()
        if len(modules) > 1 and not name.startswith("_") and name not in CONVENTIONS
    }
    assert several == {}


@pytest.mark.parametrize("name", FILES)
def test_a_function_fits_the_eye(name: str) -> None:
    long = {
        node.name: length
        for node in ast.walk(ast.parse(FILES[name].read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_modules_are_short() -> None:
    assert median(len(file.read_text().splitlines()) for file in FILES.values()) < MEDIAN_LINES
