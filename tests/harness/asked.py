"""A Python process that is told what to do line by line, for what needs a process of its own."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from harness.lifetime import Lifetime
from harness.repository import ROOT


class AskedProcess(Lifetime):
    """`module` is run as a program, with `told` as its argument, and calls `answer`. It is up when this is made.

    `ask("add", "key", 5.0)` is the call of `add` over there; `took` is how long the last call took there, in seconds.
    """

    def __init__(self, module: str, argument: object, env: Mapping[str, str] | None = None) -> None:
        self.took = 0.0
        self._killed = False
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", module, repr(argument)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {}), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        assert self.receive() == "started"

    def stop(self) -> None:
        """It ends by itself when there is nothing more to do; AssertionError where it does not end well."""
        self._input.close()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._output.close()
        assert code == 0 or self._killed

    def kill(self) -> None:
        self._killed = True
        self._process.kill()
        self._process.wait()

    def send(self, method: str, *values: Any) -> None:
        """Have it done without waiting for the answer: `receive` it later."""
        self._input.write(repr((method, values)).encode() + b"\n")
        self._input.flush()

    def receive(self) -> Any:
        line = self._output.readline()
        assert line, "the process has ended"
        value, self.took = ast.literal_eval(line.decode())
        return value

    def ask(self, method: str, *values: Any) -> Any:
        self.send(method, *values)
        return self.receive()


def answer(method: Callable[[str], Callable[..., Any]], output: IO[str] | None = None) -> None:
    """Over there: say that it has started, then call what is asked for until nobody asks any more."""
    from gevent.fileobject import FileObjectThread

    print(repr(("started", 0.0)), file=output, flush=True)
    for line in FileObjectThread(sys.stdin.fileno(), close=False):
        name, values = ast.literal_eval(line)
        began = time.monotonic()
        print(repr((method(name)(*values), time.monotonic() - began)), file=output, flush=True)
