"""The version is in one place, and what else says it says the same."""

import re

import yaml
from harness.gateway import StartGateway
from harness.repository import ROOT

from gateway.version import VERSION


def test_what_ships_names_it() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "Dockerfile").read_text()
    compose = (ROOT / "deploy" / "compose" / "compose.yml").read_text()
    assert set(re.findall(r"image: api-gateway:(\S+)", compose)) == {VERSION}
    base = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "base" / "kustomization.yaml").read_text())
    assert base["images"] == [{"name": "api-gateway", "newTag": VERSION}]


def test_the_changelog_begins_with_it_or_with_what_is_to_come() -> None:
    titles = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert VERSION in titles[:2]


def test_metric_and_start_line_tell_it(start_gateway: StartGateway) -> None:
    env = {"GATEWAY_REVISION": "abc1234", "METRICS_ALLOWED_NETWORKS": "127.0.0.1"}
    gateway = start_gateway({**env, "REDIS_URL": "redis://someone:of-redis@127.0.0.1:1/0"}, workers=2)
    line = f'gateway_build_info{{commit="abc1234",version="{VERSION}"}} 1.0'
    assert line in gateway.get("/metrics").text.splitlines(), "not the number of workers"
    said = gateway.wait_line(lambda one: one["message"] == f"Gateway: version {VERSION}, commit abc1234")
    assert (said["mode"], said["issuer"]) == ("development", gateway.env["KEYCLOAK_ISSUER_URL"])
    assert said["peers"]["redis"] == ["127.0.0.1:1"] and gateway.env["USER_SERVICE_URL"].endswith(
        said["peers"]["user-service"][0]
    )
    assert "of-redis" not in gateway.raw_output()
