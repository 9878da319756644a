"""Refresh answers follow the chain (CONFORMANCE O15): a late token gets the newest, and no clock loses a session."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness.each_worker import each_worker
from harness.errors import check_error
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.provider import Gate, Scripted, refusal
from harness.refreshes import later
from harness.visitor import Visitor
from harness.waiting import until

from gateway.sessions.refresh import FAILED_SECONDS, JUST_BROUGHT_SECONDS

AHEAD = {"claims": {"iat": int(time.time()) + 3600}}
SHARED_SECRET: dict[str, Any] = {"alg": "HS256", "key": b"k" * 32}
UNUSABLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "no audience mapper": ("access_token", {"claims": {"aud": "account"}}, "Add mapper > Audience"),
    "no sub": ("access_token", {"drop": ["sub"]}, "`basic`"),
    "bound to a key": ("access_token", {"claims": {"cnf": {"jkt": "x"}}}, "cnf"),
    "an algorithm that is not allowed": ("access_token", SHARED_SECRET, "JWT_ALGORITHMS"),
    "an ID token of such an algorithm": ("id_token", SHARED_SECRET, "JWT_ALGORITHMS"),
}
"""What Keycloak may bring by a refresh once somebody has changed the client there, and what the log says of it."""


@pytest.fixture(scope="module")
def pair(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm, workers=2) as running:
        yield running


@pytest.fixture
def guest(pair: Gateway, realm: Scripted) -> Visitor:
    visit = Visitor(pair)
    visit.signed_in(realm.authorize)
    return visit


def refreshed(gateway: Gateway, token: str) -> str:
    answer = Visitor(gateway, origin=None).post("/auth/refresh", {"refreshToken": token})
    assert answer.status == 200, answer
    return str(answer.json()["refreshToken"])


@pytest.mark.conformance("O15")
def test_a_late_token_gets_the_newest_of_its_chain(pair: Gateway, realm: Scripted) -> None:
    tokens = [Visitor(pair).signed_in(realm.authorize)["refreshToken"]]
    for _ in range(3):
        later()
        tokens.append(refreshed(pair, tokens[-1]))
    assert len(set(tokens)) == 4
    before = realm.calls["token"]
    with each_worker(pair) as lines:
        for line in lines.values():
            for late in tokens[:3]:
                answer = Visitor(pair).post("/auth/refresh", {"refreshToken": late}, over=line)
                assert answer.json()["refreshToken"] == tokens[-1]
    assert realm.calls["token"] == before


@pytest.mark.conformance("O15")
def test_a_late_token_waits_for_the_refresh_that_is_under_way(pair: Gateway, realm: Scripted) -> None:
    first = Visitor(pair).signed_in(realm.authorize)["refreshToken"]
    second = refreshed(pair, first)
    later()
    gate = Gate()
    realm.instead = gate
    with ThreadPoolExecutor(2) as pool:
        newest = pool.submit(refreshed, pair, second)
        until(lambda: gate.waiting, 5, "the token request")
        late = pool.submit(refreshed, pair, first)
        gate.opened.set()
        assert late.result() == newest.result() != second


@pytest.mark.conformance("O15")
def test_a_refresh_right_after_the_one_that_brought_the_token_joins_it(
    make_gateway: GatewayFactory, running_realm: Scripted
) -> None:
    """Fifteen calls were refused, and each one's interceptor refreshes for itself."""
    with make_gateway({"RATE_LIMIT_AUTH": "5 per minute"}, issuer=running_realm, workers=2) as gateway:
        visitor = Visitor(gateway)
        visitor.signed_in(running_realm.authorize)
        began, before = time.monotonic(), running_realm.calls["token"]
        answers = [visitor.post("/auth/refresh") for _ in range(15)]
        assert {answer.status for answer in answers} == {200}
        seconds = time.monotonic() - began
        assert running_realm.calls["token"] - before <= 1 + seconds / JUST_BROUGHT_SECONDS
        assert visitor.authenticated


@pytest.mark.conformance("O15")
def test_a_clock_that_is_off_loses_no_session(guest: Visitor, realm: Scripted) -> None:
    """The new tokens are kept: the old refresh token is used up, and would end the session at Keycloak."""
    first = guest.copy()
    realm.id_token = AHEAD
    before = len(realm.asked())
    for _ in range(2):
        answer = guest.post("/auth/refresh")
        check_error(answer, 502)
        assert answer.json()["code"] == "keycloak_error"
        assert not answer.all("Set-Cookie")
        time.sleep(FAILED_SECONDS + 0.1)
    line = guest.gateway.wait_line(lambda line: "the clock of this machine" in line["message"])
    assert line["level"] == "error" and "JWT_LEEWAY" in line["message"]
    realm.restore()
    for tab in (guest, first):
        assert tab.post("/auth/refresh").status == 200
        assert tab.authenticated
    used = [form["refresh_token"] for form in realm.asked()[before:]]
    assert len(used) == len(set(used)), "none came twice"


