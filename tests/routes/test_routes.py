"""Which calls there are, and whose they are; everything else is 404, 405 or 501."""

import pytest
from harness.gateway import Gateway, StartGateway
from harness.service import Service
from harness.waiting import until


@pytest.mark.parametrize(
    "path",
    [
        "/", "/nope", "/users", "/users/you", "/users/me/more", "/usersme", "/Users/me", "/interviewsx",
        "/media", "/media/", "/auth", "/auth/nope", "/health/nope", "/static/x", "/robots.txt",
    ],
)  # fmt: skip
def test_an_unknown_path_is_404(gateway: Gateway, services: dict[str, Service], token: str, path: str) -> None:
    answer = gateway.get(path, token)
    assert (answer.status, answer.json()["message"]) == (404, "Not found")
    assert answer.json()["path"] == path
    assert not any(service.requests for service in services.values())


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/users/me", {"GET", "PUT"}),
        ("DELETE", "/users/me", {"GET", "PUT"}),
        ("PATCH", "/users/me", {"GET", "PUT"}),
        ("PUT", "/interviews", {"GET", "POST"}),
        ("PATCH", "/interviews", {"GET", "POST"}),
        ("DELETE", "/interviews", {"GET", "POST"}),
        ("POST", "/interviews/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("POST", "/health", {"GET"}),
        ("GET", "/auth/login", {"POST"}),
        ("PUT", "/auth/session", {"GET"}),
    ],
)
def test_a_method_that_is_not_there_is_405(
    gateway: Gateway, services: dict[str, Service], token: str, method: str, path: str, allowed: set[str]
) -> None:
    answer = gateway.get(path, token, method=method)
    assert (answer.status, answer.json()["message"]) == (405, "Method not allowed")
    listed = {name.strip() for name in (answer.header("Allow") or "").split(",")}
    assert listed - {"HEAD", "OPTIONS"} == allowed
    assert not any(service.requests for service in services.values())


@pytest.mark.conformance("P11")
@pytest.mark.parametrize("path", ["/media/a", "/users/me", "/health/live", "/auth/login"])
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "BREW", "get", "GETS", "X-Y_z!"])
def test_an_unknown_method_is_refused(
    gateway: Gateway, services: dict[str, Service], token: str, method: str, path: str
) -> None:
    assert gateway.get(path, token, method=method).status in (405, 501)
    assert not any(service.requests for service in services.values())


FORWARDED = [
    ("users", "/users/me", ["GET", "PUT"]),
    ("interviews", "/interviews", ["GET", "POST"]),
    ("interviews", "/interviews/7f", ["GET", "PUT", "PATCH", "DELETE"]),
    ("interviews", "/interviews/7f/answers/1", ["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ("media", "/media/clips/1", ["GET", "POST", "PUT", "PATCH", "DELETE"]),
]


@pytest.mark.parametrize(
    ("name", "path", "method"),
    [(name, path, method) for name, path, methods in FORWARDED for method in [*methods, "HEAD"]],
)
def test_a_call_goes_to_the_service_that_owns_it(
    gateway: Gateway, services: dict[str, Service], token: str, name: str, path: str, method: str
) -> None:
    body = b'{"a": 1}' if method in ("POST", "PUT", "PATCH") else None
    answer = gateway.get(path + "?x=1", token, method=method, body=body)
    assert answer.status == 200
    until(lambda: services[name].requests)
    assert {other: len(service.requests) for other, service in services.items() if service.requests} == {name: 1}
    received = services[name].last
    assert (received.method, received.target) == (method, path.encode() + b"?x=1")
    assert received.body == (body or b"")


def test_media_without_a_service_is_404(start_gateway: StartGateway, token: str) -> None:
    gateway = start_gateway({"MEDIA_SERVICE_URL": None})
    assert gateway.get("/media/a", token).status == 404
