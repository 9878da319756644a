"""Limits of this process, and of those that it starts meanwhile."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def soft_limit(kind: int, soft: int) -> Iterator[None]:
    """Lower the soft limit of `kind` (resource.RLIMIT_…); the hard one could not be raised again.

    With RLIMIT_FSIZE a write beyond `soft` bytes fails as on a full file system.
    """
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)
