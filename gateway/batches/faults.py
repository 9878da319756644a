"""Failures of delivery, by whether a retry helps. The message is for the log: a status, or the type of an error."""


class RetryableFailure(Exception):
    """The peer is down, or cannot accept anything now: the batch is kept."""


class PermanentFailure(Exception):
    """The peer will never accept this batch: it is dropped."""
