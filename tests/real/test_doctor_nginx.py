"""`gateway doctor` through a real nginx: what it holds back, refuses, or does not offer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import replies
from harness.command import looked_at
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.nginx import Nginx
from harness.ports import free_port
from harness.service import Service

PROXY, SERVER, STREAM = "gateway-proxy.conf", "gateway-server.conf", "/interviews/events"
Changes = Mapping[str, Mapping[str, str]]


RAW = "proxy_pass http://gateways;\n    }\n\n    location @"
DECODED = {"gateway.conf": {RAW: RAW.replace("gateways;", "gateways/;")}}
ADDRESSES = "clients' addresses"
CONNECTION = 'proxy_set_header Connection "";'
"""A line of the shipped configuration that another one can follow."""


def also(line: str) -> Changes:
    return {PROXY: {CONNECTION: f"{CONNECTION}\n{line}"}}


METRICS, ERROR = "location ^~ /metrics { return 404; }", "error_page 418 = @event_streams;"
OWN_ERRORS = {
    **also("proxy_intercept_errors on;"),
    "gateway.conf": {
        METRICS: f'{METRICS}\nlocation @own {{ return 401 "sign in"; }}',
        ERROR: f"{ERROR} error_page 401 @own;",
    },
}
STRIPPED = [
    ("Authorization", also('proxy_set_header Authorization "";'), "proxy_set_header Authorization"),
    ("CORS", also("add_header Access-Control-Allow-Origin * always;"), "add_header"),
    ("paths", DECODED, "proxy_pass without"),
    ("errors", OWN_ERRORS, "proxy_intercept_errors"),
    ("cookies", {SERVER: {"large_client_header_buffers 4 32k;": ""}}, "large_client_header_buffers"),
    ("cookies set", {PROXY: {"proxy_buffer_size 32k;": "proxy_buffer_size 4k;"}}, "proxy_buffer_size 32k"),
    ("cookies set", also("proxy_cookie_path / /api;"), "proxy_cookie_path"),
    ("cookies set", also("proxy_cookie_flags ~ nosecure;"), "proxy_cookie_flags"),
    ("cookies set", also('proxy_set_header Cookie "";'), "proxy_set_header Cookie"),
    ("cookies set", also("proxy_hide_header Set-Cookie;"), "proxy_hide_header"),
]
"""What nginx takes away: what the finding is about, the change, and what to do."""

SHARED = ("PUBLIC_URL", "TRUSTED_PROXIES", "BODY_TIMEOUT", "FRONTEND_URL")
"""Settings that the doctor has from the gateway."""


@pytest.fixture(scope="module")
def ours() -> Mapping[str, str]:
    """The gateway's own; nginx is at PUBLIC_URL."""
    return {"PUBLIC_URL": f"https://localhost:{free_port()}", "TRUSTED_PROXIES": "127.0.0.1", "BODY_TIMEOUT": "1"}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, ours: Mapping[str, str]) -> Iterator[Gateway]:
    with make_gateway(ours) as running:
        yield running


def through(
    folder: Path,
    gateway: Gateway,
    changes: Changes,
    token: str | None = None,
    env: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
) -> Mapping[str, dict[str, Any]]:
    """What the doctor finds in front of the gateway, by check."""
    port = urlsplit(gateway.env["PUBLIC_URL"]).port or 443
    with Nginx(folder, port, (gateway.port, gateway.port), changes) as nginx:
        env = {
            **{name: gateway.env[name] for name in SHARED}, "CA_BUNDLE": str(nginx.certificate),
            "HOST": "127.0.0.1", "PORT": str(gateway.port), "MEDIA_SERVICE_URL": "http://127.0.0.1:1", **(env or {}),
        }  # fmt: skip
        return looked_at("In front", env, *arguments, *(("--token", token, "--stream", STREAM) if token else ()))


def stream(users: Service) -> None:
    """An event stream that begins at once, and goes on for longer than the doctor waits."""
    users.answer = replies.chunked(200, [("Content-Type", "text/event-stream")], [b": here\n\n"] * 25, 0.2)


