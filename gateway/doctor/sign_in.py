"""One real sign-in, for its tokens: with a test user's password in Keycloak's form, or in a browser.

The code never reaches the gateway: the form's redirect is not followed, and a browser keeps it in the fragment. PKCE,
nonce and the ID token are checked as the gateway does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from secrets import token_urlsafe
from urllib.parse import parse_qs, urljoin, urlsplit

from requests import RequestException

from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad
from gateway.errors import GatewayError
from gateway.oidc import Grants, SessionOver, TokenAnswer
from gateway.tokens import InvalidToken
from gateway.transport import Timeouts
from gateway.urls import place_of
from gateway.wiring.sign_in import id_tokens_of

STEPS = 5
"""Pages from the form to the callback: a redirect or two."""

PAGE_BOUNDS = Timeouts(connect=3.0, read=20.0, total=25.0)
"""Of one page, in seconds: a Keycloak that has just started compiles its first page for some seconds."""


class SignInFault(Exception):
    """It brought no token; `finding` says why."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.finding: Finding = bad("sign-in", found, "an access token", fix)


class _Form(HTMLParser):
    """The action of the form that has a password field."""

    def __init__(self) -> None:
        super().__init__()
        self._action = ""
        self.action = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag == "form":
            self._action = fields.get("action") or ""
        elif tag == "input" and fields.get("type") == "password":
            self.action = self._action


def by_form(deployment: Deployment, user: str, password: str) -> TokenAnswer:
    """The tokens of a test user's sign-in, whose session at Keycloak is ended. Raises SignInFault."""

    def land(url: str) -> str:
        visitor = _Visitor(deployment, url)
        page = visitor.go(url)
        form = _Form()
        form.feed(page.text)
        if not form.action:
            raise SignInFault(f"no form for a password (status {page.status})", "see the findings about the client")
        landed = visitor.follow(urljoin(visitor.at, form.action), {"username": user, "password": password})
        if landed is None:
            raise SignInFault(
                f"Keycloak does not let {user} in",
                "the password; required actions of the user (Users > the user > Details)",
            )
        return landed

    return _signed_in(deployment, land, ends=True)


def by_browser(deployment: Deployment, land: Callable[[str], str]) -> TokenAnswer:
    """The tokens of a sign-in that begins at the URL which `land` is given, and ends at the one it returns. The
    browser's session at Keycloak is left: it may be older than this sign-in, and in use. Raises SignInFault.

    The code comes in the fragment (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1), which the browser
    sends to no server: a gateway that runs does not take it, and redirects keep it.
    """
    return _signed_in(deployment, lambda url: land(url + "&response_mode=fragment"), ends=False)


def _signed_in(deployment: Deployment, land: Callable[[str], str], *, ends: bool) -> TokenAnswer:
    """`ends`: the session at Keycloak, which this sign-in began."""
    state, nonce, verifier = (token_urlsafe(32) for _ in range(3))
    try:
        with deployment.grants() as grants:
            url = grants.authorization_url(deployment.settings.redirect_uri, state, nonce, verifier)
            landed = _parameters(land(url))
            if landed.get("state") != [state] or "code" not in landed:
                error = re.sub(r"[^a-z_]", "", landed.get("error", [""])[0])
                raise SignInFault(f"Keycloak sends back {error or 'no code'}", "see the findings about the client")
            answer = _exchanged(grants, deployment, landed["code"][0], verifier)
            if ends and answer.refresh_token is not None:
                grants.end_session(answer.refresh_token)
        return _judged(answer, deployment, nonce)
    except (GatewayError, RequestException, ValueError) as error:
        raise SignInFault(
            f"Keycloak gives no token ({type(error).__name__})", "see the findings about Keycloak"
        ) from None


def _parameters(url: str) -> dict[str, list[str]]:
    """Those of a query and a fragment; none where it is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {}
    return parse_qs(f"{parts.query}&{parts.fragment}")


def _exchanged(grants: Grants, deployment: Deployment, code: str, verifier: str) -> TokenAnswer:
    try:
        return grants.exchange(code, deployment.settings.redirect_uri, verifier)
    except SessionOver:
        raise SignInFault("Keycloak refuses the code", "it is used once, within a minute: try again") from None


def _judged(answer: TokenAnswer, deployment: Deployment, nonce: str) -> TokenAnswer:
    """The answer, whose ID token is good."""
    with deployment.keycloak() as keys:
        try:
            id_tokens_of(deployment.settings, keys).verify(answer.id_token, answer.access_token, nonce)
        except InvalidToken as refusal:
            raise SignInFault(
                f"the ID token is refused: {refusal.explanation or refusal.reason}",
                "no user can sign in with it: see the findings about Keycloak's keys, and KEYCLOAK_CLIENT_ID",
            ) from None
    return answer


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


class _Visitor:
    """A browser, as far as Keycloak's form needs one: cookies are kept, also `Secure` ones on the loopback. They and
    the password go to Keycloak alone: to the issuer, and to where the sign-in begins (`url`)."""

    def __init__(self, deployment: Deployment, url: str) -> None:
        self._deployment = deployment
        self._origins = {_origin(known) for known in (url, deployment.settings.issuer, deployment.keycloak_url)}
        self._cookies: dict[str, str] = {}
        self.at = ""

    def go(self, url: str, form: dict[str, str] | None = None) -> Answer:
        """One page."""
        if _origin(url) not in self._origins:
            raise SignInFault(
                f"the login page leads to another host ({place_of(url) or 'no URL'})",
                "--login signs you in there, in a browser; take a user whose password Keycloak itself has",
            )
        self.at = url
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = self._deployment.ask(
            self._deployment.reached(url),
            "POST" if form else "GET",
            data=form,
            timeout=PAGE_BOUNDS,
            headers={"Cookie": cookie} if cookie else {},
        )
        if not isinstance(answer, Answer):
            raise SignInFault(f"the login page does not answer ({answer.why})", "see the findings about Keycloak")
        for line in answer.all("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name.strip()] = value
        return answer

    def follow(self, url: str, form: dict[str, str]) -> str | None:
        """The address that leads back to the gateway, which is not gone to; None where the form is shown again."""
        answer = self.go(url, form)
        for _ in range(STEPS):
            location = answer.headers.get("location")
            if location is None:
                return None
            location = urljoin(self.at, location)
            if location.startswith(self._deployment.settings.redirect_uri):
                return location
            answer = self.go(location)
        return None
