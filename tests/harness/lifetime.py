"""What begins and ends with a `with`: servers in this process, clients in threads, servers that are not ours."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from harness.waiting import until


class Lifetime:
    """`start`, then `stop`, also where the start has failed. `stop` may be called more than once."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Threads(Lifetime):
    """Each of `work` runs in a thread of its own until `done` is set, which the end of the `with` does and waits."""

    def __init__(self, *work: Callable[[], None], name: str) -> None:
        self.done = threading.Event()
        self._threads = [threading.Thread(target=each, name=name) for each in work]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.done.set()
        for thread in self._threads:
            thread.join(20)


class Process(Lifetime):
    """A process that can hang and go on, and ends at once or in order."""

    def _signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        raise NotImplementedError

    def _wait(self) -> None:
        """Until it has ended."""
        raise NotImplementedError

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once, as a power cut would."""
        self._end(signal.SIGKILL)

    def shut_down(self) -> None:
        """In order, as an operator would."""
        self._end(signal.SIGTERM)

    def stop(self) -> None:
        self.shut_down()

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        self.go_on()
        self._wait()


class Server(Process):
    """A process that serves on ports which stay its own: started again it finds its files as they were left.
    One that takes over 20 seconds to end is killed.

    `command` runs in `folder`, where its output is the file `log`. `start` waits until `is_ready`, at most `seconds`.
    """

    seconds = 60.0

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def is_ready(self) -> bool:
        """Whether it serves; OSError counts as no (requests' errors are OSErrors)."""
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until(self._answers, self.seconds, f"{self._command[0]} to be ready")
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._command[0]} ended:\n{self.log[-3000:]}"
        try:
            return self.is_ready()
        except OSError:
            return False

    @property
    def log(self) -> str:
        """All it has written."""
        return (self.folder / "log").read_text()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
