"""A gateway whose Keycloak is not there when it starts, or is not what it should be."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from harness.errors import check_error, check_refused
from harness.gateway import NOBODY, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import REALM, Issuer, Reply, as_json
from harness.service import Service
from harness.signin import Browser, Realm
from harness.waiting import until

pytestmark = pytest.mark.timed

HTML = (200, {"Content-Type": "text/html"}, b"<html><body>Under maintenance</body></html>")


def check_closed(gateway: Gateway, token: str) -> None:
    """Up, not ready, and it says 503 to what it can not judge: a token may well be good."""
    assert gateway.get("/health/live").status == 200
    check_error(gateway.get("/users/me", token), 503, "Service unavailable", "/users/me")
    answer = gateway.get("/health/ready")
    assert (answer.status, answer.json()["reason"]) == (503, "keycloak_keys_unread")
    assert gateway.get("/health").json()["services"]["keycloak"] == "unhealthy"


def check_open(gateway: Gateway, token: str) -> None:
    until(lambda: gateway.get("/health/ready").status == 200, 20, "the gateway to get its keys")
    assert gateway.get("/users/me", token).status == 200


@pytest.mark.conformance("F1")
def test_down_at_start(start_gateway: StartGateway, users: Service) -> None:
    realm = Issuer()
    gateway = start_gateway(issuer=realm)
    check_closed(gateway, realm.mint())
    assert not users.requests
    with realm:
        check_open(gateway, realm.mint())
        check_refused(gateway.get("/users/me", "bad"))
    assert gateway.get("/users/me", realm.mint()).status == 200, "the keys it has go on"


@pytest.mark.conformance("F1")
def test_hanging_at_start(start_gateway: StartGateway) -> None:
    with Issuer() as realm:
        realm.hang()
        gateway = start_gateway(issuer=realm)
        check_closed(gateway, realm.mint())
        realm.start()
        check_open(gateway, realm.mint())


def discovery_of(realm: Issuer, **changes: Any) -> Reply:
    document = {**realm.discovery(), **changes}
    return as_json({name: value for name, value in document.items() if value is not None})


GARBAGE = {
    "html": ("discovery", lambda realm: HTML),
    "500": ("discovery", lambda realm: (500, {}, b"boom")),
    "no jwks_uri": ("discovery", lambda realm: discovery_of(realm, jwks_uri=None)),
    "the issuer of another realm": (
        "discovery",
        lambda realm: discovery_of(realm, issuer=realm.issuer + "2"),
    ),
    "the issuer with a slash": ("discovery", lambda realm: discovery_of(realm, issuer=realm.issuer + "/")),
    "no keys": ("jwks", lambda realm: as_json({"keys": []})),
}


@pytest.mark.conformance("F1", "J3")
@pytest.mark.parametrize("case", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_at_start(start_gateway: StartGateway, case: tuple[str, Any]) -> None:
    """Its name for itself must be the issuer that was configured, and its tokens' too."""
    name, answer = case
    with Issuer() as realm:
        setattr(realm, f"{name}_answer", lambda call: answer(realm))
        gateway = start_gateway(issuer=realm, ready=False)
        until(lambda: realm.calls[name], 10, "the gateway to ask")
        check_error(gateway.get("/users/me", realm.mint()), 503, "Service unavailable")
        assert gateway.get("/users/me", realm.mint({"iss": realm.issuer + "2"})).status in (401, 503)
        assert gateway.get("/health/ready").status == 503
        setattr(realm, f"{name}_answer", None)
        check_open(gateway, realm.mint())


def test_a_fault_is_logged_once_and_so_is_its_end(start_gateway: StartGateway) -> None:
    """Not at each of the retries; another fault has its own line."""
    with Issuer() as realm:
        realm.discovery_answer = lambda call: (404, {}, b"{}")
        gateway = start_gateway({"WEB_CONCURRENCY": "1"}, issuer=realm, ready=False)
        until(lambda: realm.calls["discovery"] >= 3, 30, "the retries")
        realm.discovery_answer = lambda call: (500, {}, b"boom")
        gateway.wait_line(lambda line: line["message"].endswith(": status 500"))
        realm.discovery_answer = None
        gateway.wait_line(lambda line: line["message"].endswith("keys read"))
        lines = [line["message"] for line in gateway.lines() if "keys not read" in line["message"]]
        assert len(lines) == 2 and lines[0].endswith("status 404, there is no realm 'ai-video-interview'")


