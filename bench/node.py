"""Fastify's gateway in `bench/fastify`, where there is Node: what its lock file names is installed first."""

import shutil
import subprocess

from bench.failed import Failed
from bench.server import ROOT

FOLDER = ROOT / "bench" / "fastify"

_found = shutil.which("node"), shutil.which("npm")
COMMAND = (_found[0], str(FOLDER / "gateway.mjs")) if _found[0] and _found[1] else ()
"""What starts it; empty where there is no Node."""


def install() -> None:
    """`npm ci`, where that was not done since the lock file changed. Failed where it can not be done."""
    done, lock = FOLDER / "node_modules" / ".package-lock.json", FOLDER / "package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    installed = subprocess.run([str(_found[1]), "ci"], cwd=FOLDER, capture_output=True, text=True)
    if installed.returncode:
        raise Failed(f"npm ci failed in {FOLDER}:\n{installed.stderr}")
