"""The gateway and a real Keycloak, with the realm of deploy/keycloak: its tokens, its keys, its outages."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from harness.gateway import Gateway, StartGateway
from harness.http import Answer
from harness.issuer import CLIENT
from harness.keycloak import CORA, OTHER, RICK, Keycloak
from harness.ports import free_port
from harness.service import Service
from harness.waiting import until

pytestmark = pytest.mark.timeout(600)  # the first start downloads Keycloak

REREAD = 10.5
"""Seconds after a key read from when an unknown key id makes the gateway read again."""


@pytest.fixture(scope="module")
def issuer(keycloak: Keycloak) -> Keycloak:
    """What the suite's own `gateway` fixtures are pointed at."""
    return keycloak


def refused(answer: Answer, message: str = "Unauthorized") -> bool:
    return answer.status == 401 and answer.json()["message"] == message and not answer.all("X-User-Id")


# What a good token brings


@pytest.mark.conformance("J5", "J6")
def test_a_token_is_accepted_and_the_service_learns_whose_it_is(
    gateway: Gateway, keycloak: Keycloak, users: Service
) -> None:
    token = keycloak.token(RICK)
    answer = gateway.get("/users/me", token)
    assert answer.status == 200, answer.text
    assert users.last.header("X-User-Id") == RICK["id"]
    assert users.last.header("X-User-Email") == "rick@example.test"
    assert users.last.header("Authorization") == f"Bearer {token}"
    roles = (users.last.header("X-User-Roles") or "").split(",")
    assert {"admin", "recruiter", "interview:review"} <= set(roles)
    assert "manage-account" not in roles, "a role of Keycloak's own client, not of ours"
    assert roles == sorted(roles)


def test_a_user_without_our_roles_is_known_all_the_same(
    gateway: Gateway, keycloak: Keycloak, interviews: Service
) -> None:
    assert gateway.get("/interviews", keycloak.token(CORA)).status == 200
    assert interviews.last.header("X-User-Id") == CORA["id"]
    roles = (interviews.last.header("X-User-Roles") or "").split(",")
    assert "candidate" in roles and "recruiter" not in roles


def test_health_calls_keycloak_healthy(gateway: Gateway, keycloak: Keycloak) -> None:
    answer = gateway.get("/health")
    assert answer.status == 200
    assert answer.json()["services"]["keycloak"] == "healthy"


# What is refused, and what the log says of it


@pytest.mark.conformance("J7")
def test_a_lapsed_token_is_told_so(start_gateway: StartGateway, keycloak: Keycloak) -> None:
    gateway = start_gateway({"JWT_LEEWAY": "0"})
    with keycloak.admin.attribute("access.token.lifespan", "2"):
        token = keycloak.token()
    assert gateway.get("/users/me", token).status == 200
    answer = until(lambda: (seen := gateway.get("/users/me", token)).status != 200 and seen, 5, "the token to lapse")
    assert refused(answer, "Token expired")
    assert "invalid_token" in (answer.header("WWW-Authenticate") or "")


@pytest.mark.conformance("J6")
def test_without_the_audience_mapper_the_log_says_which_mapper_to_add(gateway: Gateway, keycloak: Keycloak) -> None:
    with keycloak.admin.without_mapper("audience-self"):
        token = keycloak.token()
    assert refused(gateway.get("/users/me", token))
    line = gateway.wait_line(lambda line: "mapper" in line["message"])
    assert CLIENT in line["message"], "what was expected"
    assert "account" in line["message"], "what came"
    assert "audience" in line["message"].lower()
    assert gateway.get("/users/me", keycloak.token()).status == 200, "the mapper is back"


@pytest.mark.conformance("J6")
def test_a_token_of_another_client_for_another_audience_is_refused(gateway: Gateway, keycloak: Keycloak) -> None:
    assert refused(gateway.get("/users/me", keycloak.token(CORA, client=OTHER)))


@pytest.mark.conformance("J8")
def test_a_token_of_another_client_for_our_audience_is_a_matter_of_the_allowed_clients(
    gateway: Gateway, start_gateway: StartGateway, keycloak: Keycloak
) -> None:
    # Rick has a role of our client: Keycloak's "audience resolve" puts our audience into any client's tokens.
    foreign, own = keycloak.token(RICK, client=OTHER), keycloak.token(RICK)
    assert gateway.get("/users/me", foreign).status == 200, "nobody asked for less"
    strict = start_gateway({"JWT_ALLOWED_CLIENTS": CLIENT})
    assert refused(strict.get("/users/me", foreign))
    assert strict.get("/users/me", own).status == 200


@pytest.mark.conformance("J8")
@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        pytest.param("id_token", "openid", id="an ID token"),
        pytest.param("refresh_token", "openid", id="a refresh token"),
        pytest.param("refresh_token", "openid offline_access", id="an offline token"),
    ],
)
def test_what_is_no_access_token_is_refused(gateway: Gateway, keycloak: Keycloak, kind: str, scope: str) -> None:
    assert refused(gateway.get("/users/me", keycloak.tokens(RICK, scope=scope)[kind]))


@pytest.mark.conformance("J5")
def test_the_same_realm_under_another_name_is_another_issuer(gateway: Gateway, keycloak: Keycloak) -> None:
    token = keycloak.token(base=f"http://localhost:{keycloak.port}")
    assert refused(gateway.get("/users/me", token))


