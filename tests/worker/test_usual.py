"""The usual request's short way against gunicorn's own parsers: what it takes, it reads as they do."""

import ast
import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from time import monotonic
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from harness.repository import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as some

from gateway.worker.reader import Reader
from gateway.worker.remembered import NAME_CHARACTERS, REMEMBERED_NAMES, Remembered
from gateway.worker.request import Parser, StrictRequest
from gateway.worker.response import CoalescedResponse
from gateway.worker.turns import Turns
from gateway.worker.usual import UsualRequest, usual_request

LIMITS = ("limit_request_line", "limit_request_fields", "limit_request_field_size", "permit_unconventional_http_method")
POLICY = ("forwarded_allow_ips", "forwarder_headers", "secure_scheme_headers", "header_map")
ADDRESS, LISTENER = ("127.0.0.1", 4711), ("127.0.0.1", 3001)
OWN = {"wsgi.input", "wsgi.errors", "wsgi.early_hints", "gunicorn.socket"}
"""What differs from request to request, or that nobody asks for."""


def configured() -> Mapping[str, Any]:
    """What gunicorn.conf.py says of heads."""
    module = ast.parse((ROOT / "gunicorn.conf.py").read_text())
    pairs = ((ast.unparse(node.targets[0]), node.value) for node in module.body if isinstance(node, ast.Assign))
    return {name: ast.literal_eval(value) for name, value in pairs if name in (*LIMITS, *POLICY)}


SETTINGS = configured()


def config(parser: str) -> Config:
    cfg = Config()
    for name, value in {**SETTINGS, "http_parser": parser}.items():
        cfg.set(name, value)
    return cfg


FAST = find_spec("gunicorn_h1c") is not None
"""Whether the parser in C is there (the extra `fast`); without it nothing takes the short way."""

CONFIGS = {"parser in Python": config("python")} | ({"parser in C": config("fast")} if FAST else {})


class Lasting:
    alive = True


class Wire:
    """A connection on which `data` has come, and nothing more will."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        theirs.close()
        self.turns = Turns()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()

    def reader(self) -> Reader:
        return Reader(self.ours, SETTINGS["limit_request_fields"], self.turns)


def base(cfg: Config) -> dict[str, Any]:
    own = {"SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "", "wsgi.url_scheme": "http"}
    peer = {"REMOTE_ADDR": ADDRESS[0], "REMOTE_PORT": str(ADDRESS[1])}
    return {**wsgi.base_environ(cfg), **own, **peer, "SERVER_NAME": LISTENER[0], "SERVER_PORT": str(LISTENER[1])}


def short_way(wire: Wire, data: bytes) -> tuple[UsualRequest | None, bytes]:
    """The request, if it is taken, and what is left of the bytes."""
    reader = wire.reader()
    limits = {name: SETTINGS[name] for name in LIMITS}
    request = usual_request(data, reader, base(CONFIGS["parser in Python"]), limits)
    return request, reader.take_buffered()


def long_way(wire: Wire, data: bytes, cfg: Config) -> tuple[StrictRequest, dict[str, Any], bytes]:
    """The same by gunicorn's parser and environ. Raises what the parser does."""
    parser = Parser(cfg, wire.ours, ADDRESS)
    reader = parser.unreader = wire.reader()
    reader.expect_head(monotonic() + 5, data)
    request = next(parser)
    environ = wsgi.create(
        request, wire.ours, ADDRESS, LISTENER, cfg, CoalescedResponse, (Lasting(), wire.turns)
    )[1]  # fmt: skip
    return request, environ, reader.take_buffered()


def agree(data: bytes) -> bool:
    """Whether the short way took it; AssertionError where gunicorn's parsers do not, or take something else."""
    with Wire() as wire:
        usual, left = short_way(wire, data)
        if usual is None:
            return False
        for name, cfg in CONFIGS.items():
            request, environ, rest = long_way(wire, data, cfg)
            assert {k: v for k, v in usual.environ.items() if k not in OWN} == {
                k: v for k, v in environ.items() if k not in OWN
            }, name
            assert usual.should_close() == request.should_close(), name
            assert (usual.method, usual.version) == (request.method, request.version), name
            assert usual.body.reader.length == request.body.reader.length, name
            assert left == rest, name
    return True