@pytest.mark.conformance("O15")
@pytest.mark.parametrize("off", [-60, 3600])
def test_once_the_clock_is_set_the_session_goes_on(
    make_gateway: GatewayFactory, realm: Scripted, tmp_path: Path, off: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    env = {"CLOCK_OFFSET": str(clock)}
    with make_gateway(env, issuer=realm, services=["users"], app="harness.wrong_clock:app") as gateway:
        visitor = Visitor(gateway)
        visitor.signed_in(realm.authorize)
        clock.write_text(str(off))
        check_error(visitor.post("/auth/refresh"), 502)
        clock.write_text("0")
        time.sleep(FAILED_SECONDS + 0.1)
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.authenticated


@pytest.mark.conformance("O15")
def test_a_clock_that_is_off_loses_no_program(pair: Gateway, realm: Scripted) -> None:
    token = Visitor(pair).signed_in(realm.authorize)["refreshToken"]
    realm.id_token = {"life": -600}
    check_error(Visitor(pair).post("/auth/refresh", {"refreshToken": token}), 502)
    realm.restore()
    time.sleep(FAILED_SECONDS + 0.1)
    newest = refreshed(pair, token)
    assert refreshed(pair, token) == newest


@pytest.mark.conformance("O15")
def test_an_outage_after_that_does_not_either(guest: Visitor, realm: Scripted) -> None:
    """The way to the new refresh token, the only one that is good, outlives a failure of the next try."""
    before = len(realm.asked())
    realm.id_token = AHEAD
    check_error(guest.post("/auth/refresh"), 502)
    time.sleep(FAILED_SECONDS + 0.1)
    realm.instead = refusal("server_error", 500)
    check_error(guest.post("/auth/refresh"), 502)
    time.sleep(FAILED_SECONDS + 0.1)
    realm.restore()
    assert guest.post("/auth/refresh").status == 200
    first, *next_ones = [form["refresh_token"] for form in realm.asked()[before:]]
    assert first not in next_ones and len(next_ones) == 2


@pytest.mark.conformance("O15")
def test_nor_does_one_without_rotation(guest: Visitor, realm: Scripted) -> None:
    """The refresh token stays: once the clocks agree it is asked with again."""
    realm.id_token, realm.answer = AHEAD, {"refresh_token": None}
    check_error(guest.post("/auth/refresh"), 502)
    realm.restore()
    time.sleep(FAILED_SECONDS + 0.1)
    assert guest.post("/auth/refresh").status == 200


@pytest.mark.conformance("O7")
@pytest.mark.parametrize(("which", "change", "mend"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_no_call_would_be_let_through_with_is_said_and_loses_nothing(
    guest: Visitor, realm: Scripted, which: str, change: dict[str, Any], mend: str
) -> None:
    """No success, and a loop of calls that are refused; and no sign-in, once somebody has mended it."""
    gateway = guest.gateway
    program = Visitor(gateway).signed_in(realm.authorize)["refreshToken"]
    before, seen = len(realm.asked()), len(gateway.lines())
    setattr(realm, which, change)
    for answer in (guest.post("/auth/refresh"), Visitor(gateway).post("/auth/refresh", {"refreshToken": program})):
        check_error(answer, 502)
        assert answer.json()["code"] == "misconfigured"
        assert not answer.all("Set-Cookie")
    assert guest.authenticated, "until its token lapses"
    until(lambda: len(errors_since(gateway, seen)) == 2, 5, "a line for each")
    assert all(mend in message for message in errors_since(gateway, seen))
    realm.restore()
    time.sleep(FAILED_SECONDS + 0.1)
    assert guest.post("/auth/refresh").status == 200
    assert refreshed(gateway, program)
    used = [form["refresh_token"] for form in realm.asked()[before:]]
    assert len(used) == len(set(used)) == 4, "none came twice"


def errors_since(gateway: Gateway, seen: int) -> list[str]:
    """The error lines that are no request's, after the first `seen` lines."""
    return [line["message"] for line in gateway.lines()[seen:] if line["level"] == "error" and "url" not in line]


@pytest.mark.conformance("O15")
def test_keys_that_can_not_be_read_lose_no_session(guest: Visitor, realm: Scripted) -> None:
    """The ID token is signed by a new key, and the key set is away for a moment."""
    realm.rotate()
    realm.jwks_answer = lambda call: (500, {}, b"")
    try:
        check_error(guest.post("/auth/refresh"), 503)
    finally:
        realm.jwks_answer = None
    time.sleep(FAILED_SECONDS + 0.1)
    assert guest.post("/auth/refresh").status == 200


@pytest.mark.conformance("O15")
def test_no_scope_is_asked_for(pair: Gateway, realm: Scripted) -> None:
    token = Visitor(pair).signed_in(realm.authorize)["refreshToken"]
    refreshed(pair, token)
    assert "scope" not in realm.asked()[-1]
