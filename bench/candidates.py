"""What is compared: the gateway in three ways, bare Flask, Fastify where there is Node; and what is behind them all."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import cpu, node
from bench.failed import Failed
from bench.server import ROOT, Server, free_port
from bench.tokens import AUDIENCE, SESSION_SECRET, Issuer
from gateway.services import SERVICES


@dataclass(frozen=True)
class Behind:
    """Where the service, the issuer and a Redis are, and whose tokens are good there."""

    service: str
    issuer: Issuer
    redis: str


@contextmanager
def behind(cores: set[int], late: int) -> Iterator[Behind]:
    """The stub in a process of its own, until left; the service answers after `late` ms."""
    with cpu.pinned(cores):
        stub = subprocess.Popen(
            [sys.executable, "-m", "bench.stub", str(late)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
    assert stub.stdin is not None and stub.stdout is not None
    with stub, _redis(cores) as redis:
        service = f"http://127.0.0.1:{int(stub.stdout.readline())}"
        issuer = Issuer.at(service)
        print(json.dumps(issuer.documents()), file=stub.stdin, flush=True)
        stub.stdout.readline()
        yield Behind(service, issuer, redis)


@contextmanager
def _redis(cores: set[int]) -> Iterator[str]:
    """A Redis that keeps nothing, until left: its URL. Failed where there is none."""
    found, port = shutil.which("redis-server"), free_port()
    if found is None:
        raise Failed("redis-server is not here. Debian, Ubuntu: apt-get install redis-server")
    with tempfile.TemporaryDirectory() as folder, cpu.pinned(cores):
        command = [found, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                yield f"redis://127.0.0.1:{port}"
            finally:
                server.terminate()


def environment(peers: Behind, port: int, workers: int) -> dict[str, str]:
    """A deployment's settings. All candidates get them: requests looks through all variables for proxies."""
    return {
        "NODE_ENV": "development",  # http on loopback; everything else as in production
        "LOG_LEVEL": "info",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "KEYCLOAK_ISSUER_URL": peers.issuer.url,
        "KEYCLOAK_CLIENT_ID": AUDIENCE,
        "KEYCLOAK_CLIENT_SECRET": "client-secret-of-the-bench-0123456789",
        "KEYCLOAK_REDIRECT_URI": f"http://127.0.0.1:{port}/auth/callback",
        "JWT_AUDIENCE": AUDIENCE,
        "SESSION_SECRET": SESSION_SECRET,
        "FRONTEND_URL": "http://localhost:3000",
        **{spec.setting: peers.service for spec in SERVICES},
        "LOKI_HOST": peers.service,
        "JAEGER_ENDPOINT": f"{peers.service}/api/traces",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        # Counted as ever, reached never.
        "RATE_LIMIT_DEFAULT": "100000000 per minute",
        "RATE_LIMIT_MEDIA": "100000000 per minute",
        "RATE_LIMIT_AUTH": "100000000 per minute",
    }


@dataclass(frozen=True)
class Candidate:
    """`title` is what the report calls it, `command` what starts it on `$PORT`, `probe` a path that answers once it
    serves. Of the values of `changes`, which go over the environment, `redis` stands for the one there is."""

    title: str
    command: tuple[str, ...]
    probe: str = "/health/ready"
    changes: Mapping[str, str] = field(default_factory=dict)
    is_gateway: bool = False

    def start(self, peers: Behind, workers: int, cores: set[int], *more: str, **changes: str) -> Server:
        """It, serving; `more` are further arguments, `changes` go over its own."""
        port = free_port()
        changed = {name: peers.redis if value == "redis" else value for name, value in self.changes.items()}
        env = {**environment(peers, port, workers), **changed, **changes}
        command = [part.replace("$PORT", str(port)) for part in (*self.command, *more)]
        return Server(command, env, port, self.probe, cores)


_GUNICORN = (sys.executable, "-m", "gunicorn")
_BARE = ("-k", "gevent", "-b", "127.0.0.1:$PORT", "bench.bare:app")


def _gateway(title: str, **changes: str) -> Candidate:
    command = (*_GUNICORN, "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app")
    return Candidate(title, command, changes=changes, is_gateway=True)


CANDIDATES = {
    "gateway": _gateway("the gateway, everything on, tracing 10 %"),
    "redis": _gateway("the same, limits in Redis", REDIS_URL="redis"),
    "traced": _gateway("the same, limits in memory, tracing 100 %", OTEL_TRACES_SAMPLER="always_on"),
    "bare": Candidate("bare Flask + `requests.Session`, nothing else", (*_GUNICORN, *_BARE), "/"),
    **({"fastify": Candidate("Fastify with the gateway's duties, no tracing", node.COMMAND)} if node.COMMAND else {}),
}
"""By name."""