def test_as_it_is_shipped_all_is_well(gateway: Gateway, issuer: Issuer, interviews: Service, tmp_path: Path) -> None:
    stream(interviews)
    found = through(tmp_path, gateway, {}, issuer.mint())
    for check in ("PUBLIC_URL", "HTTP/2", "body size", "upload size", "event streams"):
        assert found[check]["verdict"] == "ok", found[check]
    for check in ("fields through", "cookies through", "cookies set through"):
        assert found[f"{check} PUBLIC_URL"]["verdict"] == "ok", found
    assert found["clients' addresses"]["verdict"] == "ok" and "127.0.0.77" in found["clients' addresses"]["found"]
    assert found["time-outs of the proxy"]["verdict"] == "ok", found
    told = found["proxy_read_timeout"]
    assert told["verdict"] == "unknown" and "proxy_read_timeout over 60s" in told["fix"]
    assert {check for check, row in found.items() if row["verdict"] in ("problem", "warning")} == {"NODE_ENV"}


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "fix"),
    [
        ({"gateway.conf": {"ssl http2;": "ssl;"}}, "HTTP/2", "warning", "http2"),
        ({SERVER: {"client_max_body_size 0;": ""}}, "upload size", "problem", "client_max_body_size 0"),
        ({SERVER: {"client_max_body_size 0;": "client_max_body_size 1m;"}}, "body size", "warning", "client_max"),
        ({SERVER: {"client_max_body_size 0;": "client_max_body_size 1k;"}}, "body size", "problem", "client_max"),
        ({PROXY: {"proxy_request_buffering off;": ""}}, "upload size", "warning", "proxy_request_buffering off"),
        *((change, f"{what} through PUBLIC_URL", "problem", fix) for what, change, fix in STRIPPED),
        ({SERVER: {"buffers 4 32k;": "buffers 4 16k;"}}, "cookies through PUBLIC_URL", "warning", "buffers 4 32k"),
        ({PROXY: {" X-Request-Id $request_id": " X-Request-Id $http_x_request_id"}}, "X-Request-Id", "warning", "$req"),
        ({PROXY: {CONNECTION: "proxy_hide_header X-Request-Id;"}}, "X-Request-Id", "warning", "proxy_hide_header"),
        ({PROXY: {"X-Forwarded-For $remote_addr": "X-Forwarded-For $http_x_forwarded_for"}}, ADDRESSES, "problem",
         "$remote_addr"),
    ],
    ids=["HTTP/1.1", "nginx's own size", "the gateway's size", "less", "whole uploads", *(row[0] for row in STRIPPED),
         "long cookies", "a client's id", "no id", "a client's address"],
)  # fmt: skip
def test_what_differs_is_named(
    gateway: Gateway, tmp_path: Path, changes: Changes, check: str, verdict: str, fix: str
) -> None:
    found = through(tmp_path, gateway, changes)
    assert check in found, [(r["check"], r["found"]) for r in found.values()]
    assert found[check]["verdict"] == verdict and fix in found[check]["fix"], found
    assert found["event streams"]["verdict"] == "unknown" and "--stream" in found["event streams"]["fix"]


def test_a_stream_that_is_held_back_is_named(
    gateway: Gateway, issuer: Issuer, interviews: Service, tmp_path: Path
) -> None:
    stream(interviews)
    told = through(tmp_path, gateway, {PROXY: {"proxy_buffering off;": ""}}, issuer.mint())["event streams"]
    assert told["verdict"] == "problem" and "proxy_buffering off" in told["fix"], told


def test_a_stream_that_says_nothing_anywhere_is_not_nginxs_fault(
    gateway: Gateway, issuer: Issuer, interviews: Service, tmp_path: Path
) -> None:
    interviews.answer = replies.sized(404)
    told = through(tmp_path, gateway, {}, issuer.mint())["event streams"]
    assert told["verdict"] == "unknown" and told["found"].count("status 404") == 2


def test_a_proxy_that_is_not_trusted_is_named(
    start_gateway: StartGateway, ours: Mapping[str, str], tmp_path: Path
) -> None:
    """Its address is that of every client: the doctor's own limit is spent by who asks through it."""
    gateway = start_gateway({**ours, "TRUSTED_PROXIES": ""})
    told = through(tmp_path, gateway, {}, env={"TRUSTED_PROXIES": ""})[ADDRESSES]
    assert told["verdict"] == "problem" and "TRUSTED_PROXIES=127.0.0.1" in told["fix"], told


def test_a_time_out_that_is_shorter_than_the_gateways_is_named(
    start_gateway: StartGateway, ours: Mapping[str, str], tmp_path: Path
) -> None:
    own = {"BODY_TIMEOUT": "10"}
    changes = {SERVER: {"client_body_timeout 75s;": "client_body_timeout 1s;"}}
    told = through(tmp_path, start_gateway({**ours, **own}), changes, env=own)["time-outs of the proxy"]
    assert told["verdict"] == "problem" and "client_body_timeout over 60s" in told["fix"], told


@pytest.mark.parametrize("status", [401, 502])
def test_an_answer_of_the_proxys_own_is_no_time_out(gateway: Gateway, tmp_path: Path, status: int) -> None:
    refused = f"{METRICS}\nlocation = /auth/refresh {{ return {status}; }}"
    told = through(tmp_path, gateway, {"gateway.conf": {METRICS: refused}})["time-outs of the proxy"]
    assert told["verdict"] == "unknown" and told["found"].endswith(f"(status {status})"), told


def test_what_small_limits_do_not_tell_is_unknown(
    start_gateway: StartGateway, ours: Mapping[str, str], tmp_path: Path
) -> None:
    """Of requests, and of the doctor's time."""
    own = {"RATE_LIMIT_DEFAULT": "20 per minute", "RATE_LIMIT_AUTH": "1 per minute", "BODY_TIMEOUT": "30"}
    gateway = start_gateway({**ours, **own})
    assert gateway.get("/auth/login", method="POST", headers={"X-Forwarded-For": "127.0.0.1"}).status == 200
    found = through(tmp_path, gateway, {}, env=own, arguments=("--limit", "6"))
    for check, fix in ((ADDRESSES, "`a proxy at`"), ("time-outs of the proxy", "--limit 36")):
        assert found[check]["verdict"] == "unknown" and fix in found[check]["fix"], found
    assert found["cookies set through PUBLIC_URL"]["verdict"] == "unknown"
