"""Telling a client that a session is over (OIDC Back-Channel Logout 1.0, 2.5)."""

from __future__ import annotations

import logging

import requests

log = logging.getLogger(__name__)


def notify(url: str, logout_token: str, timeout: float) -> None:
    """Post the token and wait for the answer, as Keycloak does; tried once, a failure is only logged."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the machine has no business between the two
        try:
            answer = session.post(url, data={"logout_token": logout_token}, timeout=timeout, allow_redirects=False)
        except requests.RequestException as error:
            log.warning("back-channel logout: no answer from %s (%s)", url, type(error).__name__)
            return
    if answer.status_code != 200:
        log.warning("back-channel logout: %s answered %d", url, answer.status_code)
