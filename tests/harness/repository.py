"""Where things of the repository are, for tests that read or start them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
SCRIPTS = TESTS / "peers"
"""The scripts that install and start servers that are not ours."""
