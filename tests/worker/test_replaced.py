"""A worker that replaces another one has the settings that were checked, whatever was saved meanwhile."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from harness.certificate import self_signed
from harness.gateway import Gateway, StartGateway, alive
from harness.waiting import until

SECRET = "client-secret-of-a-file-0123456789"
BODY = b"twelve bytes"
BROKEN = b"\xff" + b"PROXY_READ_TIMEOUT=soon\n"


@pytest.fixture
def gateway(start_gateway: StartGateway, tmp_path: Path) -> Gateway:
    """Its limit is in `.env`, one byte below BODY; its secret is in a file."""
    write(tmp_path, f"MAX_BODY_BYTES={len(BODY) - 1}\nKEYCLOAK_CLIENT_SECRET_FILE=secret\n".encode(), SECRET)
    return start_gateway({"KEYCLOAK_CLIENT_SECRET": None}, cwd=tmp_path)


def write(folder: Path, settings: bytes, secret: str) -> None:
    (folder / ".env").write_bytes(settings)
    (folder / "secret").write_text(secret)


def status(gateway: Gateway, bearer: dict[str, str]) -> int:
    """413 by the limit of `.env`, 200 without."""
    return gateway.get("/users/me", headers=bearer, method="PUT", body=BODY).status


def replace_workers(gateway: Gateway) -> None:
    """End each, and wait until another one serves."""
    before = gateway.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def serves() -> bool:
        assert gateway.process.poll() is None, gateway.raw_output()
        try:
            return not set(before) & set(gateway.workers()) and gateway.get("/health/ready").status == 200
        except OSError:
            return False

    until(serves, 30, "another worker")


@pytest.mark.conformance("S3")
@pytest.mark.parametrize(
    ("settings", "secret"),
    [(BROKEN, SECRET), (b"KEYCLOAK_CLIENT_SECRET_FILE=secret\n", "two\nlines"), (b"", SECRET)],
    ids=["no text", "two lines of a secret", "other values"],
)
def test_what_is_saved_changes_no_worker(
    gateway: Gateway, bearer: dict[str, str], settings: bytes, secret: str
) -> None:
    assert status(gateway, bearer) == 413
    write(gateway.cwd, settings, secret)
    replace_workers(gateway)
    assert status(gateway, bearer) == 413


@pytest.mark.conformance("S2", "S3")
def test_a_reload_takes_what_is_good_and_refuses_what_is_broken(gateway: Gateway, bearer: dict[str, str]) -> None:
    write(gateway.cwd, b"PROXY_READ_TIMEOUT=soon\nKEYCLOAK_CLIENT_SECRET_FILE=secret\n", "two\nlines")
    gateway.signal(signal.SIGHUP)
    refusal = gateway.wait_line(lambda line: line["message"].startswith("reload refused"), 30)["message"]
    assert "PROXY_READ_TIMEOUT: " in refusal and "KEYCLOAK_CLIENT_SECRET_FILE: " in refusal
    replace_workers(gateway)
    assert status(gateway, bearer) == 413, "the last good settings"
    write(gateway.cwd, b"KEYCLOAK_CLIENT_SECRET_FILE=secret\n", SECRET)
    gateway.signal(signal.SIGHUP)
    until(lambda: status(gateway, bearer) == 200, 30, "the new limit")
    write(gateway.cwd, BROKEN, "")
    replace_workers(gateway)
    assert status(gateway, bearer) == 200, "the settings of the reload"


@pytest.mark.conformance("S3")
def test_a_file_of_certificates_that_is_gone_changes_no_worker(
    start_gateway: StartGateway, tmp_path: Path, bearer: dict[str, str]
) -> None:
    certificate, _ = self_signed(tmp_path)
    gateway = start_gateway({"CA_BUNDLE": str(certificate)})
    certificate.unlink()
    replace_workers(gateway)
    assert gateway.get("/users/me", headers=bearer).status == 200


def begin_a_new_master(gateway: Gateway) -> None:
    """Beside the old one, until it has a worker."""
    lines = gateway.raw_output().count("Booting worker with pid")
    gateway.signal(signal.SIGUSR2)
    until(lambda: gateway.raw_output().count("Booting worker with pid") > lines, 60, "the new master's worker")


@pytest.mark.conformance("S2")
def test_a_new_master_reads_the_files_anew(gateway: Gateway, bearer: dict[str, str]) -> None:
    write(gateway.cwd, b"KEYCLOAK_CLIENT_SECRET_FILE=secret\n", SECRET)
    old = gateway.pid
    begin_a_new_master(gateway)
    os.kill(old, signal.SIGTERM)
    gateway.wait(40)
    until(lambda: status(gateway, bearer) == 200, 20, "the new limit")
    gateway.kill()


def test_the_secrets_stay_in_memory(gateway: Gateway) -> None:
    """They are in no environment that another process is given."""
    before = {gateway.pid, *gateway.workers()}
    begin_a_new_master(gateway)
    environments = {}
    for pid in alive(gateway.pid):
        with suppress(OSError):  # it has just ended
            environments[pid] = Path(f"/proc/{pid}/environ").read_bytes()
    assert environments.keys() - before and not [pid for pid in environments if SECRET.encode() in environments[pid]]
    gateway.kill()
