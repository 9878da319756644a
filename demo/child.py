"""A process that the demo started, with its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from demo.plan import ROOT, Environment, Part

TETHERED = (sys.executable, "-m", "demo.tether")


class Child:
    """One running part, in a session of its own: Ctrl-C reaches the demo alone, which ends it in order."""

    def __init__(self, part: Part, environment: Environment, folder: Path) -> None:
        self.part = part
        self.log = folder / f"{part.name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                TETHERED + part.command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.poll()

    def last_lines(self, count: int = 15) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:]) or "(it said nothing)"

    def ask_to_end(self) -> None:
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, patience: float) -> None:
        """Wait so many seconds, then kill it and whatever it started."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
