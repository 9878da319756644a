"""What is in deploy/, as the programs judge it that take it; none of them starts a server."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.repository import ROOT

UNITS = ROOT / "deploy" / "systemd"
EXPOSURE = 20
"""Tenths, at most."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for file in UNITS.glob("api-gateway.*"):
        shutil.copy(file, tmp_path)
    unit = tmp_path / "api-gateway.service"
    unit.write_text(unit.read_text().replace("/opt/api-gateway/bin/gunicorn", "/bin/true"))
    return tmp_path


def told(*command: str | Path) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_units_are_sound(folder: Path) -> None:
    assert told("systemd-analyze", "verify", folder / "api-gateway.service", folder / "api-gateway.socket") == ""


def test_the_unit_is_hardened(folder: Path) -> None:
    said = told(
        "systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", folder / "api-gateway.service"
    )
    (level,) = re.findall(r"Overall exposure level .*: ([0-9.]+)", said)
    assert float(level) * 10 <= EXPOSURE
