"""What is built is what is in the tree; what runs is what is installed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from harness.repository import ROOT

SHIPPED = ("gateway", "blueprints", "wsgi.py", "gunicorn.conf.py", "setup.py", "pyproject.toml", "LICENSE", "README.md")
SAYS = "from pathlib import Path\nPath({file!r}).write_text('{who}')\nraise SystemExit(3)\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built in a tree where an earlier build left a module that is no more."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    stale = tree / "build" / "lib" / "gateway" / "deleted.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    command = [sys.executable, "-c", "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"]
    (tree / "dist").mkdir()
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(tree / "dist" / done.stdout.splitlines()[-1])


def test_a_wheel_holds_the_tree_and_nothing_that_was_deleted(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {
        file.relative_to(ROOT).as_posix()
        for top in ("gateway", "blueprints")
        for file in (ROOT / top).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert shipped == there | {"wsgi.py", "gateway/gunicorn.conf.py"}
    assert wheel.read("gateway/gunicorn.conf.py") == (ROOT / "gunicorn.conf.py").read_bytes()


def test_the_command_comes_with_it(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "gateway = gateway.cli.main:console" in wheel.read(name).decode()


@pytest.mark.parametrize(
    ("installed", "runs"), [(True, "installed"), (False, "checkout")], ids=["installed", "not installed"]
)
def test_gunicorn_in_a_checkout_runs_what_is_installed(installed: bool, runs: str, tmp_path: Path) -> None:
    """`gateway` is here a package that says where it is from as soon as the check of the settings imports it."""
    reported = tmp_path / "checked"
    for folder, who in (("checkout", "checkout"), ("site", "installed")):
        package = tmp_path / folder / "gateway"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "check.py").write_text(SAYS.format(file=str(reported), who=who))
    hides = (
        "import sys; sys.path[:] = [p for p in sys.path if p != {root!r}]; sys.meta_path[:] = [f for f in sys.meta_path"
    )
    hides = (hides + " if 'editable' not in repr(f)]").format(root=str(ROOT))
    run = f"{hides}; sys.path.append({str(tmp_path / 'site')!r})" if installed else hides
    customize = tmp_path / "start" / "sitecustomize.py"
    customize.parent.mkdir()
    customize.write_text(run + "\n")
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(customize.parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path / "checkout", env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and reported.read_text() == runs, done.stderr
