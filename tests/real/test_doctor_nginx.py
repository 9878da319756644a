"""`gateway doctor` through a real nginx: what it holds back, refuses, or does not offer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import replies
from harness.command import looked_at
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.nginx import Nginx
from harness.ports import free_port
from harness.service import Service

PROXY, SERVER, STREAM = "gateway-proxy.conf", "gateway-server.conf", "/interviews/events"
Changes = Mapping[str, Mapping[str, str]]


def through(folder: Path, gateway: Gateway, changes: Changes, token: str | None = None) -> Mapping[str, dict[str, Any]]:
    """What the doctor finds in front of the gateway, by check."""
    port = free_port()
    with Nginx(folder, port, (gateway.port, gateway.port), changes) as nginx:
        env = {
            "PUBLIC_URL": f"https://localhost:{port}", "CA_BUNDLE": str(nginx.certificate),
            "HOST": "127.0.0.1", "PORT": str(gateway.port), "MEDIA_SERVICE_URL": "http://127.0.0.1:1",
        }  # fmt: skip
        return looked_at("In front", env, *(("--token", token, "--stream", STREAM) if token else ()))


def stream(users: Service) -> None:
    """An event stream that begins at once, and goes on for longer than the doctor waits."""
    users.answer = replies.chunked(200, [("Content-Type", "text/event-stream")], [b": here\n\n"] * 25, 0.2)


def test_as_it_is_shipped_all_is_well(gateway: Gateway, issuer: Issuer, interviews: Service, tmp_path: Path) -> None:
    stream(interviews)
    found = through(tmp_path, gateway, {}, issuer.mint())
    for check in ("PUBLIC_URL", "HTTP/2", "body size", "upload size", "event streams"):
        assert found[check]["verdict"] == "ok", found[check]
    told = found["time-outs of the proxy"]
    assert told["verdict"] == "unknown" and "proxy_read_timeout over 60s" in told["fix"]


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "fix"),
    [
        ({"gateway.conf": {"ssl http2;": "ssl;"}}, "HTTP/2", "warning", "http2"),
        ({SERVER: {"client_max_body_size 0;": ""}}, "upload size", "problem", "client_max_body_size 0"),
        ({SERVER: {"client_max_body_size 0;": "client_max_body_size 1m;"}}, "body size", "warning", "client_max"),
        ({SERVER: {"client_max_body_size 0;": "client_max_body_size 1k;"}}, "body size", "problem", "client_max"),
        ({PROXY: {"proxy_request_buffering off;": ""}}, "upload size", "warning", "proxy_request_buffering off"),
    ],
    ids=["HTTP/1.1", "nginx's own size", "the gateway's size", "less", "whole uploads"],
)
def test_what_differs_is_named(
    gateway: Gateway, tmp_path: Path, changes: Changes, check: str, verdict: str, fix: str
) -> None:
    found = through(tmp_path, gateway, changes)
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
