"""Leases and values with a life: in Redis for several machines, else in a file of this machine."""

from gateway.store.folder import StoreFault
from gateway.store.store import Store

__all__ = ["Store", "StoreFault"]
