"""Whether HOST and PORT can be bound: tried, and let go at once."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from time import monotonic, sleep

from gateway.config import Problem

PATIENCE_SECONDS = 5.0
"""How long a start waits for a port that the gateway before it has not let go yet; gunicorn itself waits as long."""

ASK_SECONDS = 1.0
_RETRY_SECONDS = 0.25
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Bound:
    """What binding showed."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class BindTrial:
    """How to try. `starts`: gunicorn will bind it next, so that whoever listens there is in the way. `own`: the address
    at which the asking master listens already. `elsewhere`: gunicorn listens at another address than the settings'
    (`--bind`, a socket of systemd's): nothing is tried."""

    starts: bool = False
    own: str = ""
    elsewhere: bool = False

    def result(self, host: str, port: int) -> Bound:
        """Try it."""
        address = address_of(host, port)
        if self.elsewhere or address == self.own:
            return Bound()
        due = monotonic() + (PATIENCE_SECONDS if self.starts else 0.0)
        while (error := _bind_error(host, port)) is not None and error.errno == errno.EADDRINUSE and monotonic() < due:
            sleep(_RETRY_SECONDS)
        if error is None:
            return Bound()
        if error.errno == errno.EADDRINUSE and self.own.rpartition(":")[2] == str(port):
            told = f"a reload cannot change it to {host}, as the workers listen at {self.own} until they end: restart"
            return Bound((Problem("HOST", told),))
        if error.errno == errno.EADDRINUSE and not self.starts and not self.own:
            who = _who_listens(host, port)
            if who is not None:
                return Bound(warnings=(Problem("PORT", f"{address} is taken: {who}"),))
        return Bound(problems=tuple(_problems(error, host, port)))


def address_of(host: str, port: int) -> str:
    """`host:port` as gunicorn takes it; an IPv6 address goes in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def asked_at(host: str) -> str:
    """The host at which this machine finds what listens at `host`."""
    return _ANY.get(host, host)


def _bind_error(host: str, port: int) -> OSError | None:
    """Why it cannot be bound, None where it can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        return error
    except (UnicodeError, ValueError):  # what is no name
        return OSError(errno.EADDRNOTAVAIL, "no address")
    return None


def _problems(error: OSError, host: str, port: int) -> Iterator[Problem]:
    if error.errno == errno.EADDRINUSE:
        yield Problem(
            "PORT", f"{port} is taken by another process (`ss -ltnp 'sport = :{port}'` names it): stop it, or set PORT"
        )
    elif error.errno in (errno.EACCES, errno.EPERM):
        yield Problem(
            "PORT",
            f"{port} may not be bound by this user: take one of 1024 or above (nginx or the container engine has 443),"
            " or give it CAP_NET_BIND_SERVICE",
        )
    else:
        yield Problem("HOST", f"{host!r} is no address of this machine: 0.0.0.0 or :: listens at all of them")


def _who_listens(host: str, port: int) -> str | None:
    """What listens there, as far as its answer tells; None if it is no gateway."""
    with (
        suppress(OSError, ValueError, http.client.HTTPException),
        closing(http.client.HTTPConnection(asked_at(host), port, timeout=ASK_SECONDS)) as connection,
    ):
        try:
            connection.request("GET", "/health/live")
            with connection.getresponse() as answer:
                if answer.status == 200 and json.loads(answer.read(1000)) == {"status": "ok"}:
                    return "a gateway listens there, this one if it runs; another one prevents a start"
        except TimeoutError:
            return f"what listens there did not answer within {ASK_SECONDS:g} s: a busy gateway, or another process"
    return None
