"""The gateway where files can not become as large as the shared table of counters: `harness.no_room:app`."""

import resource

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

from wsgi import app  # noqa: E402  (what it starts has to find the limit)

__all__ = ["app"]
