"""gunicorn's request, with the checks that gunicorn lacks."""

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
    """gunicorn's request, also refused if its parser in C accepts what its parser in Python does not."""

    # `100 Continue` is sent when the body is read, not after the head.
    _policy_expect_continue = False

    def _peer_is_trusted_proxy(self) -> bool:
        """Never: no address is trusted, nor is every peer on a Unix socket, as in gunicorn. TRUSTED_PROXIES decides.
        Parsing the peer's address to find that out would cost 10 us."""
        return False

    def should_close(self) -> bool:
        """Whether the connection ends with this request (RFC 9112 section 9.3); gunicorn only knows `close` alone."""
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
            # A size has a few digits; gunicorn's 32 KiB of extensions per byte would keep a worker busy.
            self.body.reader.limit_chunk_size_line = CHUNK_LINE_BYTES


class Parser(RequestParser):
    """gunicorn's parser of one connection's requests."""

    mesg_class = StrictRequest
