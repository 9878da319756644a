"""Leases and values with an expiry: in Redis for several machines, otherwise in a file of this machine."""

from gateway.store.folder import StoreFault
from gateway.store.store import Store

__all__ = ["Store", "StoreFault"]