@pytest.mark.conformance("J8")
def test_without_the_basic_scope_the_log_says_where_sub_went(gateway: Gateway, keycloak: Keycloak) -> None:
    with keycloak.admin.without_scope("basic"):
        token = keycloak.token()
    assert refused(gateway.get("/users/me", token))
    line = gateway.wait_line(lambda line: "sub" in line["message"] and "scope" in line["message"])
    assert "basic" in line["message"]


@pytest.mark.conformance("J8")
def test_a_lightweight_token_has_no_sub_and_the_log_says_so(start_gateway: StartGateway, keycloak: Keycloak) -> None:
    gateway = start_gateway()
    with keycloak.admin.attribute("client.use.lightweight.access.token.enabled", "true"):
        token = keycloak.token()
    assert refused(gateway.get("/users/me", token))
    gateway.wait_line(lambda line: "sub" in line["message"] and "lightweight" in line["message"])


# Keys that change


@contextmanager
def asked_all_along(gateway: Gateway, token: Callable[[], str]) -> Iterator[Counter[int]]:
    """Four clients that never pause, each with the newest token; gives the statuses they saw."""
    seen: Counter[int] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen[gateway.get("/users/me", token()).status] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.conformance("F2")
def test_keys_change_and_no_request_fails(start_gateway: StartGateway, keycloak: Keycloak) -> None:
    gateway = start_gateway({"JWT_ALGORITHMS": "RS256,ES256"}, workers=2)
    rs256_only = start_gateway()
    first_kid = keycloak.admin.kid("RS256")
    oldest = newest = keycloak.token()

    with (
        asked_all_along(gateway, lambda: newest) as seen,
        asked_all_along(gateway, lambda: oldest) as seen_by_old,
    ):
        time.sleep(REREAD)
        keycloak.admin.add_key("rsa-generated")
        assert keycloak.admin.kid("RS256") != first_kid
        newest = keycloak.token()
        assert gateway.get("/users/me", newest).status == 200

        time.sleep(REREAD)
        keycloak.admin.add_key("ecdsa-generated", ecdsaEllipticCurveKey="P-256")
        with keycloak.admin.attribute("access.token.signed.response.alg", "ES256"):
            newest = keycloak.token()
        assert gateway.get("/users/me", newest).status == 200
        assert refused(rs256_only.get("/users/me", newest)), "Keycloak lists the key; the settings do not list ES256"
        time.sleep(1)
    assert set(seen) == set(seen_by_old) == {200}, (seen, seen_by_old)
    assert min(seen.total(), seen_by_old.total()) > 100

    keycloak.admin.disable_key(first_kid)
    assert rs256_only.get("/users/me", oldest).status == 200, "until the keys are read again"
    keycloak.admin.add_key("rsa-generated")
    unseen = keycloak.token()
    until(lambda: rs256_only.get("/users/me", unseen).status == 200, REREAD + 2, "the keys to be read again")
    assert refused(rs256_only.get("/users/me", oldest)), "its key is gone from a good answer"


# Where Keycloak is, and whether


@pytest.mark.conformance("F1")
def test_keycloak_stops_and_comes_back(
    start_gateway: StartGateway, keycloak: Keycloak, services: Mapping[str, Service]
) -> None:
    running = start_gateway()
    used, unused = keycloak.token(), keycloak.token(RICK)
    assert running.get("/users/me", used).status == 200
    keycloak.stop()
    try:
        late = start_gateway()
        assert running.get("/users/me", used).status == 200
        assert running.get("/users/me", unused).status == 200, "the key is known, the token need not be"
        assert (
            until(lambda: (seen := running.get("/health")).status == 503 and seen, 10).json()["services"]["keycloak"]
            == "unhealthy"
        )
        assert running.get("/health/ready").status == 200, "it serves all who have a token"

        assert late.get("/health/ready").status == 503
        answer = late.get("/users/me", used)
        assert answer.status == 503 and answer.header("Retry-After")
        assert answer.json()["message"] == "Service unavailable"
    finally:
        keycloak.resume()
    until(lambda: late.get("/health/ready").status == 200, 15, "the gateway to find Keycloak by itself")
    for gateway in (running, late):
        assert gateway.get("/users/me", used).status == 200
        assert until(lambda: gateway.get("/health").status == 200, 10)


@pytest.mark.conformance("J5")
def test_the_issuer_has_a_public_and_an_internal_address(start_gateway: StartGateway, keycloak: Keycloak) -> None:
    public = f"http://localhost:{free_port()}"  # nobody listens there
    keycloak.stop()
    keycloak.resume(public)
    try:
        token = keycloak.token(RICK)
        gateway = start_gateway()
        assert gateway.env["KEYCLOAK_ISSUER_URL"].startswith(public)
        assert gateway.env["KEYCLOAK_INTERNAL_URL"].startswith(keycloak.base)
        assert gateway.get("/users/me", token).status == 200

        for settings in ({"KEYCLOAK_INTERNAL_URL": None}, {"KEYCLOAK_ISSUER_URL": keycloak.url}):
            astray = start_gateway(settings, ready=False)
            assert astray.get("/users/me", token).status == 503
            astray.wait_line(lambda line: line["level"] == "error" and "Keycloak" in line["message"])
        assert public in astray.wait_line(lambda line: "KEYCLOAK_ISSUER_URL" in line["message"])["message"]
    finally:
        keycloak.stop()
        keycloak.resume()
