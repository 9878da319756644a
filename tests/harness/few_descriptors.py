"""The gateway's app in a worker that has few descriptors: LIMIT is its hard limit.

A request for TAKE_ALL takes all that are left, for two seconds.
"""

import os
import resource
from collections.abc import Iterable
from typing import Any

import gevent

import wsgi

TAKE_ALL = "/take-all"


class FewDescriptors:
    """A WSGI app, as the worker wants it."""

    extensions = wsgi.app.extensions
    connection_context = wsgi.app.connection_context

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == TAKE_ALL:
            gevent.spawn(take_all)
        return wsgi.app(environ, start_response)


def take_all() -> None:
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        gevent.sleep(2)
    for descriptor in taken:
        os.close(descriptor)


limit = int(os.environ["LIMIT"])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
app = FewDescriptors()
