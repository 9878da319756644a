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
"""No credentials required."""

SESSION_OR_BODY: list[Node] = [{"session": []}, {}]
"""The session cookie, or the body."""

ANY_OR_NONE: list[Node] = [{"bearer": []}, {"session": []}, {}]
"""Any credentials, or none."""

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
        "description": description + " A missing body counts as an empty object, `null` as absent.",
        "required": False,
        "content": content(ref("schemas", schema), example),
    }


def _login() -> Node:
    return _call(
        "login",
        "Start a sign-in",
        "The browser then opens `authUrl`. The cookie of the response binds the sign-in to this browser. It is valid"
        " for ten minutes, and a browser has at most five of them. With several frontends, the browser returns to the"
        " one whose `Origin` sends this call.",
        ANYONE,
        {
            "200": answered_here("The sign-in was started.", "LoginBegun", samples.LOGIN_BEGUN, "Set-Cookie"),
            **refused(*_OF_A_BODY, 502, 503),
        },
        requestBody=_sent("Where the browser returns to.", "Login", samples.LOGIN),
    )


def _callback() -> Node:
    query = [
        asked("state", "The value from `/auth/login`.", samples.STATE, required=True),
        asked("code", "Keycloak's authorization code.", "0c5b1f1e.f0d7.2c9a"),
        asked("iss", "The issuer (RFC 9207), which must be Keycloak's; required if Keycloak announces it.", _ISSUER),
        asked("error", "Keycloak's error, instead of a code.", "access_denied"),
    ]
    to_frontend = {
        "description": "For a browser that navigates here (`Sec-Fetch-Mode: navigate`, or `Accept` prefers"
        " `text/html`): a redirect to the frontend, signed in, or with `authError` in the query: `access_denied`,"
        " `expired`, `failed`, `unavailable` or `misconfigured`.",
        "headers": {
            **fields("Cache-Control", "Set-Cookie"),
            "Location": text("The frontend, at `returnTo`.", "https://app.example.com/interviews?authError=expired"),
        },
    }
    return _call(
        "callback",
        "Complete a sign-in",
        "Keycloak redirects the browser here. It works once, in the browser that started the sign-in. In any other"
        " browser the answer is 400, and the sign-in can still be completed.",
        ANYONE,
        {
            "200": answered_here(
                "For a program: tokens, and also cookies.", "SignedIn", samples.SIGNED_IN, "Set-Cookie"
            ),
            "303": to_frontend,
            **refused(*_OF_KEYCLOAK),
        },
        parameters=query,
    )


def _refresh() -> Node:
    over = refused_here(
        401, "The session is over, or there is none. The cookies of an ended session are removed.", "Set-Cookie"
    )
    return _call(
        "refresh",
        "Refresh the tokens",
        "With a refresh token in the body, the response contains the new tokens. With the session cookie, it sets new"
        " cookies and contains no token; this works only from a page of the frontend. All calls with the same refresh"
        " token within ten seconds get the same result.",
        SESSION_OR_BODY,
        {
            "200": {
                "description": "The tokens were renewed.",
                "headers": fields("Cache-Control", "Set-Cookie"),
                "content": {
                    JSON: {
                        "schema": {"oneOf": [ref("schemas", "Refreshed"), ref("schemas", "SessionRefreshed")]},
                        "examples": {
                            "Body": {"summary": "With a refresh token", "value": samples.REFRESHED},
                            "Cookie": {"summary": "With the session cookie", "value": {"expiresIn": 300}},
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
        "Ends the session at once: from now on, all of its tokens are answered with 401. Removes the cookies and, if"
        " Keycloak can be reached, ends the session there with its refresh token. To end the browser's own session at"
        " Keycloak, the browser then opens `endSessionUrl`. With a cookie, this works only from a page of the frontend."
        " A program sends its bearer token, which ends its tokens, and its refresh token, which is revoked.",
        ANY_OR_NONE,
        {
            "200": answered_here(
                "Signed out, also if nobody was signed in.", "LoggedOut", samples.LOGGED_OUT, "Set-Cookie"
            ),
            **refused(401, 403, 429, *_OF_A_BODY),
        },
        free=True,
        requestBody=_sent("The refresh token of a program.", "RefreshToken", {"refreshToken": samples.REFRESH_TOKEN}),
    )


def _backchannel_logout() -> Node:
    form = "application/x-www-form-urlencoded"
    return _call(
        "backchannelLogout",
        "Back-channel logout",
        "OpenID Connect Back-Channel Logout 1.0: only for Keycloak, which signs the token. A token with `sid` ends that"
        " session; a token with only `sub` ends all sessions of the user. A repeated token has no effect.",
        ANYONE,
        {"200": answered_here("The session is over.", "Done", {"message": "OK"}), **refused(413, 503)},
        requestBody={
            "description": "A form with the signed logout token.",
            "required": True,
            "content": content(ref("schemas", "LogoutToken"), {"logout_token": samples.LOGOUT_TOKEN}, form),
        },
    )


def _session() -> Node:
    examples = {
        "SignedIn": {"summary": "Signed in", "value": samples.SESSION},
        "Expired": {"summary": "The access token has expired", "value": {"authenticated": False, "refreshable": True}},
        "Nobody": {"summary": "Nobody is signed in", "value": {"authenticated": False}},
    }
    return _call(
        "session",
        "The signed-in user",
        "For the start of a frontend. It is no error if nobody is signed in; `refreshable` then means that"
        " `/auth/refresh` may restore the session.",
        ANY_OR_NONE,
        {
            "200": {
                "description": "The signed-in user, if there is one.",
                "headers": fields("Cache-Control"),
                "content": {JSON: {"schema": ref("schemas", "Session"), "examples": examples}},
            },
            **refused(503),
        },
    )
