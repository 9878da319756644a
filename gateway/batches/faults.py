"""Why a batch was not delivered, by what to do with it. The message is for the log: a status, an error's type."""


class RetryableFailure(Exception):
    """The peer is away, or can not take anything now: the batch is kept."""


class PermanentFailure(Exception):
    """The peer will never take this batch: it is dropped."""
