"""The image of the Dockerfile, built and run by Podman as docs/deployment.md says. Its base is Debian's own Python."""

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import distributions
from pathlib import Path

import pytest
from harness.gateway import DEFAULTS, SERVICE_SETTINGS
from harness.image import AS_DOCUMENTED, BuiltImage, Container
from harness.issuer import Issuer
from harness.ports import free_port
from harness.repository import ROOT
from harness.service import Service
from harness.waiting import until
from packaging.utils import canonicalize_name

from gateway.version import VERSION

pytestmark = pytest.mark.timeout(1500)

REVISION = subprocess.run(
    ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
).stdout.strip()
WRITABLE = tuple(option for option in AS_DOCUMENTED if option != "--read-only")
MOUNTED = ("--volume", "./.env:/app/.env:ro", *AS_DOCUMENTED[2:])
"""The settings are in the working directory in place of the environment."""
USER = 10001
BUILDS = {"cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "cargo", "git"}
"""Programs for which a program that runs has no use."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    with BuiltImage(tmp_path_factory.mktemp("image")) as built:
        yield built


@pytest.fixture(scope="module")
def files(image: BuiltImage) -> Path:
    return image.mount()


@pytest.fixture(scope="module")
def settings(issuer: Issuer, services: Mapping[str, Service]) -> Callable[[], dict[str, str]]:
    """Those of a gateway at a free port."""

    def build() -> dict[str, str]:
        port = str(free_port())
        return {
            **DEFAULTS,
            "PORT": port,
            "FRONTEND_URL": f"http://127.0.0.1:{port}",
            "WEB_CONCURRENCY": "2",
            "KEYCLOAK_ISSUER_URL": issuer.issuer,
            "KEYCLOAK_REDIRECT_URI": f"http://127.0.0.1:{port}/auth/callback",
            **{setting: services[name].url for name, setting in SERVICE_SETTINGS.items()},
        }

    return build


@pytest.fixture(scope="module")
def container(
    image: BuiltImage, settings: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    with Container(image, settings(), tmp_path_factory.mktemp("container")) as running:
        yield running


@pytest.fixture
def start(
    image: BuiltImage, settings: Callable[[], dict[str, str]], tmp_path: Path
) -> Iterator[Callable[..., Container]]:
    """Containers of a test's own: called with the options and the command of Container."""
    with ExitStack() as stack:
        yield lambda *how: stack.enter_context(Container(image, settings(), tmp_path, *how))


def status_of(container: Container, process: str = "1") -> dict[str, str]:
    lines = container.run("cat", f"/proc/{process}/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def complaints(container: Container) -> list[str]:
    """What is above `info` in its log, but for the machine's being busy."""
    said = [line["message"] for line in container.lines() if line["level"] not in ("info", "debug")]
    return [message for message in said if not message.startswith("Loop: ")]


class TestRunning:
    def test_it_forwards(self, container: Container, users: Service, token: str) -> None:
        assert container.get("/health/live").status == 200
        assert container.get("/health").status == 200
        assert container.get("/users/me", token).status == 200
        assert users.last.target == b"/users/me"
        assert container.get("/users/me").status == 401

    def test_it_says_what_it_is(self, container: Container) -> None:
        assert f'gateway_build_info{{commit="{REVISION}",version="{VERSION}"}} 1.0' in container.get("/metrics").text
        health = container.get("/health").json()
        assert (health["version"], health["commit"]) == (VERSION, REVISION)
        assert any(line["message"] == f"Gateway: version {VERSION}, commit {REVISION}" for line in container.lines())

    def test_it_may_do_nothing_else(self, container: Container) -> None:
        """Neither it nor what is beside it."""
        for status in (status_of(container), status_of(container, "self")):
            assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
            assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"
        for place in ("/app", "/opt/gateway/lib", "/etc", "/run", "/var/tmp"):
            assert container.run("touch", f"{place}/new", fails=True).returncode != 0, place

    def test_it_is_healthy(self, container: Container) -> None:
        """Its own check has two seconds, which a busy machine may take: an engine asks again too."""
        until(lambda: container.health() == 0, 60, "the health check")

    def test_nothing_is_wrong_in_its_log(self, container: Container) -> None:
        assert complaints(container) == []

    def test_it_is_not_healthy_where_nothing_serves(self, start: Callable[..., Container]) -> None:
        assert start(AS_DOCUMENTED, ("sleep", "60")).health() == 1

    def test_it_reads_a_mounted_env(self, start: Callable[..., Container]) -> None:
        """Its health check follows it too."""
        mounted = start(MOUNTED)
        assert mounted.get("/health/live").status == 200
        until(lambda: mounted.health() == 0, 60, "the health check")

    def test_it_writes_to_memory_only(self, start: Callable[..., Container], token: str) -> None:
        """Also where it might write elsewhere; what the engine itself writes is in any container."""
        engine = start(WRITABLE, ("sleep", "60")).changed()
        writable = start(WRITABLE)
        assert writable.get("/users/me", token).status == 200
        assert writable.run("gateway", "check").returncode == 0
        assert writable.changed() == engine
        assert writable.end() == 0
        assert writable.changed() == engine

    def test_it_ends_in_order(self, start: Callable[..., Container]) -> None:
        ended = start()
        assert ended.end() == 0
        assert complaints(ended) == []


class TestContents:
    def test_labels(self, image: BuiltImage) -> None:
        labels = image.inspect()["Config"]["Labels"]
        prefix = "org.opencontainers.image."
        assert labels[f"{prefix}version"] == VERSION and labels[f"{prefix}revision"] == REVISION
        assert labels[f"{prefix}licenses"] == "MIT" and {f"{prefix}title", f"{prefix}description"} <= labels.keys()

    def test_configuration(self, image: BuiltImage) -> None:
        config = image.inspect()["Config"]
        assert (config["User"], config["WorkingDir"], config["StopSignal"]) == (f"{USER}:{USER}", "/app", "SIGTERM")
        assert list(config["ExposedPorts"]) == ["3001/tcp"]

    def test_the_bill_of_materials_is_what_is_installed(self, files: Path) -> None:
        bill = json.loads((files / "usr/share/doc/api-gateway/sbom.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        billed = {canonicalize_name(part["name"]): part["version"] for part in bill["components"]}
        assert billed == installed(files) and "flask" in billed

    def test_what_is_installed_is_what_is_locked(self, files: Path) -> None:
        lock = (ROOT / "requirements/run.txt").read_text()
        locked = set(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock, re.MULTILINE))
        found = installed(files)
        assert found.pop("ai-video-interview-gateway") == VERSION
        found.pop("pip")
        assert found.items() <= locked

    def test_nothing_that_builds_is_left(self, files: Path) -> None:
        """Neither programs nor caches, sources, nor what this machine's pip was told."""
        programs = {
            path.name
            for folder in ("usr/bin", "usr/local/bin", "opt/gateway/bin")
            for path in (files / folder).glob("*")
        }
        assert programs & BUILDS == set() and "cyclonedx-py" not in programs
        for place in ("src", "root/.cache", "etc/pip.conf", "opt/sbom", "app/tests", "app/.git"):
            assert not (files / place).exists(), place
        assert sorted(path.name for path in (files / "app").iterdir()) == ["gunicorn.conf.py", "healthcheck.py"]
        assert [*(files / "etc/xdg/pip").iterdir(), *(files / "tmp").iterdir()] == []

    def test_its_user_can_change_nothing(self, files: Path) -> None:
        for folder, _, names in os.walk(files / "opt/gateway"):
            for name in (".", *names):
                about = os.lstat(Path(folder, name))
                writable = not stat.S_ISLNK(about.st_mode) and about.st_mode & 0o022
                assert about.st_uid == about.st_gid == 0 and not writable, (folder, name)


def installed(files: Path) -> dict[str, str]:
    """Package → version in the image's environment."""
    (folder,) = (files / "opt/gateway/lib").glob("python3.*/site-packages")
    return {canonicalize_name(one.name): one.version for one in distributions(path=[str(folder)])}
