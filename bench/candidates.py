"""The two that are compared, and the service and issuer behind both."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import cpu
from bench.server import ROOT, Server, free_port
from bench.tokens import AUDIENCE, Issuer


@dataclass(frozen=True)
class Behind:
    """Where the service and the issuer are, and whose tokens are good there."""

    service: str
    issuer: Issuer


@contextmanager
def behind(cores: set[int]) -> Iterator[Behind]:
    """The stub in a process of its own, until left."""
    with cpu.pinned(cores):
        stub = subprocess.Popen(
            [sys.executable, "-m", "bench.stub"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
    assert stub.stdin is not None and stub.stdout is not None
    with stub:
        service = f"http://127.0.0.1:{int(stub.stdout.readline())}"
        issuer = Issuer.at(service)
        print(json.dumps(issuer.documents()), file=stub.stdin, flush=True)
        stub.stdout.readline()
        yield Behind(service, issuer)


def environment(peers: Behind, port: int, workers: int) -> dict[str, str]:
    """A deployment's settings. Both candidates get them: requests looks through all variables for proxies."""
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
        "SESSION_SECRET": "session-secret-of-the-bench-0123456789",
        "FRONTEND_URL": "http://localhost:3000",
        "USER_SERVICE_URL": peers.service,
        "INTERVIEW_SERVICE_URL": peers.service,
        "MEDIA_SERVICE_URL": peers.service,
        # Counted as ever, reached never.
        "RATE_LIMIT_DEFAULT": "100000000 per minute",
        "RATE_LIMIT_MEDIA": "100000000 per minute",
        "RATE_LIMIT_AUTH": "100000000 per minute",
    }


def gateway(peers: Behind, workers: int, cores: set[int]) -> Server:
    """The gateway with everything on, started as in production."""
    port = free_port()
    arguments = ["-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
    return Server(arguments, environment(peers, port, workers), port, "/health/ready", cores)


def bare(peers: Behind, workers: int, cores: set[int]) -> Server:
    """`bench.bare` on gunicorn's own gevent worker."""
    port = free_port()
    arguments = ["-k", "gevent", "-b", f"127.0.0.1:{port}", "bench.bare:app"]
    return Server(arguments, environment(peers, port, workers), port, "/", cores)


CANDIDATES: dict[str, tuple[str, Callable[[Behind, int, set[int]], Server]]] = {
    "gateway": ("the gateway, everything on", gateway),
    "bare": ("bare Flask + `requests.Session`, nothing else", bare),
}
"""By name: what the report calls it, and how it is started."""
