"""What one forwarded request does, counted: figures that no other work on the machine changes."""

import http.client
import json
import shutil
import signal
import subprocess
import tempfile
import time

from bench import cpu
from bench.candidates import CANDIDATES, Behind, behind
from bench.counting import COUNTED, WARM_UP
from bench.credentials import CREDENTIALS
from bench.failed import Failed
from bench.loads import SHAPES
from bench.server import Server

COLUMNS = {
    "calls": "Python function calls",
    "beside": "those beside it",
    "system": "system calls",
    "switches": "greenlet switches",
    "blocks": "allocated blocks",
    "deepest": "longest stack",
    "files": "files of ours",
}
NAMES = {
    "gateway": "not sampled, limits in memory",
    "redis": "not sampled, limits in Redis",
    "traced": "sampled, limits in memory",
}
_NEVER = {"OTEL_TRACES_SAMPLER": "always_off"}


def counts() -> str:
    """Markdown: a row for each way in which the gateway is measured; one connection, one request after the other."""
    servers_core, load_cores = cpu.cores()
    rows = []
    with behind(load_cores, 0) as peers:
        for name, title in NAMES.items():
            sampled = {} if name == "traced" else _NEVER
            more = ("-k", "bench.counting.CountingWorker")
            with CANDIDATES[name].start(peers, 1, servers_core, *more, **sampled) as server:
                found = _counted(server, peers) | {"system": _system_calls(server, peers)}
            rows.append([title, *(_figure(found[column]) for column in COLUMNS)])
    lines = [["", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _figure(value: float | None) -> str:
    return "no strace" if value is None else f"{value:.1f}".removesuffix(".0")


def _counted(server: Server, peers: Behind) -> dict[str, float | None]:
    _ask(server, peers, WARM_UP + COUNTED + 1)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for line in server.output.splitlines():
            if line.startswith('{"counted"'):
                found: dict[str, float | None] = json.loads(line)["counted"]
                return found
        time.sleep(0.05)
    raise Failed(f"the worker counted nothing:\n{server.output}")


def _system_calls(server: Server, peers: Behind) -> float | None:
    """Of the worker, its batches and its timers included; None without strace."""
    found = shutil.which("strace")
    if found is None:
        return None
    with tempfile.NamedTemporaryFile("r") as summary:
        command = [found, "-f", "-c", "-o", summary.name, "-p", str(server.workers[0])]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracing:
            assert tracing.stderr is not None
            if "attached" not in tracing.stderr.readline():
                return None  # it may not look at other processes
            _ask(server, peers, COUNTED)
            tracing.send_signal(signal.SIGINT)
        total = summary.read().splitlines()[-1]  # % time, seconds, usecs/call, calls, ...
    return int(total.split()[3]) / COUNTED


def _ask(server: Server, peers: Behind, count: int) -> None:
    shape = SHAPES["get"]
    name, _, value = CREDENTIALS[shape.credentials](peers.issuer, server.url)[0].partition(": ")
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(count):
        client.request(shape.method, shape.path, headers={name: value, "Origin": "http://localhost:3000"})
        if len(client.getresponse().read()) != shape.answer:
            raise Failed(f"an answer is not the service's:\n{server.output}")
    client.close()
