"""Why there is no measurement."""


class Failed(Exception):
    """The measurement can not go on; the message is for the person who runs it."""
