"""Each kind of a failed call to a service has its cause and its fix, and the runbook says the same."""

import re
from pathlib import Path

import runbook_tables
from harness import replies
from harness.command import run
from harness.gateway import NOBODY, Gateway, StartGateway
from harness.service import Service

import gateway.proxy
from gateway.doctor.failed_calls import FAILED_CALLS
from gateway.transport import CallFault

PROXY = Path(gateway.proxy.__file__).parent


def kinds(fault: type[CallFault] = CallFault) -> set[str]:
    """Of the faults of this tree."""
    below = {kind for found in fault.__subclasses__() for kind in kinds(found)}
    return below | ({fault.kind} if "kind" in vars(fault) else set())


def test_each_kind_has_a_cause_and_a_fix() -> None:
    not_made = {kind for path in PROXY.glob("*.py") for kind in re.findall(r'failed\("(\w+)"\)', path.read_text())}
    assert len(kinds()) > 5 and len(not_made) > 1, "none was found"
    assert kinds() | not_made == FAILED_CALLS.keys()


def test_the_runbook_has_the_tables() -> None:
    text = runbook_tables.DOCUMENT.read_text()
    assert text == runbook_tables.written(), "python tests/runbook_tables.py"
    for rows in (runbook_tables.rows_of_kinds(), runbook_tables.rows_of_reasons()):
        assert "".join(rows) in text


def explained(gateway: Gateway, path: str, token: str, tmp_path: Path) -> list[dict[str, str]]:
    """What `gateway explain` says of the lines of a request that fails."""
    trace = gateway.get(path, token).json()["traceId"]
    gateway.wait_line(lambda line: line.get("traceId") == trace and "duration" in line)
    (tmp_path / "log").write_bytes(gateway.stdout)
    rows: list[dict[str, str]] = run("explain", trace, "--log", str(tmp_path / "log"), "--json").json()["findings"]
    return rows


def test_both_lines_of_a_failed_call_are_explained(
    start_gateway: StartGateway, users: Service, token: str, tmp_path: Path
) -> None:
    gateway = start_gateway(services={"interviews": NOBODY, "users": users.url})
    users.answer = replies.raw(b"garbage\r\n\r\n", close=True)
    for path, kind in (("/interviews", "connect"), ("/users/me", "bad_answer")):
        rows = explained(gateway, path, token, tmp_path)
        assert len(rows) == 2
        for row, begin in zip(rows, ("Proxy: ", "HTTP: GET"), strict=True):
            assert row["verdict"] == "problem" and row["found"].startswith(begin)
            assert FAILED_CALLS[kind].cause in row["found"] and row["fix"] == FAILED_CALLS[kind].fix
