"""The project's own rules: what may import what, that no statement is lost, that the image is well made."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import conformance
import pytest
from harness.repository import ROOT

# Imports go down only: the table of docs/architecture.md, from the top. A package counts as one module: what its files
# import of each other is its own affair.
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
FLOORS = [
    re.findall(r"`([a-z_.*]+)`", row[1])
    for row in re.finditer(r"^\| [^|]+ \| ((?:`[a-z_.*]+` ?)+) ?\|$", ARCHITECTURE, re.M)
]
OWN = {"gateway", "blueprints", "wsgi", "demo"}
ONLY_FOR_TYPES = {"_typeshed"}
STATEMENTS: dict[str, int | tuple[int, ...]] = {
    "J": 14,
    "O": 16,
    "C": 10,
    "P": 18,
    "R": 3,
    "L": 10,
    "F": 11,
    "G": 4,
    "S": 3,
}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*tops: str) -> dict[str, Path]:
    """Dotted name → file, of every module below."""
    files = [file for top in tops for file in (ROOT / top).rglob("*.py")]
    return {module_name(file): file for file in sorted(files)} | {"wsgi": ROOT / "wsgi.py"}


OURS = sources("gateway", "blueprints")


def floors() -> dict[str, int]:
    """Module → its floor, the lowest being the least; `package.*` in the table stands for what is in the package."""
    found = {module: -row for row, modules in enumerate(FLOORS) for module in modules}
    for pattern in [module for module in found if module.endswith(".*")]:
        row = found.pop(pattern)
        found |= {unit(name): row for name in OURS if unit(name).startswith(pattern[:-1]) and unit(name) not in found}
    return found


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, by its full name."""
    package = module_name(file).split(".")[: None if file.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level], *filter(None, [node.module])] if node.level else []
            origin = ".".join(base) or str(node.module)
            inside = [f"{origin}.{alias.name}" for alias in node.names if f"{origin}.{alias.name}" in OURS]
            yield from inside or [origin]


def unit(module: str) -> str:
    """The module of the floors that a name belongs to: `gateway.proxy.forward` to `gateway.proxy`."""
    return ".".join(module.split(".")[:2])


FLOOR = floors()


def own_imports(file: Path) -> set[str]:
    return {unit(name) for name in imports(file) if name.split(".")[0] in ("gateway", "blueprints", "wsgi")}


def test_every_module_has_a_floor() -> None:
    homeless = {unit(name) for name in OURS} - {"gateway", *FLOOR}
    assert not homeless, f"give it a layer in docs/architecture.md: {homeless}"


@pytest.mark.parametrize("name", [name for name in OURS if name != "gateway"])
def test_imports_go_down(name: str) -> None:
    home = unit(name)
    for other in own_imports(OURS[name]) - {home, "gateway"}:
        assert FLOOR[other] < FLOOR[home], f"{name} imports {other}"


def test_the_package_itself_binds_nothing() -> None:
    assert not own_imports(OURS["gateway"])


def test_the_gateway_knows_no_blueprint() -> None:
    for name, file in OURS.items():
        if name.startswith("gateway"):
            assert not {other for other in own_imports(file) if not other.startswith("gateway")}, name


def test_the_demo_stands_apart() -> None:
    for file in (ROOT / "demo").rglob("*.py"):
        assert not own_imports(file), file
    for name, file in OURS.items():
        assert "demo" not in {imported.split(".")[0] for imported in imports(file)}, name


def test_what_is_imported_is_declared() -> None:
    """What the gateway and the demo import is a requirement of its own, not there by way of another."""
    brought_by = metadata.packages_distributions()
    declared = {canonical(re.split("[ <>=]", line)[0]) for line in run_requirements()}
    for file in [*OURS.values(), *(ROOT / "demo").rglob("*.py")]:
        foreign = {name.split(".")[0] for name in imports(file)} - sys.stdlib_module_names - OWN - ONLY_FOR_TYPES
        for name in foreign:
            # What is an extra need not be installed: it is then known by its own name.
            brings = {canonical(found) for found in brought_by.get(name, [name])}
            assert declared & brings, f"{file} imports {name}"


def canonical(distribution: str) -> str:
    return re.sub("[-_.]+", "-", distribution).lower()


def run_requirements() -> list[str]:
    """The list RUN of setup.py, and what is extra for speed."""
    module = ast.parse((ROOT / "setup.py").read_text())
    lists = {ast.unparse(node.targets[0]): node.value for node in module.body if isinstance(node, ast.Assign)}
    return [*ast.literal_eval(lists["RUN"]), *ast.literal_eval(lists["FAST"])]


def test_no_statement_is_missing_from_the_list() -> None:
    numbers = {letter: range(1, last + 1) if isinstance(last, int) else last for letter, last in STATEMENTS.items()}
    expected = [f"{letter}{number}" for letter in STATEMENTS for number in numbers[letter]]
    assert list(conformance.rows()) == expected


def test_every_mark_names_a_statement() -> None:
    assert set(conformance.shown()) <= set(conformance.rows())


@pytest.mark.parametrize("statement", conformance.rows())
def test_a_statement_is_shown(statement: str) -> None:
    assert conformance.shown().get(statement)


def test_the_list_names_the_tests_there_are() -> None:
    assert conformance.LIST.read_text() == conformance.written(), "python tests/conformance.py writes it"


def test_no_lock_file_names_a_registry() -> None:
    """Whoever installs asks the registry that they use."""
    locks = [file for file in ROOT.rglob("package-lock.json") if "node_modules" not in file.parts]
    assert len(locks) >= 2
    for lock in locks:
        packages = json.loads(lock.read_text())["packages"]
        assert not [name for name, package in packages.items() if "://" in package.get("resolved", "")], lock


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
