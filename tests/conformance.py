"""Which tests show which statement: reads the marks; run, it writes the last column of docs/conformance.md."""

import ast
import re
from collections import defaultdict
from functools import cache

from harness.repository import ROOT

LIST = ROOT / "docs" / "conformance.md"
ROW = re.compile(r"\| ([A-Z]\d+) \| (.+) \| (.*?) ?\|")


def marks(node: ast.AST) -> list[str]:
    """The ids of every `pytest.mark.conformance(...)` under a node."""
    return [
        str(ast.literal_eval(identifier))
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.conformance"
        for identifier in call.args
    ]


@cache
def shown() -> dict[str, list[str]]:
    """id → the tests that are marked with it, as `file: test, test`."""
    tests: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        module = ast.parse(file.read_text())
        name = file.relative_to(ROOT / "tests").as_posix()
        everywhere = [mark for node in module.body if isinstance(node, ast.Assign) for mark in marks(node)]
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = [mark for part in (*node.decorator_list, node.args) for mark in marks(part)]
                for mark in dict.fromkeys(everywhere + own):
                    tests[mark][name].append(node.name.removeprefix("test_"))
    return {mark: [f"`{name}`: {', '.join(found)}" for name, found in files.items()] for mark, files in tests.items()}


def rows() -> dict[str, str]:
    """id → the last column, as the list has it."""
    return {row[1]: row[3] for row in map(ROW.fullmatch, LIST.read_text().splitlines()) if row}


def written() -> str:
    """The list with its last column as the tests have it."""
    found = shown()

    def line(text: str) -> str:
        if row := ROW.fullmatch(text):
            cell = "<br>".join(found.get(row[1], []))
            return f"| {row[1]} | {row[2]} | {cell} |" if cell else f"| {row[1]} | {row[2]} | |"
        return text

    return "".join(line(text) + "\n" for text in LIST.read_text().splitlines())


if __name__ == "__main__":
    LIST.write_text(written())
