"""The image: what it is made of, its health check, and the lock that it is installed from."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from harness.repository import ROOT
from harness.requirements import requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]
HEALTHCHECK = ROOT / "deploy" / "docker" / "healthcheck.py"


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Package → its version, and how many hashes it has, in a file of requirements/."""
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / name).read_text())
    found = [(re.match(r"([a-z0-9.-]+)==([^ ]+)", entry), entry.count("--hash=sha256:")) for entry in entries]
    return {match[1]: (match[2], hashes) for match, hashes in found if match}


class TestLock:
    def test_it_satisfies_setup(self) -> None:
        lock = locked("run.txt")
        for name, requirement in requirements("RUN", "FAST").items():
            version, _ = lock[canonicalize_name(name)]
            assert requirement.specifier.contains(version, prereleases=True), f"make lock: {requirement} {version}"
            for extra in requirement.extras:
                assert extra in lock, f"make lock: {requirement}"  # so are those called that setup.py names

    @pytest.mark.parametrize("name", ["run.txt", "build.txt", "sbom.txt"])
    def test_every_file_is_known_by_its_hash(self, name: str) -> None:
        lock = locked(name)
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        assert {line.partition("==")[0] for line in lines if re.match(r"\w", line)} == set(lock)
        assert all(hashes for _, hashes in lock.values())

    def test_what_builds_is_what_runs(self) -> None:
        """setuptools is in both."""
        assert locked("build.txt")["setuptools"] == locked("run.txt")["setuptools"]
        build = Requirement((ROOT / "requirements" / "build.in").read_text().strip())
        assert build.specifier == requirements()["setuptools"].specifier


class TestDockerfile:
    def test_what_it_copies_is_there_and_not_ignored(self) -> None:
        let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
            for source in line.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(Path(source).match(pattern) for pattern in let_in), f"{source} is kept out by .dockerignore"

    def test_it_runs_as_nobody_in_particular(self) -> None:
        assert re.search(r"^USER 10001:10001$", FINAL, re.MULTILINE), "a number: Kubernetes' runAsNonRoot wants one"

    def test_everything_is_installed_by_hash(self) -> None:
        for command in re.findall(r"pip install ([^\\\n]+)", DOCKERFILE):
            assert "--require-hashes" in command or command.strip() == "--no-deps --no-build-isolation ."

    def test_the_base_can_be_pinned_by_digest(self) -> None:
        images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert images == ["${PYTHON_BUILD}", "build", "${PYTHON}"]

    def test_it_has_its_bill_of_materials(self) -> None:
        assert "COPY --from=sbom /sbom.cdx.json " in FINAL


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(host: str, status: int = 200) -> Iterator[int]:
    """The port of a server at this address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (HTTPServer,), {"address_family": family})
    server = kind((host, 0), type("Handler", (Answers,), {"status": status}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="service of the health check")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check(cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(HEALTHCHECK)]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=30)


class TestHealthcheck:
    @pytest.mark.parametrize(
        ("listens", "host"),
        [("127.0.0.1", ""), ("127.0.0.1", "0.0.0.0"), ("127.0.0.2", "127.0.0.2"), ("::1", "::"), ("::1", "::1")],
    )
    def test_it_asks_where_the_gateway_listens(self, listens: str, host: str, tmp_path: Path) -> None:
        with serving(listens) as port:
            done = check(tmp_path, HOST=host, PORT=str(port))
        assert done.returncode == 0, done.stderr

    def test_it_reads_the_settings_of_the_file_too(self, tmp_path: Path) -> None:
        with serving("127.0.0.2") as port:
            (tmp_path / ".env").write_text(f"# PORT=1\nPORT='{port}' # the port\nexport HOST=127.0.0.2\n")
            assert check(tmp_path).returncode == 0
            assert check(tmp_path, HOST="127.0.0.3").returncode == 1, "the environment wins"

    @pytest.mark.parametrize("status", [404, 500, 503])
    def test_another_answer_is_none(self, status: int, tmp_path: Path) -> None:
        with serving("127.0.0.1", status) as port:
            assert check(tmp_path, PORT=str(port)).returncode == 1

    def test_no_answer_is_said_in_a_line(self, tmp_path: Path) -> None:
        with serving("127.0.0.1") as port:
            pass
        done = check(tmp_path, PORT=str(port))
        assert done.returncode == 1 and done.stderr.startswith(f"no answer at 127.0.0.1:{port}")
