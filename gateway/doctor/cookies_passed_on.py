"""Whether the cookies of a session get through the proxy before the gateway, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.wrappers import Response

from gateway.doctor.before_gateway import through_public_url
from gateway.doctor.deployment import Answer, Deployment, Silence
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.headers import LOGIN_COOKIE
from gateway.sessions.cookies import Cookies

COOKIE_SIZES = (12_000, 32_000)
"""Of cookies: what users with many roles have, and what a gateway accepts in one field."""

STALE_LOGINS = 60
"""So many cookies the gateway takes away at once: together as long as those of a sign-in with many roles."""

_MANY_ROLES = "a sign-in of a user with many roles"


@through_public_url
def request_cookies(deployment: Deployment) -> Iterator[Finding]:
    """How long they may be, in one field as browsers send them."""
    for size in COOKIE_SIZES:
        cookies = "; ".join(f"doctor{number}={'x' * 3_980}" for number in range(size // 4_000))
        answer = deployment.ask(deployment.settings.public_url + "/health/live", headers={"Cookie": cookies})
        if not isinstance(answer, Answer) or answer.status != 200:
            say = bad if size == COOKIE_SIZES[0] else questionable
            yield say(
                "cookies through PUBLIC_URL",
                f"{f'status {answer.status}' if isinstance(answer, Answer) else answer.why} for {size} bytes of them",
                "status 200, as from the gateway itself",
                "nginx: large_client_header_buffers 4 32k (deploy/nginx): users with many roles have as many",
            )
            return
    yield good("cookies through PUBLIC_URL", f"{COOKIE_SIZES[-1]} bytes of them reach the gateway")


@through_public_url
def response_cookies(deployment: Deployment) -> Iterator[Finding]:
    """How many may be set at once, and what becomes of their attributes: a sign-in is begun, and the cookies of others
    that were never finished are taken away."""
    settings = deployment.settings
    cookies = Cookies(settings.public_url, secure=settings.secure_cookies)
    stale = [f"{LOGIN_COOKIE}{'x' * 60}{number:04d}" for number in range(STALE_LOGINS)]
    answer = _begun(deployment, "; ".join(f"{cookies.name(name)}=x" for name in stale))
    if isinstance(answer, Answer) and answer.status >= 500 and not answer.error:
        alone = _begun(deployment, "")
        if isinstance(alone, Answer) and alone.status == 200:
            yield bad(
                "cookies set through PUBLIC_URL",
                f"status {answer.status} where the gateway sets {STALE_LOGINS} of them at once",
                f"as many as {_MANY_ROLES} sets",
                "nginx: proxy_buffer_size 32k, proxy_busy_buffers_size 64k (deploy/nginx)",
            )
            return
    if not isinstance(answer, Answer) or answer.status != 200:
        why = f"status {answer.status}" if isinstance(answer, Answer) else answer.why
        yield unknown("cookies set through PUBLIC_URL", f"no sign-in can be begun now ({why})")
        return
    yield _attributes(answer.all("set-cookie"), cookies, stale[0])


def _begun(deployment: Deployment, cookies: str) -> Answer | Silence:
    headers = {"Content-Type": "application/json", **({"Cookie": cookies} if cookies else {})}
    return deployment.ask(deployment.settings.public_url + "/auth/login", "POST", data=b"{}", headers=headers)


def _attributes(lines: tuple[str, ...], cookies: Cookies, stale: str) -> Finding:
    """Of the cookie that the sign-in has, against what the gateway writes."""
    check, like = "cookies set through PUBLIC_URL", Response()
    cookies.remove(like, {}, stale)
    wanted = _of_line(like.headers["Set-Cookie"])
    own = [line for line in lines if line.startswith(cookies.name(LOGIN_COOKIE))]
    if not own:
        return bad(
            check,
            "none of the gateway's arrives under its name",
            f"{cookies.name(LOGIN_COOKIE)}…",
            "nginx: no proxy_hide_header Set-Cookie, and no filter that renames cookies",
        )
    changed = {attribute for line in own for attribute in _of_line(line) ^ wanted}
    if changed:
        return bad(
            check,
            f"other attributes than the gateway wrote: {', '.join(sorted(changed))}",
            "; ".join(sorted(wanted)),
            "nginx: no proxy_cookie_path, proxy_cookie_domain or proxy_cookie_flags (deploy/nginx); the path of"
            " PUBLIC_URL is in the cookies already",
        )
    if len(own) == 1:
        return bad(
            check,
            "no cookie arrives at the gateway",
            "those that browsers send",
            "nginx: no proxy_set_header Cookie in the gateway's location",
        )
    return good(check, f"{len(own)} at once, attributes as the gateway wrote them")


def _of_line(line: str) -> set[str]:
    """The attributes of a Set-Cookie line that do not differ from cookie to cookie."""
    attributes = {part.strip() for part in line.split(";")[1:]}
    return {found for found in attributes if not found.lower().startswith(("expires=", "max-age="))}


CHECKS = (request_cookies, response_cookies)
