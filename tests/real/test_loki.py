"""A real Loki: the lines are found again, as they were written, and so are those of a whole gateway."""

import json
import logging
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from harness.command import looked_at
from harness.gateway import Gateway, StartGateway
from harness.issuer import Issuer
from harness.load import Load
from harness.loki import Loki
from harness.shipping import ShippingProcess
from harness.waiting import until

ALL = '{service="api-gateway"}'


@pytest.fixture
def loki(tmp_path: Path) -> Iterator[Loki]:
    with Loki(tmp_path) as running:
        yield running


def numbers(loki: Loki, tenant: str | None = None) -> list[int]:
    """Of the lines that `put` writes, in the order of their times."""
    messages = [json.loads(line)["message"] for _, line in loki.lines(ALL, tenant)]
    return [int(message.split()[1]) for message in messages if message.startswith("line ")]


def test_lines_are_found_as_they_were_written(loki: Loki, tmp_path: Path) -> None:
    with ShippingProcess(tmp_path, loki=loki.url) as shipping:
        shipping.put(0, 1000)
        shipping.ask("say", "gateway.tests", logging.WARNING, 'Ünïcode \0 ☃ "quoted"')
        shipping.ask("gunicorn", "of gunicorn's own")
    until(lambda: len(loki.lines(ALL)) == 1002, 10)
    found = loki.lines(ALL)
    assert [line for _, line in found] == shipping.stdout.read_text().splitlines()
    for at, line in found:
        written = json.loads(line)["timestamp"]
        assert abs(at / 1e9 - seconds_of(written)) < 1
    assert [json.loads(line)["message"] for _, line in loki.lines('{level="warn"}')] == ['Ünïcode \0 ☃ "quoted"']
    (line,) = [line for _, line in loki.lines(ALL + ' | json | message="line 17"')]
    assert json.loads(line)["message"] == "line 17"


