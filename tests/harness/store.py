"""A process with a `Store` of its own, patched by gevent as a worker is, told what to do line by line."""

import ast
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.repository import ROOT

SECRET = b"a secret of the tests, 32 bytes and more"


class StoreProcess:
    """`ask("add", "key", 5.0)` is `Store.add("key", 5.0)` over there; started with it, closed when the `with` ends.

    `took` is how long the last call took over there, in seconds.
    """

    def __init__(
        self, directory: Path | None, redis_url: str | None = None, secret: bytes = SECRET, **env: str
    ) -> None:
        self.took = 0.0
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                "harness.store",
                repr((secret, redis_url, directory and str(directory))),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **env, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        assert self._answer() == "started"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._output.close()
        assert code in (0, -9) or error is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, method: str, *values: Any) -> None:
        """Have it done without waiting for the answer: `receive` it later."""
        self._input.write(repr((method, values)).encode() + b"\n")
        self._input.flush()

    def receive(self) -> Any:
        return self._answer()

    def ask(self, method: str, *values: Any) -> Any:
        self.send(method, *values)
        return self._answer()

    def _answer(self) -> Any:
        line = self._output.readline()
        assert line, "the process with the store has ended"
        answer, self.took = ast.literal_eval(line.decode())
        return answer


def serve() -> None:
    """What runs over there. Besides the store's own: `lines` (level and text of all it logged), `healthy`, and

    - `many`: the answers of one call made by so many greenlets at once
    - `race`: which of so many numbered keys it could add
    - `counts`: what each of these keys came to, counted so often
    - `disk_full`: whether its files can not grow
    - `lag`: how long the loop stood still at most in so many calls
    """
    from gevent import monkey

    monkey.patch_all()
    import logging

    import gevent
    from gevent.fileobject import FileObjectThread

    from gateway.store import Store

    lines: list[tuple[str, str]] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))  # type: ignore[method-assign]
    logging.getLogger("gateway.store").addHandler(handler)
    logging.getLogger("gateway.store").setLevel(logging.DEBUG)
    logging.getLogger("gateway.store").propagate = False

    secret, redis_url, directory = ast.literal_eval(sys.argv[1])
    store = Store(secret, "tests", redis_url, directory and Path(directory))
    store.start()
    print(repr(("started", 0.0)), flush=True)

    def many(count: int, method: str, *values: Any) -> list[Any]:
        calls = [gevent.spawn(getattr(store, method), *values) for _ in range(count)]
        gevent.joinall(calls, raise_error=True)
        return [call.value for call in calls]

    def race(count: int) -> list[int]:
        return [number for number in range(count) if store.add(f"race-{number}", 60)]

    def counts(times: int, keys: list[str], amount: int, window: float) -> dict[str, list[int]]:
        seen: dict[str, list[int]] = {key: [] for key in keys}
        for _ in range(times):
            for key in keys:
                seen[key].append(store.count(key, amount, window)[0])
        return seen

    def lag(count: int, method: str, *values: Any) -> float:
        calls = [gevent.spawn(getattr(store, method), *values) for _ in range(count)]
        most = 0.0
        while not all(call.dead for call in calls):
            began = time.monotonic()
            gevent.sleep(0)
            most = max(most, time.monotonic() - began)
        return most

    def disk_full(full: bool) -> None:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else most, most))

    own: dict[str, Callable[..., Any]] = {
        "lines": lambda: lines, "many": many, "race": race, "healthy": lambda: store.healthy,
        "counts": counts, "disk_full": disk_full, "lag": lag,
    }  # fmt: skip
    for line in FileObjectThread(sys.stdin.fileno(), close=False):
        method, values = ast.literal_eval(line)
        began = time.monotonic()
        answer = own.get(method) or getattr(store, method)
        print(repr((answer(*values), time.monotonic() - began)), flush=True)
    store.close(time.monotonic() + 2)


if __name__ == "__main__":
    serve()
