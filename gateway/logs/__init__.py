"""Log lines on standard output: one JSON object and one `write` of at most 4,096 bytes each. Writing never blocks."""

from gateway.logs.lines import LOG_LINE_BYTES, ORIGIN, SERVICE, encode_line
from gateway.logs.records import GunicornLogger, JsonFormatter, StdoutHandler, configure, level_of, masters_relay
from gateway.logs.relay import Relay, RelayReader
from gateway.logs.uncaught import Uncaught
from gateway.logs.writer import LogWriter

__all__ = [
    "LOG_LINE_BYTES",
    "ORIGIN",
    "SERVICE",
    "GunicornLogger",
    "JsonFormatter",
    "LogWriter",
    "Relay",
    "RelayReader",
    "StdoutHandler",
    "Uncaught",
    "configure",
    "encode_line",
    "level_of",
    "masters_relay",
]
