"""A process with a `Store` of its own, patched by gevent as a worker is, told what to do line by line."""

import ast
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.asked import AskedProcess, answer

SECRET = b"a secret of the tests, 32 bytes and more"


class StoreProcess(AskedProcess):
    """`ask("add", "key", 5.0)` is `Store.add("key", 5.0)` over there; closed when the `with` ends."""

    def __init__(
        self, directory: Path | None, redis_url: str | None = None, secret: bytes = SECRET, **env: str
    ) -> None:
        super().__init__("harness.store", (secret, redis_url, directory and str(directory)), env)


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
    answer(lambda name: own.get(name) or getattr(store, name))
    store.close(time.monotonic() + 2)


if __name__ == "__main__":
    serve()