TARGETS = [
    b"/", b"//", b"/users/me", b"/media/a?b=c?d", b"/?", b"/a//b/../c/./d", b"/%41%2f%zz%", b"/%C3%A9;p=1", b"/a:b@c",
    b"//evil.test/x", b"/[", b"/]", b"/a#f", b"*", b"http://a.test/b", b"a.test:443", b"/\xe9", b"/a\x7f", b"/\t", b"",
    b"/" + b"a" * 8180, b"/" + b"a" * 8200,
]  # fmt: skip
NAMES_SENT = [
    b"Host", b"host", b"Cookie", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Expect",
    b"Content-Type", b"X-A", b"x-a", b"X_A", b"Content_Length", b"Script-Name", b"SCRIPT_NAME", b"Authorization",
    b"X-Forwarded-Proto", b"HTTPS", b"", b" X", b"X ", b"\xdf", b"X-" + b"a" * 300,
]  # fmt: skip
VALUES = [
    b"", b"a", b"0", b"3", b"03", b"+3", b"3, 3", b"9" * 18, b"9" * 19, b"9" * 5000, b"\xb2", b"close", b"Close, TE",
    b"keep-alive", b"keep-alive, close", b"closed", b"chunked", b"100-continue", b"a\tb", b" a ", b"\xe9", b"a\rb",
    b"a\x00b", b"a\x7fb", b"a=b; c=d", b"a" * 8000, b"a" * 40000,
]  # fmt: skip

lines = some.tuples(
    some.sampled_from(NAMES_SENT) | some.binary(max_size=6),
    some.sampled_from([b": ", b":", b" : ", b":\t", b""]),
    some.sampled_from(VALUES) | some.binary(max_size=12),
    some.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n ", b""]),
).map(b"".join)
starts = some.tuples(
    some.sampled_from([b"GET", b"POST", b"HEAD", b"CONNECT", b"get", b"M-SEARCH", b"A" * 30]) | some.binary(max_size=4),
    some.sampled_from([b" "] * 6 + [b"  ", b"\t"]),
    some.sampled_from(TARGETS) | some.binary(max_size=8).map(lambda more: b"/" + more),
    some.sampled_from(
        [b" HTTP/1.1\r\n"] * 8 + [b" HTTP/1.0\r\n", b" HTTP/1.10\r\n", b" http/1.1\r\n", b"\r\n", b" HTTP/1.1\n"]
    ),
).map(b"".join)
heads = some.tuples(
    some.sampled_from([b""] * 6 + [b"\r\n", b"\n", b" "]),
    starts,
    some.lists(lines, max_size=6).map(b"".join),
    some.sampled_from([b"\r\n"] * 6 + [b"\n", b""]),
    some.sampled_from([b"", b"abc", b"GET / HTTP/1.1\r\n\r\n"]),
).map(b"".join)


@some.composite
def mutated(draw: some.DrawFn) -> bytes:
    """A head in which a few bytes are others."""
    data = bytearray(draw(heads))
    for _ in range(draw(some.integers(0, 3))):
        at = draw(some.integers(0, len(data)))
        data[at : at + draw(some.integers(0, 2))] = draw(
            some.binary(max_size=2) | some.sampled_from([b"\r\n", b":", b","])
        )
    return bytes(data)


@pytest.mark.conformance("P5")
@settings(max_examples=1500)
@given(mutated())
@example(b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
@example(b"GET /a HTTP/1.1\r\nConnection: TE, Close\r\n\r\n")
def test_what_the_short_way_takes_gunicorn_reads_alike(data: bytes) -> None:
    agree(data)


USUAL = {
    "get": b"GET /users/me?a=%20 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n",
    "with a body": b"PUT /users/me HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\nabc",
    "the last of a connection": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "close in a list": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
    "others behind it": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "a name with an underscore": b"GET / HTTP/1.1\r\nHost: a\r\nX_A: b\r\nX-A: c\r\n\r\n",
    "a long name": b"GET / HTTP/1.1\r\nHost: a\r\nX-" + b"a" * 3000 + b": c\r\n\r\n",
}
OTHERS = {
    "not whole": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "two cookies": b"GET / HTTP/1.1\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n",
    "chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "expect": b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    "whole URI": b"GET http://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "long line": b"GET /" + b"a" * 8190 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "long field": b"GET / HTTP/1.1\r\nX: " + b"a" * 32768 + b"\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(101)) + b"\r\n",
    "length of 5,000 digits": b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", USUAL.values(), ids=USUAL)
def test_the_usual_is_taken(data: bytes) -> None:
    assert agree(data) == FAST


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_others_are_gunicorns(data: bytes) -> None:
    assert not agree(data)


def names() -> Iterator[str]:
    yield from (str(number) for number in range(3 * REMEMBERED_NAMES))


def test_made_up_names_do_not_stay() -> None:
    """Clients make them up: as many as they like, and of any length."""
    remembered = Remembered(str.upper)
    for name in names():
        assert remembered[name] == name.upper()
    assert len(remembered) <= REMEMBERED_NAMES
    assert remembered["a" * (NAME_CHARACTERS + 1)] == "A" * (NAME_CHARACTERS + 1)
    assert max(map(len, remembered)) <= NAME_CHARACTERS
