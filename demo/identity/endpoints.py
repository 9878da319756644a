"""The realm's pages and endpoints under Keycloak's paths."""

from __future__ import annotations

from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from demo.identity import discovery
from demo.identity.provider import Provider
from demo.identity.server import ClientLogout, Server
from demo.identity.sessions import Session
from demo.identity.tokens import profile_claims

COOKIE = "KEYCLOAK_IDENTITY"
PROTOCOL = "/protocol/openid-connect"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

realm = Blueprint("realm", __name__, template_folder="templates")


def provider() -> Provider:
    return cast(Provider, current_app.extensions["provider"])


def server() -> Server:
    return cast(Server, current_app.extensions["server"])


@realm.before_request
def count() -> None:
    provider().count(str(request.endpoint).removeprefix("realm."))


@realm.after_request
def protect(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "realm.certs":
        response.headers["Cache-Control"] = "no-store"
    return response


@realm.get("/.well-known/openid-configuration", endpoint="discovery")
def describe() -> dict[str, Any]:
    return discovery.document(provider().settings, request.host_url.rstrip("/"))


@realm.get(f"{PROTOCOL}/certs")
def certs() -> dict[str, Any]:
    return provider().keys.jwks()


@realm.get(f"{PROTOCOL}/auth")
def auth() -> BaseResponse:
    """The login form, or straight back for a browser that is signed in."""
    session = browser_session()
    try:
        grant = server().get_consent_grant(end_user=session)
    except OAuth2Error as error:
        return refused(error)
    if session is None or grant.prompt is not None:
        return form()
    return signed_in(grant, session)


@realm.post("/login-actions/authenticate")
def login() -> BaseResponse:
    """The filled-in form, with the query of the authorization request."""
    try:
        grant = server().get_consent_grant()
    except OAuth2Error as error:
        return refused(error)
    if "cancel" in request.form:
        return authorization(grant, None)
    user = provider().user(request.form.get("username", ""), request.form.get("password", ""))
    if user is None:
        return form(wrong=True)
    return signed_in(grant, provider().sessions.begin(user, browser=True))


@realm.post(f"{PROTOCOL}/token")
def token() -> BaseResponse:
    response: BaseResponse = server().create_token_response()
    origin = request.headers.get("Origin")
    if origin in provider().settings.cors_origins:
        response.headers["Access-Control-Allow-Origin"] = str(origin)
        response.headers["Vary"] = "Origin"
    return response


@realm.post(f"{PROTOCOL}/revoke")
def revoke() -> BaseResponse:
    return cast(BaseResponse, server().create_endpoint_response("revocation"))


@realm.route(f"{PROTOCOL}/userinfo", methods=["GET", "POST"])
def userinfo() -> BaseResponse:
    """OIDC Core, 5.3."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    claims = provider().read_access(value) if scheme.lower() == "bearer" else None
    session = provider().sessions.get(claims["sid"]) if claims else None
    if claims is None or session is None:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return make_response(jsonify(error="invalid_token"), 401, challenge)
    return jsonify(sub=session.user.id, **profile_claims(session.user, claims["scope"]))


@realm.route(f"{PROTOCOL}/logout", methods=["GET", "POST"])
def logout() -> BaseResponse:
    """The end of a session (OIDC RP-Initiated Logout 1.0, 2); asked for without a hint, it is confirmed. A client ends
    one by its refresh token, as at Keycloak."""
    if "refresh_token" in request.form:
        return cast(BaseResponse, server().create_endpoint_response(ClientLogout.ENDPOINT_NAME))
    try:
        asked = server().validate_endpoint_request("end_session")
    except OAuth2Error as error:
        return refused(error)
    session = browser_session()
    if asked.needs_confirmation and session is not None:
        if "confirm" not in request.form:
            return page("logout.html", done=False)
        provider().end_session(session.sid)
    response = server().create_endpoint_response("end_session", asked) or page("logout.html", done=True)
    response.delete_cookie(COOKIE, path=realm_path())
    return cast(BaseResponse, response)


def browser_session() -> Session | None:
    return provider().sessions.of_browser(request.cookies.get(COOKIE, ""))


def signed_in(grant: Any, session: Session) -> BaseResponse:
    response = authorization(grant, session)
    response.set_cookie(COOKIE, session.browser, path=realm_path(), httponly=True, samesite="Lax")
    return response


def authorization(grant: Any, session: Session | None) -> BaseResponse:
    return cast(BaseResponse, server().create_authorization_response(grant=grant, grant_user=session))


def form(wrong: bool = False) -> BaseResponse:
    query = request.query_string.decode("latin-1")
    action = f"{realm_path()}/login-actions/authenticate?{query}"
    return page("login.html", action=action, wrong=wrong, name=request.form.get("username", ""))


def refused(error: OAuth2Error) -> BaseResponse:
    """Back to the client where its redirect URI was good, else a page."""
    if not error.redirect_uri:
        return page("error.html", 400, message=error.description or error.error)
    status, _, headers = error()
    response = redirect(dict(headers)["Location"], status)
    server().execute_hook("after_create_authorization_response", response)  # adds iss
    return response


def page(template: str, status: int = 200, **values: Any) -> BaseResponse:
    return make_response(render_template(template, realm=provider().settings.realm, **values), status)


def realm_path() -> str:
    return f"/realms/{provider().settings.realm}"
