"""The gateway's client at Keycloak: its secret, and which addresses are registered. Nobody is signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode

from requests import RequestException

from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.errors import GatewayError
from gateway.oidc.advice import ADVICE, CLIENT_FIXES

NOBODYS_URI = "https://doctor.invalid/auth/callback"
_SETTINGS = "Clients > the client > Settings"
_OF_REFUSAL = {
    "invalid_client": "the client id is not known, or its secret is wrong",
    "unauthorized_client": "the secret is wrong, or the client may not sign users in",
    "invalid_request": "the client is not confidential",
}
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""


def credentials(deployment: Deployment) -> Iterator[Finding]:
    """Id and secret (or key): a code that was never given must be refused as a code, and not as a client."""
    if deployment.document() is None:
        return
    try:
        with deployment.grants() as grants:
            word = grants.refused(deployment.settings.redirect_uri)
    except (GatewayError, RequestException, ValueError, TypeError) as error:
        yield bad(
            "client",
            f"no useful answer of the token endpoint ({type(error).__name__})",
            "invalid_grant",
            "Keycloak's log",
        )
        return
    if word == "invalid_grant":
        yield good("client", f"{deployment.settings.client_id}: id and secret are accepted")
    else:
        found = _OF_REFUSAL.get(word, f"the token endpoint says {word or 'nothing'}")
        fix = CLIENT_FIXES.get(word, CLIENT_FIXES["invalid_client"])
        yield bad(
            "client", f"{deployment.settings.client_id}: {found} ({word})", "invalid_grant for a made-up code", fix
        )


def redirect_uri(deployment: Deployment) -> Iterator[Finding]:
    """Whether sign-ins may come back: the authorization endpoint is asked, and what it answers is not followed."""
    asked = _authorization(deployment, deployment.settings.redirect_uri)
    if asked is None:
        return
    uri = deployment.settings.redirect_uri
    if not isinstance(asked, Answer):
        yield unknown("redirect URI", f"the authorization endpoint does not answer here ({asked})")
        return
    error = _error_in_redirect(asked)
    if error:
        yield bad(
            "sign-in", f"the authorization endpoint says {error}", "a login page", ADVICE.get(error, _ADVICE_OF_ERROR)
        )
    elif asked.moved_to:
        yield _moved("redirect URI", "authorization", asked, deployment)
    elif asked.status < 400:
        yield good("redirect URI", f"{uri} is registered")
        yield from _anybodys(deployment)
    elif re.search(r"redirect[_ ]?uri", asked.text, re.IGNORECASE):
        yield bad(
            "redirect URI",
            f"{uri} is not registered",
            "the client's valid redirect URIs hold it",
            f"add it, character for character, to Valid redirect URIs ({_SETTINGS}), or correct KEYCLOAK_REDIRECT_URI",
        )
    else:
        yield bad(
            "client",
            f"the authorization endpoint knows no client {deployment.settings.client_id!r}",
            "a login page",
            "set KEYCLOAK_CLIENT_ID to the Client ID that Keycloak lists (Clients); it has to be enabled",
        )


def _moved(check: str, endpoint: str, answer: Answer, deployment: Deployment) -> Finding:
    """What stands before Keycloak has answered: whether the address is registered, that does not tell."""
    return unknown(
        check,
        f"the {endpoint} endpoint redirects to {answer.moved_to}",
        f"name that address in {deployment.keycloak_setting}, and in Keycloak's --hostname",
    )


_ADVICE_OF_ERROR = f"PKCE method S256 or none, and the scopes of KEYCLOAK_SCOPES ({_SETTINGS}, Advanced, Client scopes)"


def _anybodys(deployment: Deployment) -> Iterator[Finding]:
    other = _authorization(deployment, NOBODYS_URI)
    if isinstance(other, Answer) and other.status < 400 and not other.moved_to:
        yield questionable(
            "redirect URI",
            "any address is accepted",
            "the gateway's alone",
            f"take * out of Valid redirect URIs ({_SETTINGS}): whoever makes a user follow a link gets the code",
        )


def _authorization(deployment: Deployment, uri: str) -> Answer | str | None:
    """The answer of the authorization endpoint (RFC 6749 section 4.1.1), or why there is none; None where the document
    names none."""
    document = deployment.document()
    endpoint = document.get("authorization_endpoint") if document else None
    if not isinstance(endpoint, str):
        return None
    query = {
        "response_type": "code",
        "client_id": deployment.settings.client_id,
        "redirect_uri": uri,
        "scope": deployment.settings.scopes,
        "state": "doctor",
        "nonce": "doctor",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
    }
    answer = deployment.ask(f"{deployment.reached(endpoint)}?{urlencode(query)}")
    return answer if isinstance(answer, Answer) else answer.why


def _error_in_redirect(answer: Answer) -> str:
    """The error that a redirect carries (RFC 6749 section 4.1.2.1)."""
    query = answer.headers.get("location", "").partition("#")[0].partition("?")[2]
    return next(iter(parse_qs(query).get("error", ())), "")


def post_logout_uri(deployment: Deployment) -> Iterator[Finding]:
    """Whether a logout may come back to each frontend (OpenID Connect RP-Initiated Logout 1.0 section 2)."""
    document = deployment.document()
    endpoint = document.get("end_session_endpoint") if document else None
    if not isinstance(endpoint, str):
        return
    for frontend in deployment.settings.frontend:
        query = {"client_id": deployment.settings.client_id, "post_logout_redirect_uri": frontend + "/"}
        answer = deployment.ask(f"{deployment.reached(endpoint)}?{urlencode(query)}")
        if isinstance(answer, Answer) and answer.moved_to:
            yield _moved("post-logout URI", "end-session", answer, deployment)
        elif isinstance(answer, Answer) and answer.status < 400:
            yield good("post-logout URI", f"{frontend}/ is registered")
        elif isinstance(answer, Answer):
            yield bad(
                "post-logout URI",
                f"{frontend}/ is not registered",
                "users come back to the frontend after a logout",
                f"add {frontend}/* to Valid post logout redirect URIs ({_SETTINGS})",
            )
        else:
            yield unknown("post-logout URI", f"the end-session endpoint does not answer here ({answer.why})")


def back_channel(deployment: Deployment) -> Iterator[Finding]:
    """What Keycloak's documents do not tell."""
    document = deployment.document()
    if document is None:
        return
    path = f"{deployment.settings.public_url}/auth/backchannel-logout"
    if document.get("backchannel_logout_supported") is False:
        yield bad("back-channel logout", "Keycloak does not offer it", "it is on", "update Keycloak")
    else:
        yield unknown(
            "back-channel logout",
            "which URL the client has, Keycloak tells its administrators alone",
            f"Backchannel logout URL ({_SETTINGS} > Logout settings) has to be {path}, or another address of the"
            " gateway that Keycloak reaches; a sign-out in Keycloak then logs `action: backchannel_logout`",
        )


CHECKS = (credentials, redirect_uri, post_logout_uri, back_channel)
