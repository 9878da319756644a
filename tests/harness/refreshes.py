"""Refreshes that stand for themselves."""

import time

from gateway.sessions.refresh import JUST_BROUGHT_SECONDS


def later() -> None:
    """From here on a refresh asks the provider, also with a token that a refresh has just brought."""
    time.sleep(JUST_BROUGHT_SECONDS + 0.1)
