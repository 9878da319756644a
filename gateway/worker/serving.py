"""The state that all connections of a worker share."""

from __future__ import annotations

import socket
from typing import Any, Protocol

from gunicorn.http import wsgi

from gateway.worker.places import Places
from gateway.worker.turns import Turns


class Worker(Protocol):
    """The interface of the worker for its connections."""

    alive: bool
    wsgi: Any
    cfg: Any
    log: Any

    def count_request(self) -> None:
        """Count a request; the worker is replaced after `max_requests`."""


class CachedConfig:
    """gunicorn's configuration with cached settings, whose lookups would cost 10 us a request. A reload starts new
    workers."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cfg, name)
        setattr(self, name, value)
        return value


class Serving:
    """The parts of the worker that a connection needs: the app, the limits of a head, the places and turns."""

    def __init__(self, worker: Worker, places: Places, turns: Turns) -> None:
        self.worker = worker
        self.app = worker.wsgi
        observability = worker.wsgi.extensions["gateway"].observability
        self.instruments = observability.instruments
        self.log_writer = observability.log_writer
        self.tracing = observability.tracing
        self.cfg = cfg = worker.cfg
        self.log = worker.log
        self.places = places
        self.turns = turns
        self.limits = {
            "limit_request_line": cfg.limit_request_line,
            "limit_request_fields": cfg.limit_request_fields,
            "limit_request_field_size": cfg.limit_request_field_size,
            "permit_unconventional_http_method": cfg.permit_unconventional_http_method,
        }
        self._base = {
            **wsgi.base_environ(cfg),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
        }

    def environ_of(self, client: socket.socket, listener: Any, addr: Any) -> dict[str, Any]:
        """The environ that all requests of a connection share (PEP 3333, RFC 3875)."""
        peer = {"REMOTE_ADDR": addr}
        if isinstance(addr, tuple):
            peer = {"REMOTE_ADDR": addr[0], "REMOTE_PORT": str(addr[1])}
        name, port = listener[:2] if isinstance(listener, tuple) else ("localhost", "")
        return {**self._base, **peer, "SERVER_NAME": name, "SERVER_PORT": str(port), "gunicorn.socket": client}
