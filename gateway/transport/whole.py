"""The fast path of a response: one that arrived whole, as nearly all do, is read by one expression.

It takes a third of what llhttp takes with its calls back (11 us less of a forwarded request). It accepts a strict
subset of what `parser` accepts, with the same result; whatever differs is left to that. A differential test holds the
two together.
"""

from __future__ import annotations

import re

from gateway.transport.head import HEADER_FIELDS, LINE_BYTES, Head, fields_of

_WHOLE = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)

# What says more of the body's end, or of the connection, than a length does.
_NEEDS_PARSER = frozenset({"transfer-encoding", "upgrade", "proxy-connection", "trailer"})


def whole_response(data: bytes) -> tuple[Head, bytes] | None:
    """Head and body of the response to a GET (not a HEAD) that `data` is, None where it is not exactly one with a
    Content-Length."""
    found = _WHOLE.match(data)
    if found is None or found.end() > LINE_BYTES:
        return None
    status = int(found[1])
    if status in (204, 304):
        return None
    headers = []
    for line in found[3].decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        headers.append((name, value.strip(" \t")))
    fields = fields_of(headers)
    length = fields.get("content-length", "")
    body = data[found.end() :]
    if not (length.isascii() and length.isdigit()) or len(length) > 10 or len(body) != int(length):
        return None
    if len(headers) > HEADER_FIELDS or not _NEEDS_PARSER.isdisjoint(fields):
        return None
    keeps_alive = fields.get("connection", "keep-alive").lower() == "keep-alive"
    return Head(status, found[2].decode("latin-1"), headers, fields, len(body), True, keeps_alive), body
