"""nginx's configuration agrees with the gateway's settings. A real nginx runs it in tests/real."""

import ast
import re

import pytest
from harness.repository import ROOT

from gateway.config.settings import Settings

NGINX = ROOT / "deploy" / "nginx"
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "k": 1024}
KEYCLOAK_SECONDS = 5
GUNICORN = ast.parse((ROOT / "gunicorn.conf.py").read_text())


def directives(name: str) -> list[str]:
    """The values of a directive, in every file."""
    texts = [file.read_text() for file in sorted(NGINX.rglob("*.conf"))]
    return [value for text in texts for value in re.findall(rf"^\s*{name}\s+([^;{{]+);", text, re.MULTILINE)]


def amount(value: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", value).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit or "s"]


def seconds(name: str) -> float:
    (value,) = directives(name)
    return amount(value)


def gunicorns(name: str) -> int:
    (value,) = [
        node.value for node in GUNICORN.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return int(ast.literal_eval(value))


def default(name: str) -> float:
    (field,) = [field for field in Settings.model_fields.values() if field.alias == name]
    return float(field.default)


def test_nginx_waits_longer_than_the_gateway_takes() -> None:
    """The gateway's own 504 reaches the client."""
    usual, *streams = map(amount, sorted(directives("proxy_read_timeout"), key=amount))
    assert default("PROXY_TOTAL_TIMEOUT") + KEYCLOAK_SECONDS <= usual <= 2 * default("PROXY_TOTAL_TIMEOUT")
    assert default("PROXY_READ_TIMEOUT") < usual, "of an answer that streams"
    assert streams and min(streams) >= 3600, "event streams, which may be silent"
    assert seconds("proxy_send_timeout") >= usual


def test_the_gateway_answers_408_itself() -> None:
    assert seconds("client_body_timeout") > max(default("BODY_TIMEOUT"), default("UPLOAD_TIMEOUT"))
    assert seconds("client_body_timeout") >= 60


def test_bodies_have_the_gateways_limits_alone() -> None:
    assert directives("client_max_body_size") == ["0"]
    assert directives("proxy_request_buffering") == directives("proxy_buffering") == ["off"]


def test_nginx_ends_idle_connections_before_the_gateway_does() -> None:
    assert min(map(amount, directives("keepalive_timeout"))) < gunicorns("keepalive")
    assert "keepalive_timeout 60s;" in (NGINX / "gateway.conf").read_text()


def test_a_head_that_nginx_takes_fits_the_gateway() -> None:
    (buffers,) = directives("large_client_header_buffers")
    assert amount(buffers.split()[1]) <= gunicorns("limit_request_field_size")


def test_no_gateway_is_ever_the_last_that_is_left_out() -> None:
    """Each of them is there twice: left out when it fails, and as a backup that never is."""
    servers = [value.split() for value in directives("server")]
    usual = {words[0] for words in servers if "backup" not in words}
    backup = {words[0] for words in servers if "backup" in words and "max_fails=0" in words}
    assert usual == backup and len(servers) == 2 * len(usual)
    assert {word for words in servers for word in words if word.startswith("fail_timeout")} == {"fail_timeout=10s"}


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_metrics_are_closed_by_prefix(prefix: str) -> None:
    assert f"location ^~ {prefix}/metrics {{ return 404; }}" in (NGINX / "gateway.conf").read_text()


def test_a_post_is_never_sent_twice() -> None:
    assert directives("proxy_next_upstream") == ["error timeout"]