OUTAGES = {
    "refused": lambda realm: realm.stop(),
    "hanging": lambda realm: realm.hang(),
    "500": lambda realm: setattr(realm, "token_answer", lambda call: (500, {}, b"boom")),
    "html": lambda realm: setattr(realm, "token_answer", lambda call: HTML),
    "no tokens": lambda realm: setattr(realm, "token_answer", lambda call: as_json({})),
    "a redirect": lambda realm: setattr(realm, "token_answer", lambda call: (302, {"Location": NOBODY}, b"")),
    "a wrong secret": lambda realm: setattr(
        realm, "token_answer", lambda call: as_json({"error": "unauthorized_client"}, 401)
    ),
}


class TestSignIn:
    """An outage fails a sign-in or a refresh in time, and ends nobody's session."""

    @pytest.fixture(scope="class")
    @classmethod
    def realm(cls) -> Iterator[Realm]:
        with Realm() as running:
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def site(cls, make_gateway: GatewayFactory, realm: Realm) -> Iterator[Gateway]:
        with make_gateway(issuer=realm, services=["users"]) as running:
            yield running

    @pytest.mark.conformance("F1", "O9")
    @pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
    def test_an_outage_fails_sign_ins_in_time_and_ends_no_session(
        self, site: Gateway, realm: Realm, outage: Callable[[Realm], None]
    ) -> None:
        app, signed_in, signing_in = (Browser(site, realm) for _ in range(3))
        refresh_token = app.call(app.begin()).json()["refreshToken"]
        assert signed_in.call(signed_in.begin()).status == 200
        before = dict(signed_in.jar)
        callback = signing_in.begin()
        outage(realm)
        try:
            with ThreadPoolExecutor(3) as pool:
                answers = [
                    pool.submit(signing_in.call, callback),
                    pool.submit(signed_in.call, "/auth/refresh", "POST", {}),
                    pool.submit(app.call, "/auth/refresh", "POST", {"refreshToken": refresh_token}),
                ]
            for answer in answers:
                check_error(answer.result())
                assert answer.result().status in (502, 503, 504)
            assert signed_in.jar == before
            assert signed_in.call("/users/me").status == 200
        finally:
            realm.start()
            realm.token_answer = realm.give
        until(lambda: signed_in.call("/auth/refresh", "POST", {}).status == 200, 5, "a refresh to work again")


class TestInternalAddress:
    """KEYCLOAK_INTERNAL_URL: tokens and documents carry the public name, calls go to the internal one."""

    @pytest.mark.parametrize("base", ["/realms/ai-video-interview", "/auth/realms/ai-video-interview"])
    def test_every_call_goes_to_the_internal_address(
        self, start_gateway: StartGateway, services: Mapping[str, Service], base: str
    ) -> None:
        with Service() as public, Issuer(advertised=public.url + base) as realm:
            assert realm.discovery()["jwks_uri"].startswith(public.url)
            gateway = start_gateway(issuer=realm)
            assert gateway.get("/users/me", realm.mint()).status == 200
            check_refused(gateway.get("/users/me", realm.mint({"iss": realm.url})))
            assert gateway.get("/health").status == 200
            assert realm.calls["jwks"]
            assert realm.calls["discovery"]
            assert public.accepted == 0

    def test_keycloak_may_call_itself_by_the_internal_name(self, start_gateway: StartGateway) -> None:
        """What answers at the internal address is another issuer than the one configured."""
        with Issuer() as realm:
            env = {"KEYCLOAK_ISSUER_URL": NOBODY + REALM, "KEYCLOAK_INTERNAL_URL": realm.url}
            gateway = start_gateway(env, issuer=realm, ready=False)
            until(lambda: realm.calls["discovery"], 10, "the gateway to ask")
            assert gateway.get("/users/me", realm.mint()).status in (401, 503)
            assert gateway.get("/users/me", realm.mint({"iss": NOBODY + REALM})).status == 503
            assert gateway.get("/health/ready").status == 503