def seconds_of(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def test_a_tenant_has_its_own(tmp_path: Path) -> None:
    with Loki(tmp_path, tenants=True) as loki:
        with ShippingProcess(tmp_path, loki=loki.url, tenant="ours") as shipping:
            shipping.put(0, 10)
        until(lambda: numbers(loki, "ours") == list(range(10)), 10)
        assert not loki.lines(ALL, "theirs")
        (tmp_path / "other").mkdir()
        with ShippingProcess(tmp_path / "other", loki=loki.url) as shipping:
            shipping.put(0, 10)
            until(lambda: shipping.dropped == 10, 10)
            ((_, reported),) = shipping.logged()
            assert "(status 401)" in reported


def test_the_doctor_reads_a_line_back(tmp_path: Path) -> None:
    with Loki(tmp_path, tenants=True) as loki:
        found = looked_at("Logs and traces", {"LOKI_HOST": loki.url, "LOKI_TENANT": "ours"})
        assert found["Loki"]["verdict"] == found["Loki's lines"]["verdict"] == "ok", found
        assert "read back" in found["Loki's lines"]["found"]
        ((_, line),) = loki.lines(ALL, "ours")
        assert json.loads(line)["logger"].startswith("gateway.doctor")
        found = looked_at("Logs and traces", {"LOKI_HOST": loki.url})
        assert "status 401" in found["Loki"]["found"] and "LOKI_TENANT" in found["Loki"]["fix"]
        assert "Loki's lines" not in found


@pytest.mark.conformance("F4")
@pytest.mark.parametrize(("down", "up"), [(Loki.kill, Loki.start), (Loki.hang, Loki.go_on)], ids=["killed", "hanging"])
def test_loki_goes_and_comes_back(
    loki: Loki, tmp_path: Path, down: Callable[[Loki], None], up: Callable[[Loki], None]
) -> None:
    """Nothing is lost in a short outage, which is one line here and none there."""
    with ShippingProcess(tmp_path, loki=loki.url) as shipping:
        shipping.put(0, 100)
        until(lambda: numbers(loki) == list(range(100)), 10)
        down(loki)
        shipping.put(100, 200)
        until(shipping.logged, 10)
        shipping.put(200, 300)
        assert shipping.took < 1
        up(loki)
        until(lambda: numbers(loki) == list(range(300)), 40)
        until(lambda: len(shipping.logged()) == 2, 10)
        assert shipping.dropped == 0
    assert len(loki.lines(ALL)) == 300


def request_line(loki: Loki, trace_id: str) -> list[str]:
    """What a developer looks for who has the trace id of an answer."""
    query = '{service="api-gateway",level="info"}' + f' | json | traceId="{trace_id}"'
    return [line for _, line in loki.lines(query)]


def test_a_requests_line_is_found_by_its_trace_id(loki: Loki, start_gateway: StartGateway, issuer: Issuer) -> None:
    gateway: Gateway = start_gateway({"LOKI_HOST": loki.url}, workers=2)
    assert gateway.get("/interviews/good?page=2", issuer.mint(sub="the-user")).status == 200
    refused = gateway.get("/interviews/bad").json()["traceId"]
    good = gateway.access_line("/interviews/good")["traceId"]
    for trace_id, url, status in ((good, "/interviews/good", 200), (refused, "/interviews/bad", 401)):
        (line,) = until(lambda: request_line(loki, trace_id), 10)
        assert json.loads(line) == gateway.access_line(url)
        assert json.loads(line)["statusCode"] == status
    found = {line for _, line in loki.lines(ALL + ' | json | userId="the-user" | statusCode=200')}
    assert [json.loads(line)["url"] for line in found] == ["/interviews/good"]


def test_the_masters_lines_are_there(loki: Loki, start_gateway: StartGateway) -> None:
    """Each once, whichever worker takes it; those of a worker that ends, too."""
    gateway: Gateway = start_gateway({"LOKI_HOST": loki.url}, workers=2)
    before = set(gateway.workers())
    gateway.signal(signal.SIGHUP)
    until(lambda: len(gateway.workers()) == 2 and not before & set(gateway.workers()), 30, "new workers")
    for part in ("Gateway: version", "Listening at", "Handling signal: hup", "Booting worker", "Worker exiting"):
        until(partial(arrived, gateway, loki, part), 10, f"{part} in Loki")


def arrived(gateway: Gateway, loki: Loki, part: str) -> bool:
    """Whether all lines with this part are there, each once."""
    said = [line for line in gateway.stdout.decode().splitlines() if part in line]
    there = [line for _, line in loki.lines(f'{ALL} |= "{part}"')]
    return bool(said) and sorted(there) == sorted(said)


@pytest.mark.conformance("F4")
def test_loki_killed_under_load(loki: Loki, start_gateway: StartGateway, issuer: Issuer) -> None:
    """No request fails; all that was written meanwhile is found after it, each line once."""
    bearer = {"Authorization": f"Bearer {issuer.mint()}"}
    gateway: Gateway = start_gateway({"LOKI_HOST": loki.url, "LOG_LEVEL": "info"})

    def reported(end: str) -> object:
        own = [line["message"] for line in gateway.lines() if line.get("logger") == "gateway.loki"]
        return any(text.endswith(end) for text in own)

    def ask(url: str) -> str:
        assert gateway.get(url, headers=bearer).status == 200
        return str(gateway.access_line(url)["traceId"])

    with Load(gateway, bearer) as load:
        before = ask("/interviews/before")
        until(lambda: request_line(loki, before), 10)
        loki.kill()
        until(lambda: reported("retrying"), 20, "the outage to be noticed")
        during = ask("/interviews/during")
        loki.start()
        until(lambda: reported("delivered again, 0 were dropped"), 60, "its end to be told")
        after = ask("/interviews/after")
        until(lambda: request_line(loki, after), 20)
    assert load.failures == []
    for trace_id, url in ((before, "before"), (during, "during"), (after, "after")):
        (line,) = request_line(loki, trace_id)
        assert json.loads(line)["url"] == f"/interviews/{url}"
    gateway.stop()
    written = [line for line in gateway.stdout.decode().splitlines() if '"message":"HTTP: GET ' in line]
    query = ALL + ' |= "HTTP: GET "'
    until(lambda: loki.count(query) == len(written), 20, "every line once")
