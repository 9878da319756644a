"""Background delivery: bounded queues that are sent in batches to a peer, with retries."""

from gateway.batches.batches import Batches
from gateway.batches.bounds import Bounds, Pace
from gateway.batches.faults import PermanentFailure, RetryableFailure
from gateway.batches.post import place, post

__all__ = ["Batches", "Bounds", "Pace", "PermanentFailure", "RetryableFailure", "place", "post"]
