"""The image of the Dockerfile: Podman builds it with `tests/peers/image.sh`, and runs it as docs/deployment.md says."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import http
from harness.asking import Asked, Asking
from harness.gateway import parsed
from harness.lifetime import Lifetime
from harness.repository import ROOT, SCRIPTS
from harness.waiting import until

NAME = "api-gateway"
(_RUN,) = re.findall(rf"^docker run (.+) -p 3001:3001 {NAME}$", (ROOT / "docs/deployment.md").read_text(), re.MULTILINE)
AS_DOCUMENTED = tuple(shlex.split(_RUN))
"""The options of the documented command; the host's network takes the place of the mapped port."""


class BuiltImage(Lifetime):
    """Built when it is started; what was built and run is deleted in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        self._script("build", timeout=1500)

    def stop(self) -> None:
        self._script("remove", timeout=120)

    def podman(self, *arguments: str, fails: bool = False, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """AssertionError when it fails, unless `fails` says that it may."""
        return self._script("podman", *arguments, timeout=120, fails=fails, cwd=cwd)

    def inspect(self) -> dict[str, Any]:
        return dict(json.loads(self.podman("image", "inspect", NAME).stdout)[0])

    def mount(self) -> Path:
        """The image's files, with the user and mode they have."""
        return Path(self.podman("image", "mount", NAME).stdout.strip())

    def _script(
        self, command: str, *arguments: str, timeout: float, fails: bool = False, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        with subprocess.Popen(
            [str(SCRIPTS / "image.sh"), command, str(self.folder), *arguments], cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert fails or process.returncode == 0, f"{command} {arguments}:\n{out[-3000:]}\n{err[-3000:]}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Container(Asking, Lifetime):
    """A gateway in a container, ready when it is started. `settings` are the `.env` that the options name.

    `command` runs in the gateway's place, and nothing is waited for.
    """

    def __init__(
        self,
        image: BuiltImage,
        settings: Mapping[str, str],
        folder: Path,
        options: tuple[str, ...] = AS_DOCUMENTED,
        command: tuple[str, ...] = (),
    ) -> None:
        self.port = int(settings["PORT"])
        self._image = image
        self._folder = folder
        self._options = options
        self._command = command
        self._name = ""
        env = folder / ".env"
        env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        env.chmod(0o644)  # the image's user reads it where it is mounted

    def start(self) -> None:
        # Docker mounts no memory but what is asked for. Podman's health check is asked by hand.
        own = ("--network=host", "--read-only-tmpfs=false", "--health-interval=disable")
        started = self._image.podman("run", "--detach", *own, *self._options, NAME, *self._command, cwd=self._folder)
        self._name = started.stdout.strip()
        if not self._command:
            until(self._is_ready, 60, "the gateway in the container")

    def _is_ready(self) -> bool:
        assert self.state()["Running"], f"it ended:\n{self.logs()}"
        try:
            return self.get("/health/ready").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self._name:
            self._image.podman("rm", "--force", "--time", "0", self._name)

    def exchange(self, asked: Asked, timeout: float) -> http.Answer:
        return http.request(self.port, *asked, timeout=timeout)

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._image.podman("container", "inspect", self._name).stdout)[0]["State"])

    def run(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """A command beside the gateway, as its user."""
        return self._image.podman("exec", self._name, *command, fails=fails)

    def health(self) -> int:
        """The exit status of the image's own health check."""
        return self._image.podman("healthcheck", "run", self._name, fails=True).returncode

    def changed(self) -> list[str]:
        """What differs from the image: `A path`, `C path`, `D path`."""
        return self._image.podman("diff", self._name).stdout.splitlines()

    def logs(self) -> str:
        """What it wrote to stdout."""
        return self._image.podman("logs", self._name).stdout

    def lines(self) -> list[dict[str, Any]]:
        return [parsed(line.encode()) for line in self.logs().splitlines()]

    def end(self) -> int:
        """SIGTERM, as `docker stop` sends it; the exit status."""
        self._image.podman("stop", "--time", "45", self._name)
        return int(self.state()["ExitCode"])
