"""What the proxy before the gateway passes on, and back: paths and header fields. Nobody is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

from gateway.doctor.before_gateway import through_public_url
from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.services import USERS
from gateway.traces import otlp

ODD_PATH = f"{USERS.path}/doctor%20%C3%A9//a"
"""A proxy that decodes paths, or joins slashes, changes it; a service might have such a path."""


@through_public_url
def passed_fields(deployment: Deployment) -> Iterator[Finding]:
    """One request that no gateway lets pass, whose error says what of it arrived."""
    settings = deployment.settings
    sent = {
        "Authorization": "Bearer doctor",
        "Origin": settings.frontend[0],
        "X-Request-Id": f"doctor-{token_hex(8)}",
        "Traceparent": f"00-{token_hex(16)}-{token_hex(8)}-01",
    }
    answer = deployment.ask(f"{settings.public_url}{USERS.path}/me", headers=sent)
    if not isinstance(answer, Answer) or not answer.error:
        yield _nobodys(answer.status if isinstance(answer, Answer) else None)
        return
    wrong = [*_authorization(answer), *_cors(answer, sent["Origin"]), *_request_id(answer, sent)]
    traced = settings.jaeger_endpoint or otlp.endpoint(settings.otel)
    if traced and settings.trusted_proxies and answer.error["traceId"] == sent["Traceparent"].split("-")[1]:
        wrong.append(_trace_context())
    yield from wrong
    if not wrong:
        yield good("fields through PUBLIC_URL", "Authorization, Origin and X-Request-Id are passed on")
    yield unknown(
        "X-Forwarded-Proto, X-Forwarded-Host",
        "the gateway tells services what arrives of them, and no answer does",
        "nginx: proxy_set_header X-Forwarded-Proto $scheme, X-Forwarded-Host $http_host (deploy/nginx)",
    )


def _nobodys(status: int | None) -> Finding:
    if status is None:
        return unknown("fields through PUBLIC_URL", "no answer to a request that is refused")
    return bad(
        "errors through PUBLIC_URL",
        f"status {status} to a request that the gateway refuses, and not the gateway's body",
        "the gateway's JSON, whose `code` a frontend reads",
        "nginx: no proxy_intercept_errors, auth_basic or auth_request before the gateway (deploy/nginx)",
    )


def _authorization(answer: Answer) -> Iterator[Finding]:
    if answer.error["code"] == "token_missing":
        yield bad(
            "Authorization through PUBLIC_URL",
            "does not arrive: every bearer token is missing",
            "as the client sent it",
            "nginx: no proxy_set_header Authorization, no auth_basic in the gateway's location (deploy/nginx)",
        )


def _cors(answer: Answer, origin: str) -> Iterator[Finding]:
    allowed = answer.all("access-control-allow-origin")
    if allowed != (origin,):
        yield bad(
            "CORS through PUBLIC_URL",
            f"Access-Control-Allow-Origin is {' and '.join(allowed) or 'missing'}: browsers refuse the answer",
            f"{origin}, once",
            "nginx: no add_header Access-Control-…, proxy_hide_header or proxy_set_header Origin: the gateway has CORS",
        )


def _request_id(answer: Answer, sent: dict[str, str]) -> Iterator[Finding]:
    fix = "nginx: proxy_set_header X-Request-Id $request_id, no proxy_hide_header (deploy/nginx)"
    given = answer.headers.get("x-request-id")
    if given is None:
        yield questionable("X-Request-Id", "is taken out of answers", "the id that the log has", fix)
    elif given == sent["X-Request-Id"]:
        yield questionable("X-Request-Id", "is what the client says: two requests can have one id", "the proxy's", fix)


def _trace_context() -> Finding:
    return questionable(
        "traceparent",
        "is what the client says: a client can have each of its requests sampled",
        "the proxy's, or none",
        'nginx: proxy_set_header traceparent "" (deploy/nginx), unless all clients are your own',
    )


@through_public_url
def passed_paths(deployment: Deployment) -> Iterator[Finding]:
    """Whether they arrive byte for byte: the error of one that does not exist has it."""
    check, answer = "paths through PUBLIC_URL", deployment.ask(deployment.settings.public_url + ODD_PATH)
    arrived = answer.error.get("path") if isinstance(answer, Answer) else None
    if arrived is None:
        yield unknown(check, f"no gateway's answer for {ODD_PATH}")
    elif arrived == ODD_PATH:
        yield good(check, "arrive byte for byte")
    else:
        yield bad(
            check,
            f"{ODD_PATH} arrives as {arrived}",
            "byte for byte, without the path of PUBLIC_URL",
            "nginx: proxy_pass without a path; deploy/nginx has the form for a gateway below /api",
        )


CHECKS = (passed_fields, passed_paths)
