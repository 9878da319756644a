"""`/auth`: signing in and out."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import asked, fields
from blueprints.docs.openapi.nodes import JSON, Node, content, ref, text
from blueprints.docs.openapi.operations import own
from blueprints.docs.openapi.responses import answered_here, refused, refused_here

TAG: Node = {
    "name": "Sign-in",
    "description": "OAuth 2.0 code flow with PKCE, state and nonce, at Keycloak. A browser gets its tokens in cookies"
    " that no script can read; a program gets them in the body of `/auth/callback`.",
}

ANYONE: list[Node] = []
"""Needs no credentials."""

SESSION_OR_BODY: list[Node] = [{"session": []}, {}]
"""The session's cookie, or what the body holds."""

ANY_OR_NONE: list[Node] = [{"bearer": []}, {"session": []}, {}]
"""Whatever credentials there are."""

_ISSUER = "https://keycloak.example.com/realms/ai-video-interview"
_OF_A_BODY = (413, 415)
_OF_KEYCLOAK = (502, 503, 504)


def paths() -> Node:
    """The sign-in paths."""
    return {
        "/auth/login": {"post": _login()},
        "/auth/callback": {"get": _callback()},
        "/auth/refresh": {"post": _refresh()},
        "/auth/logout": {"post": _logout()},
        "/auth/backchannel-logout": {"post": _backchannel_logout()},
        "/auth/session": {"get": _session()},
    }


def _call(
    operation_id: str,
    summary: str,
    description: str,
    security: list[Node],
    answers: Node,
    *,
    free: bool = False,
    **more: object,
) -> Node:
    return own(
        TAG["name"], operation_id, summary, answers, free=free, description=description, security=security, **more
    )


def _sent(description: str, schema: str, example: Node) -> Node:
    return {
        "description": description + " No body is as an empty object, `null` as absent.",
        "required": False,
        "content": content(ref("schemas", schema), example),
    }


def _login() -> Node:
    return _call(
        "login",
        "Begin a sign-in",
        "The browser is to go to `authUrl`. The cookie that comes with the answer binds the sign-in to this browser;"
        " it lives ten minutes, and a browser has at most five of them. Of several frontends the one whose `Origin`"
        " sends this call is where the browser ends.",
        ANYONE,
        {
            "200": answered_here("The sign-in has begun.", "LoginBegun", samples.LOGIN_BEGUN, "Set-Cookie"),
            **refused(*_OF_A_BODY, 502, 503),
        },
        requestBody=_sent("Where to come back to.", "Login", samples.LOGIN),
    )


def _callback() -> Node:
    query = [
        asked("state", "As `/auth/login` gave it.", samples.STATE, required=True),
        asked("code", "Keycloak's authorization code.", "0c5b1f1e.f0d7.2c9a"),
        asked("iss", "The issuer (RFC 9207): has to be ours; required where Keycloak says that it sends it.", _ISSUER),
        asked("error", "What Keycloak refuses with, in place of a code.", "access_denied"),
    ]
    to_frontend = {
        "description": "To a browser that navigates here (`Sec-Fetch-Mode: navigate`, or `Accept` prefers"
        " `text/html`): back to the frontend, signed in, or with `authError` in the query: `access_denied`, `expired`,"
        " `failed`, `unavailable` or `misconfigured`.",
        "headers": {
            **fields("Cache-Control", "Set-Cookie"),
            "Location": text("The frontend, at `returnTo`.", "https://app.example.com/interviews?authError=expired"),
        },
    }
    return _call(
        "callback",
        "End a sign-in",
        "Where Keycloak sends the browser back to. Works once, in the browser that began it: any other is 400, and the"
        " sign-in stays usable.",
        ANYONE,
        {
            "200": answered_here("To a program: tokens, and cookies too.", "SignedIn", samples.SIGNED_IN, "Set-Cookie"),
            "303": to_frontend,
            **refused(*_OF_KEYCLOAK),
        },
        parameters=query,
    )


def _refresh() -> Node:
    over = refused_here(401, "The session is over, or there is none. The cookies of one that is over go.", "Set-Cookie")
    return _call(
        "refresh",
        "New tokens",
        "For the refresh token in the body: tokens in a body. For the session's cookie: new cookies, and no token in"
        " the body; only from a page of the frontend. Calls at the same time with one refresh token get one answer, and"
        " so does a call up to ten seconds later.",
        SESSION_OR_BODY,
        {
            "200": {
                "description": "They are renewed.",
                "headers": fields("Cache-Control", "Set-Cookie"),
                "content": {
                    JSON: {
                        "schema": {"oneOf": [ref("schemas", "Refreshed"), ref("schemas", "SessionRefreshed")]},
                        "examples": {
                            "Body": {"summary": "For a refresh token", "value": samples.REFRESHED},
                            "Cookie": {"summary": "For the session's cookie", "value": {"expiresIn": 300}},
                        },
                    }
                },
            },
            "401": over,
            **refused(403, *_OF_A_BODY, *_OF_KEYCLOAK),
        },
        requestBody=_sent("The refresh token of a program.", "RefreshToken", {"refreshToken": samples.REFRESH_TOKEN}),
    )


def _logout() -> Node:
    return _call(
        "logout",
        "Sign out",
        "Ends the session here at once: its tokens are 401 from now on, whoever has them. Removes the cookies and"
        " ends the session at Keycloak by its refresh token, if that can be reached. The browser may then"
        " go to `endSessionUrl` to end its session at Keycloak too. By cookie only from a page of the frontend. A"
        " program sends its bearer token and the refresh token: the one ends its tokens, the other is revoked.",
        ANY_OR_NONE,
        {
            "200": answered_here("Signed out, whoever it was.", "LoggedOut", samples.LOGGED_OUT, "Set-Cookie"),
            **refused(401, 403, 429, *_OF_A_BODY),
        },
        free=True,
        requestBody=_sent("The refresh token of a program.", "RefreshToken", {"refreshToken": samples.REFRESH_TOKEN}),
    )


def _backchannel_logout() -> Node:
    form = "application/x-www-form-urlencoded"
    return _call(
        "backchannelLogout",
        "Keycloak ends a session",
        "OpenID Connect Back-Channel Logout 1.0: for Keycloak alone, which signs the token. With `sid` that session is"
        " over, with `sub` alone all of the user's. The same token a second time does nothing.",
        ANYONE,
        {
            "200": answered_here("It is over.", "Done", {"message": "OK"}),
            **refused(413, 503),
        },
        requestBody={
            "description": "A form with the signed logout token.",
            "required": True,
            "content": content(ref("schemas", "LogoutToken"), {"logout_token": samples.LOGOUT_TOKEN}, form),
        },
    )


def _session() -> Node:
    examples = {
        "SignedIn": {"summary": "Signed in", "value": samples.SESSION},
        "Lapsed": {"summary": "The access token has lapsed", "value": {"authenticated": False, "refreshable": True}},
        "Nobody": {"summary": "Nobody", "value": {"authenticated": False}},
    }
    return _call(
        "session",
        "Who is signed in",
        "For a frontend that starts. Nobody is an answer and not an error; `refreshable` says that `/auth/refresh` may"
        " bring the session back.",
        ANY_OR_NONE,
        {
            "200": {
                "description": "Who it is, if anybody.",
                "headers": fields("Cache-Control"),
                "content": {JSON: {"schema": ref("schemas", "Session"), "examples": examples}},
            },
            **refused(503),
        },
    )
