"""The suite's rules hold: no warning passes, no test reaches beyond this machine, the map of the tests is whole."""

import re
import socket
import warnings

import pytest
from harness.repository import ROOT


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "example.com", "127.evil.test"])
def test_only_the_loopback_is_reached(address: str) -> None:
    with pytest.raises(AssertionError, match="only the loopback"):
        socket.create_connection((address, 80), timeout=0.1)


def test_the_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_the_map_names_all_that_is_here() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", (ROOT / "tests" / "README.md").read_text(), re.M)
    here = {entry.name for entry in (ROOT / "tests").iterdir()} - {"README.md", "__pycache__"}
    assert sorted(rows) == sorted(here)
