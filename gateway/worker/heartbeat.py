"""A worker's sign of life for gunicorn's master, where no file can be made for it."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.workers.workertmp import WorkerTmp


class HeartbeatInMemory(WorkerTmp):
    """gunicorn's heartbeat without a directory (memfd_create(2)): a worker that is replaced while every directory is
    full, read-only or gone would otherwise end the master."""

    def __init__(self, cfg: Any) -> None:
        """AttributeError where the system has no such files."""
        file = os.memfd_create("api-gateway-heartbeat")
        os.fchown(file, cfg.uid, cfg.gid)
        self._tmp = os.fdopen(file, "w+b", 0)
