"""Where a worker's time goes under load, function by function, by py-spy (a sampling profiler: pip install py-spy)."""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.failed import Failed
from bench.load import Load, judged
from bench.loads import SHAPES
from bench.server import Server

SHOWN = 40
_SAMPLES_PER_SECOND = 250


def profile(load: Load, server: Server, seconds: float, per_request: float) -> str:
    """The dearest functions by their own time and with all they call, in us of the `per_request` us of a request.

    Where a function waits in the kernel the wait counts as its own: on a busy machine that makes writes look dear.
    """
    stacks = _record(load, server, seconds)
    whole = sum(stacks.values())
    if not whole:
        raise Failed("py-spy took no sample: was there load?")
    alone: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for stack, count in stacks.items():
        alone[stack[-1]] += count
        for function in set(stack):
            inclusive[function] += count
    return "\n".join(
        text
        for title, found in (("by itself", alone), ("with all it calls", inclusive))
        for text in _lines(title, found, whole, per_request)
    )


def _lines(title: str, found: Counter[str], whole: int, per_request: float) -> Iterator[str]:
    yield f"\n     us      %  {title}, of {per_request:.0f} us a request ({whole} samples)"
    for function, count in found.most_common(SHOWN):
        yield f"{count / whole * per_request:7.1f}  {count / whole:5.1%}  {function}"


def _record(load: Load, server: Server, seconds: float) -> Counter[tuple[str, ...]]:
    """How often each stack (outermost function first) was found in the first worker."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise Failed("py-spy takes the profile and is not here: pip install py-spy")
    with tempfile.NamedTemporaryFile("r") as raw, load.start(server, SHAPES["get"], seconds + 2) as wrk:
        command = [
            found, "record", "--pid", str(server.workers[0]), "--duration", str(round(seconds)), "--nonblocking",
            "--rate", str(_SAMPLES_PER_SECOND), "--function", "--format", "raw", "--output", raw.name,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        output, _ = wrk.communicate()
        if done.returncode:
            raise Failed(f"py-spy failed (reading another process may need root):\n{done.stderr}")
        judged(output, server)
        stacks: Counter[tuple[str, ...]] = Counter()
        for line in raw:
            frames, _, count = line.rpartition(" ")
            stacks[tuple(frames.split(";"))] += int(count)
    return stacks
