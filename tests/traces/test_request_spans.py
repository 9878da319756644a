"""What a request's span says, whoever makes it: the gateway by hand, or the instrumentation of Flask."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.waiting import until
from harness.watchers import Watchers


@pytest.fixture(scope="module")
def watchers() -> Iterator[Watchers]:
    with Watchers() as running:
        yield running


@pytest.fixture(scope="module")
def traced(make_gateway: GatewayFactory, watchers: Watchers) -> Iterator[Gateway]:
    """It trusts the loopback as proxy."""
    env = {**watchers.env, "TRUSTED_PROXIES": "127.0.0.1", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with make_gateway(env) as running:
        yield running
    running.lines()


def server_span(watchers: Watchers, path: str) -> tuple[str, dict[str, Any]]:
    """The only span of the only request to this path."""

    def look() -> list[tuple[str, dict[str, Any]]]:
        return [span for span in watchers.spans() if span[1].get("url.path") == path]

    (found,) = until(look, 10, f"the span of {path}")
    return found


@pytest.mark.parametrize(
    ("path", "name"),
    [("/interviews/span-1", "GET /interviews/<id>"), ("/auth/session", "GET /auth/session")],
    ids=["by hand", "instrumented"],
)
def test_of_a_client_behind_a_proxy(traced: Gateway, watchers: Watchers, issuer: Issuer, path: str, name: str) -> None:
    """As the gateway knows it, not as the proxy's connection looks; nothing is the client's Host."""
    headers = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "User-Agent": "a-browser",
        "Host": "x.test",
    }
    assert traced.get(f"{path}?page=2", issuer.mint(sub="the-user"), headers).status == 200
    found, tags = server_span(watchers, path)
    assert found == name
    scope = tags.pop("otel.scope.name")
    tags.pop("otel.scope.version", None)
    assert scope == ("gateway" if "<" in name else "opentelemetry.instrumentation.flask")
    assert tags == {
        "span.kind": "server",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": name.partition(" ")[2],
        "url.path": path,
        "url.scheme": "https",
        "client.address": "192.0.2.7",
        "network.protocol.version": "1.1",
        "user_agent.original": "a-browser",
        "user.id": "the-user",
    }


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/made-up/span-2", "GET"),
        ("GET", "/auth/made-up/span-3", "GET"),
        ("MADEUP", "/interviews/span-4", "HTTP"),
        ("DELETE", "/auth/made-up/span-5", "DELETE"),
    ],
)
def test_no_client_makes_a_name_up(traced: Gateway, watchers: Watchers, method: str, path: str, name: str) -> None:
    """Jaeger keeps a list of all names."""
    assert traced.get(path, method=method).status in (404, 405, 501)
    assert server_span(watchers, path)[0] == name


@pytest.mark.parametrize(
    "path", ["/%61uth/session", "/auth%2Dsession", "/interviews/%61", "/%64ocs", "/auth/%73ession?a=b"]
)
def test_an_encoded_path_has_one_span(traced: Gateway, watchers: Watchers, issuer: Issuer, path: str) -> None:
    agent, later = f"agent of {path}", f"/later{path.partition('?')[0]}"
    assert traced.get(path, issuer.mint(), {"User-Agent": agent}).status in (200, 404)
    traced.get(later)
    server_span(watchers, later)
    tags = [tags for _, tags in watchers.spans() if tags.get("user_agent.original") == agent]
    assert [tag["span.kind"] for tag in tags] == ["server"], tags


@pytest.mark.parametrize("path", ["/auth/a%2fb", "/docs/%00", "/auth/x/../y"])
def test_a_request_that_is_refused_at_once_is_one_line(traced: Gateway, path: str) -> None:
    """Nothing besides from the instrumentation, which has no span of it."""
    trace_id = traced.get(path).json()["traceId"]
    traced.wait_line(lambda line: line.get("traceId") == trace_id and line.get("statusCode") == 400)
    lines = [line for line in traced.lines() if line.get("traceId") == trace_id]
    assert [line["level"] for line in lines] == ["info"], lines
