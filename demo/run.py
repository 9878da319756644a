"""``python -m demo``: everything on one machine until Ctrl-C.

1. Every port is free, or its name and its part are printed.
2. The parts start, each as a process, with a folder that goes with them; each one answers.
3. What to try is printed.
4. A part that ends from now on is named, and started again by the key r and Enter: the others go on.
5. Ctrl-C or SIGTERM ends them all, the gateway first.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import requests

from demo.child import Child
from demo.introduction import introduction
from demo.keys import Keys
from demo.plan import Environment, Part, parts, read_environment, with_frontend
from demo.serve import listeners

START_PATIENCE = 60.0
STOP_PATIENCE = 15.0
PAUSE = 0.1


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


class Demo:
    """All children, and whether they may go on."""

    def __init__(self, wanted: tuple[Part, ...], environment: Environment, folder: Path) -> None:
        self.parts = wanted
        # One worker: without Redis each would count its own rate limits.
        own = {"DEMO_DATA": str(folder), "HOST": "127.0.0.1", "WEB_CONCURRENCY": "1"}
        self.environment = {**environment, **own}
        self.folder = folder
        self.children: list[Child] = []
        self.stopped = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: it only takes a note."""
        self.stopped = True

    def start(self) -> None:
        """Start all and see them answer; the gateway last, when what it needs is there."""
        for part in self.parts:
            if part.name == "gateway":
                self._wait_until_ready()
            self.children.append(Child(part, self.environment, self.folder))
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """``DemoError`` when one does not answer in time."""
        deadline = time.monotonic() + START_PATIENCE
        with requests.Session() as http:
            http.trust_env = False
            for child in self.children:
                self._wait(lambda part=child.part: _answers(http, part), deadline)  # type: ignore[misc]
                if not _answers(http, child.part):
                    raise DemoError(f"{child.part.name} does not answer at {child.part.ready}:\n{child.last_lines()}")

    def wait_for_the_end(self, keys: Keys, say: Callable[[str], None]) -> None:
        """Until a signal: whatever ends meanwhile is reported, and comes back when the key says so."""
        reported: set[Child] = set()
        while not self.stopped:
            for child in self.children:
                if child.exit_code is not None and child not in reported:
                    reported.add(child)
                    say(f"{child.part.name} ended with {child.exit_code} ({child.log}). Start it again: r and Enter.")
            if "r" in keys.read():
                self.start_again(say)
            time.sleep(PAUSE)
        raise KeyboardInterrupt

    def start_again(self, say: Callable[[str], None]) -> None:
        """Start every part that has ended."""
        for place, child in enumerate(self.children):
            if child.exit_code is not None:
                child.end(0)
                self.children[place] = Child(child.part, self.environment, self.folder)
                say(f"{child.part.name} starts again.")

    def pid(self, name: str) -> int:
        """The process of the part with this name."""
        return next(child.pid for child in self.children if child.part.name == name)

    def end(self) -> None:
        """The gateway first, so that nobody finds it with its services gone."""
        for child in reversed(self.children):
            child.ask_to_end()
            if child.part.name == "gateway":
                child.end(STOP_PATIENCE)
        for child in self.children:
            child.end(STOP_PATIENCE)

    def _wait(self, done: Callable[[], bool], deadline: float) -> None:
        """Until ``done`` or the deadline; ``KeyboardInterrupt`` or :class:`DemoError` when one is due."""
        while not done() and time.monotonic() < deadline:
            if self.stopped:
                raise KeyboardInterrupt
            for child in self.children:
                if child.exit_code is not None:
                    raise DemoError(
                        f"{child.part.name} ended with {child.exit_code}. It said last:\n{child.last_lines()}"
                    )
            time.sleep(PAUSE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="the whole flow on one machine")
    parser.add_argument("--shift", type=int, default=0, metavar="N", help="add N to every port")
    parser.add_argument(
        "--frontend",
        default="",
        metavar="URL",
        help="your own in place of the demo's page: http://localhost:5173, or http://localhost:5173/api where your"
        " server passes /api on to the gateway",
    )
    asked = parser.parse_args(arguments)
    shift = asked.shift
    if not -2999 <= shift <= 57_000:
        parser.error("--shift: from -2999 to 57000, so that every port is one")
    environment = read_environment(shift)
    try:
        if asked.frontend:
            environment = with_frontend(environment, asked.frontend)
    except ValueError as error:
        parser.error(str(error))
    try:
        run(environment)
    except DemoError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def run(environment: Environment) -> None:
    """The numbers are those of the module's docstring."""
    wanted = parts(environment)
    check_ports(wanted)  # 1
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        demo = Demo(wanted, environment, Path(folder))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, demo.stop)
        try:
            say("Starting …")
            demo.start()  # 2
            say(introduction(environment, demo.folder, demo.pid("users")))  # 3
            demo.wait_for_the_end(Keys(), say)  # 4
        except KeyboardInterrupt:
            say("\nStopping …")
        finally:
            demo.end()  # 5


def check_ports(wanted: tuple[Part, ...]) -> None:
    """``DemoError`` with a line for each port that is taken."""
    taken = []
    for part in wanted:
        try:
            for listener in listeners(part.port):
                listener.close()
        except OSError:
            taken.append(f"port {part.port} is taken; {part.name} needs it")
    if taken:
        raise DemoError("\n".join([*taken, "End what listens there, or move all ports: make demo SHIFT=100"]))


def say(text: str) -> None:
    print(text, flush=True)


def _answers(http: requests.Session, part: Part) -> bool:
    try:
        return http.get(part.ready, timeout=5).status_code < 400
    except requests.RequestException:
        return False
