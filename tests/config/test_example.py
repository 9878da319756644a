"""`.env.example`: the file in the tree is the one that `gateway env` writes, and copied and filled in it starts."""

import re
from pathlib import Path

from harness.environment import GOOD
from harness.repository import ROOT

from gateway.config import dotenv, load
from gateway.config.example import written
from gateway.config.names import NAMES, REQUIRED, ROWS


def test_the_file_in_the_tree_is_as_the_table_has_it() -> None:
    assert (ROOT / ".env.example").read_text() == written(), "gateway env writes it"


def test_every_setting_is_in_it_with_its_meaning() -> None:
    assert tuple(re.findall(r"^#?([A-Z_]+)=", written(), re.MULTILINE)) == NAMES
    for row in ROWS:
        entry = written().partition(f"{row.name}=")[0].rpartition("\n\n")[2]
        assert entry.startswith("# ") and len(entry) > 10, row.name


def test_what_is_required_is_to_be_filled_in_and_nothing_else(tmp_path: Path) -> None:
    assert set(dotenv.parse(written())) == set(REQUIRED)


def test_its_defaults_are_the_defaults(tmp_path: Path) -> None:
    """Filled in, with each default made explicit, it means the same."""
    filled = re.sub(r"^#([A-Z_]+=.+)$", r"\1", written(), flags=re.MULTILINE)
    filled = re.sub(r"^([A-Z_]+)=$", lambda found: f"{found[1]}={GOOD.get(found[1], '')}", filled, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(filled + f"SESSION_SECRET={GOOD['SESSION_SECRET']}\n")
    explicit, warnings = load({}, tmp_path)
    assert (explicit, warnings) == (load(GOOD, tmp_path / "none")[0], ())
