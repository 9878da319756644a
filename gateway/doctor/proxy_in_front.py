"""What the proxy before the gateway does: HTTP/2, sizes of bodies, uploads and event streams that it holds back."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from time import monotonic
from urllib.parse import urlsplit

from gateway.bind import address_of, asked_at
from gateway.config import Settings
from gateway.doctor.before_gateway import PROXY_SECONDS, answer_to, connection_to, through_public_url
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.services import MEDIA, USERS
from gateway.wiring.outbound import tls_of

_SILENCE = -1


@through_public_url
def http2(deployment: Deployment) -> Iterator[Finding]:
    """By ALPN (RFC 7301). A browser has six connections to one HTTP/1.1 server, and a stream keeps one."""
    settings = deployment.settings
    if not settings.public_url.startswith("https:"):
        return
    parts, context = urlsplit(settings.public_url), tls_of(settings)
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), PROXY_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            chosen = secured.selected_alpn_protocol()
    except OSError as error:
        yield unknown("HTTP/2", f"no TLS connection to PUBLIC_URL ({type(error).__name__})")
        return
    if chosen == "h2":
        yield good("HTTP/2", "offered")
        return
    yield questionable(
        "HTTP/2",
        "not offered: six event streams of one browser, in all its tabs, keep everything else waiting",
        "h2 by ALPN",
        "nginx: `listen 443 ssl http2`, from 1.25.1 on `http2 on` (deploy/nginx)",
    )


@through_public_url
def bodies(deployment: Deployment) -> Iterator[Finding]:
    """Whether they pass, as they come: only their size is sent."""
    settings = deployment.settings
    yield _body(settings, "body size", USERS.path, settings.max_body, "MAX_BODY_BYTES")
    if MEDIA.name in settings.services:
        yield _body(settings, "upload size", MEDIA.path, settings.max_upload, "MAX_UPLOAD_BYTES")


def _body(settings: Settings, check: str, path: str, limit: int, setting: str) -> Finding:
    """Nobody is signed in, so a gateway answers 401 to the head alone; nginx refuses a size before that."""
    status, by_gateway = _asked_with(settings, path, limit)
    if status == _SILENCE:
        return questionable(
            check,
            f"no answer in {PROXY_SECONDS:g} s to the head of a POST: the proxy waits for its whole body",
            "the gateway answers before the body comes",
            "nginx: proxy_request_buffering off (deploy/nginx): uploads fill its disk, and the gateway's limits come"
            " late",
        )
    if status == 413 and not by_gateway:
        return bad(
            check,
            f"the proxy refuses {limit} bytes, which the gateway accepts",
            f"{setting}, {limit}, or more",
            "nginx: client_max_body_size 0 (deploy/nginx): the gateway has the limits",
        )
    if not by_gateway:
        return unknown(check, f"status {status} for a POST to {path}, no gateway's answer")
    if _asked_with(settings, path, limit + 1) == (413, False):
        return questionable(
            check,
            f"the proxy refuses more than {limit} bytes itself",
            f"the gateway does ({setting}), in an answer that a frontend can read (CORS, JSON)",
            "nginx: client_max_body_size 0 (deploy/nginx)",
        )
    return good(check, f"{limit} bytes ({setting}) reach the gateway, as they come")


def _asked_with(settings: Settings, path: str, length: int) -> tuple[int, bool]:
    """Status of a POST that says its length and sends none of it (RFC 9110 section 10.1.1), _SILENCE where there is no
    answer; and whether a gateway gave it."""
    headers = {"Content-Length": str(length), "Content-Type": "application/json", "Expect": "100-continue"}
    with connection_to(settings.public_url, settings) as (connection, root):
        try:
            connection.putrequest("POST", f"{root}{path}/doctor")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = answer_to(connection)
            return answer.status, bool(answer.error)
        except TimeoutError:
            return _SILENCE, False
        except (OSError, HTTPException):
            return 0, False


@through_public_url
def event_streams(deployment: Deployment) -> Iterator[Finding]:
    """Whether one is held back."""
    yield _stream(deployment)


def _stream(deployment: Deployment) -> Finding:
    """Whether its beginning comes through as soon as from the gateway itself."""
    check, path, settings = "event streams", deployment.stream, deployment.settings
    if path is None or deployment.token is None:
        return unknown(
            check,
            "whether the proxy holds them back: the gateway has none of its own",
            "--stream PATH with --token, --user or --login opens one that a service has",
        )
    public = _begins_after(settings.public_url, path, deployment.token, settings)
    if isinstance(public, float):
        return good(check, f"{path} begins {public * 1000:.0f} ms after it is asked for")
    own = f"http://{address_of(asked_at(settings.host), settings.port)}"
    direct = _begins_after(own, path, deployment.token, settings)
    if isinstance(direct, str):
        return unknown(check, f"{path}: {public} through PUBLIC_URL, {direct} from the gateway itself")
    return bad(
        check,
        f"{path}: {public} through PUBLIC_URL, and from the gateway itself it begins after {direct * 1000:.0f} ms",
        "the same through PUBLIC_URL",
        "nginx: proxy_buffering off (deploy/nginx)",
    )


def _begins_after(base: str, path: str, token: str, settings: Settings) -> float | str:
    """Seconds until the first byte of the body of a stream; or why there is none."""
    began = monotonic()
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    with connection_to(base, settings) as (connection, root):
        try:
            connection.request("GET", root + path, headers=dict(headers))
            response = connection.getresponse()
            if response.status != 200:
                return f"status {response.status}"
            return monotonic() - began if response.read(1) else "an empty body"
        except TimeoutError:
            return f"nothing in {PROXY_SECONDS:g} s"
        except (OSError, HTTPException) as error:
            return f"no answer ({type(error).__name__})"


CHECKS = (http2, bodies, event_streams)
