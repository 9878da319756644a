"""A request as gunicorn parses it, and what of it gunicorn leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gunicorn.http import errors as parsing
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from gateway.worker.body import arriving

CHUNK_LINE_BYTES = 256


def connection_options(values: Iterable[str]) -> frozenset[str]:
    """The options of all `Connection` fields, in lower case: each is a list (RFC 9110 section 7.6.1)."""
    return frozenset(option.strip(" \t") for value in values for option in value.lower().split(","))


class StrictRequest(Request):
    """gunicorn's request, refused where its parser in C lets through what its parser in Python does not."""

    # `100 Continue` is said when the body is wanted, not when the head was read.
    _policy_expect_continue = False

    def _peer_is_trusted_proxy(self) -> bool:
        """Nobody is: no address of gunicorn.conf.py's, and not, as gunicorn has it, whoever comes by a Unix socket.
        TRUSTED_PROXIES says whose word counts. Parsing the peer's address to find that out costs 10 us."""
        return False

    def should_close(self) -> bool:
        """Whether the connection ends with this request (RFC 9112 section 9.3); gunicorn knows `close` only alone."""
        if self.must_close or self.method == "CONNECT":
            return True
        options = connection_options(value for name, value in self.headers if name == "CONNECTION")
        return "close" in options or (self.version <= (1, 0) and "keep-alive" not in options)

    def set_body_reader(self) -> None:
        for name, value in self.headers:
            if not name:
                raise parsing.ObsoleteFolding("")
            if name == "EXPECT" and value.lower() != "100-continue":
                raise parsing.ExpectationFailed("")
        codings = [value.lower() for name, value in self.headers if name == "TRANSFER-ENCODING"]
        if codings not in ([], ["chunked"]):
            raise parsing.UnsupportedTransferCoding("")
        super().set_body_reader()
        self.body: Any = arriving(self.body, self)
        if codings and self.body is not None:
            # A size is a few digits; extensions of gunicorn's 32 KiB for each byte would keep a worker busy.
            self.body.reader.limit_chunk_size_line = CHUNK_LINE_BYTES


class Parser(RequestParser):
    """gunicorn's parser of one connection's requests."""

    mesg_class = StrictRequest
