"""What an access token must claim to be one, and what it may say besides."""

import json
import time
from typing import Any

import pytest
from harness import jose
from harness.errors import check_error, check_refused
from harness.gateway import Gateway, StartError, StartGateway
from harness.issuer import CLIENT, Issuer, Raw
from harness.service import Service
from harness.waiting import until

NUMBERS_THEY_ARE_NOT = {
    "string": '"9999999999"',
    "true": "true",
    "null": "null",
    "list": "[9999999999]",
    "object": "{}",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "overflowing to infinity": "1e400",
    "of 10,000 digits": "9" * 10_000,
}
HOSTILE_SUBJECTS = {
    "missing": {},
    "empty": {"sub": ""},
    "null": {"sub": None},
    "number": {"sub": 1},
    "boolean": {"sub": True},
    "list": {"sub": ["user-1"]},
    "object": {"sub": {"user": 1}},
}
A_CONFIRMATION = {
    "certificate": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    "DPoP": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    "unknown": {"x": 1},
    "empty": {},
    "string": "x",
}


def test_a_good_token(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    token = issuer.mint(sub="the-user")
    assert gateway.get("/users/me", token).status == 200
    assert users.last.header("Authorization") == f"Bearer {token}"
    assert users.last.header("X-User-Id") == "the-user"


@pytest.mark.conformance("J5")
@pytest.mark.parametrize(
    "change",
    {
        "slash after": lambda iss: iss + "/",
        "slash before the realm": lambda iss: iss.replace("/realms", "//realms"),
        "upper case scheme": lambda iss: iss.replace("http", "HTTP"),
        "upper case path": lambda iss: iss.replace("realms", "Realms"),
        "other name of the host": lambda iss: iss.replace("127.0.0.1", "localhost"),
        "https": lambda iss: iss.replace("http:", "https:"),
        "other realm": lambda iss: iss + "2",
        "prefix": lambda iss: iss[:-1],
        "percent-encoded": lambda iss: iss.replace("-", "%2D"),
        "query": lambda iss: iss + "?",
        "fragment": lambda iss: iss + "#",
        "white space": lambda iss: iss + " ",
        "newline": lambda iss: iss + "\n",
        "in a list": lambda iss: [iss],
        "empty": lambda iss: "",
        "null": lambda iss: None,
        "number": lambda iss: 1,
    }.items(),
    ids=lambda item: item[0],
)
def test_an_issuer_that_is_not_equal(gateway: Gateway, issuer: Issuer, change: Any) -> None:
    check_refused(gateway.get("/users/me", issuer.mint({"iss": change[1](issuer.issuer)})))


@pytest.mark.conformance("J5", "J6", "J7")
@pytest.mark.parametrize("claim", ["iss", "aud", "exp"])
def test_a_required_claim_missing(gateway: Gateway, issuer: Issuer, claim: str) -> None:
    check_refused(gateway.get("/users/me", issuer.mint(drop=[claim])))


class TestAudience:
    @pytest.mark.conformance("J6")
    @pytest.mark.parametrize("aud", [CLIENT, [CLIENT], ["account", CLIENT, "other"]], ids=repr)
    def test_an_audience_that_contains_ours_is_accepted(self, gateway: Gateway, issuer: Issuer, aud: object) -> None:
        assert gateway.get("/users/me", issuer.mint({"aud": aud})).status == 200

    @pytest.mark.conformance("J6")
    @pytest.mark.parametrize(
        "aud",
        [
            "account",
            "",
            [],
            [""],
            ["account", "other"],
            CLIENT + "-2",
            CLIENT[:-1],
            CLIENT.upper(),
            f"account {CLIENT}",
            f"account,{CLIENT}",
            [CLIENT + " "],
            None,
            1,
            True,
            {CLIENT: True},
            {"aud": CLIENT},
            [[CLIENT]],
            [{CLIENT: 1}],
            [1, None, True],
            [CLIENT, 1],
            [None, CLIENT],
        ],
        ids=repr,
    )
    def test_another_audience_is_refused(self, gateway: Gateway, issuer: Issuer, aud: object) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({"aud": aud})))

    def test_the_log_explains_a_wrong_audience(self, gateway: Gateway, issuer: Issuer) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({"aud": "came-instead"})))
        line = str(gateway.wait_line(lambda line: "came-instead" in str(line)))
        assert CLIENT in line
        assert "audience mapper" in line.lower()


class TestTimes:
    @pytest.mark.conformance("J7")
    @pytest.mark.parametrize("ago", [45, 61, 3600, 10**9], ids=str)
    def test_an_expired_token_is_refused_as_such(
        self, gateway: Gateway, issuer: Issuer, users: Service, ago: int
    ) -> None:
        answer = gateway.get("/users/me", issuer.mint({"exp": int(time.time()) - ago}))
        check_refused(answer, "Token expired")
        assert not users.requests

    @pytest.mark.conformance("J7")
    @pytest.mark.parametrize(
        "claims",
        [{"exp": -10}, {"exp": 60.5}, {"nbf": 10}, {"iat": 10}, {"nbf": -3600}, {"iat": -3600.25}],
        ids=repr,
    )
    def test_the_leeway_is_given(self, gateway: Gateway, issuer: Issuer, claims: dict[str, float]) -> None:
        now = int(time.time())
        token = issuer.mint({name: now + seconds for name, seconds in claims.items()})
        assert gateway.get("/users/me", token).status == 200

    @pytest.mark.conformance("J7")
    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    @pytest.mark.parametrize("ahead", [90, 3600, 10**12], ids=str)
    def test_a_token_of_the_future_is_refused(self, gateway: Gateway, issuer: Issuer, claim: str, ahead: int) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({claim: int(time.time()) + ahead})))

    @pytest.mark.conformance("J7", "J10")
    @pytest.mark.parametrize(
        ("claim", "written"),
        [
            pytest.param(claim, written, id=f"{name}-{claim}")
            for name, written in NUMBERS_THEY_ARE_NOT.items()
            for claim in ("exp", "nbf", "iat")
            if written != "null" or claim == "exp"
        ],
    )
    def test_a_time_that_is_no_number_is_refused(
        self, gateway: Gateway, issuer: Issuer, claim: str, written: str
    ) -> None:
        """`exp` as no number is no lapsed token. A null nbf or iat may count as absent, so it is left out."""
        check_refused(gateway.get("/users/me", issuer.mint(with_claim(issuer, claim, written))))

    @pytest.mark.conformance("J7")
    @pytest.mark.parametrize("exp", [0, -1], ids=str)
    def test_an_exp_before_the_epoch_is_refused(self, gateway: Gateway, issuer: Issuer, exp: int) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({"exp": exp})), "Token expired")

    @pytest.mark.conformance("J7")
    def test_a_leeway_beyond_a_minute_is_no_setting(self, start_gateway: StartGateway) -> None:
        with pytest.raises(StartError, match="JWT_LEEWAY"):
            start_gateway({"JWT_LEEWAY": "61"})


@pytest.mark.conformance("J13")
def test_a_cached_token_at_its_end(start_gateway: StartGateway, issuer: Issuer) -> None:
    gateway = start_gateway({"JWT_LEEWAY": "0"})
    token = issuer.mint({"exp": int(time.time()) + 3})
    first = gateway.get("/users/me", token)
    assert first.status == 200
    assert gateway.get("/users/me", token).status == 200
    last = until(lambda: refused(gateway, token), 6, "the token to lapse")
    check_refused(last, "Token expired")


class TestKinds:
    """J8: what is signed by the same realm, and is no access token."""

    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize(
        "typ",
        ["ID", "id", "Refresh", "Offline", "Logout", "Serialized-ID", "", "Bearer ", 1, True, ["Bearer"], {}],
        ids=repr,
    )
    def test_another_payload_typ_is_refused(self, gateway: Gateway, issuer: Issuer, typ: object) -> None:
        check_refused(gateway.get("/users/me", issuer.mint({"typ": typ})))

    @pytest.mark.conformance("J8")
    def test_a_missing_payload_typ_is_accepted(self, gateway: Gateway, issuer: Issuer) -> None:
        assert gateway.get("/users/me", issuer.mint(drop=["typ"])).status == 200

    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize(
        "typ",
        [
            None,
            "JWT",
            "jwt",
            "Jwt",
            "at+jwt",
            "AT+JWT",
            "application/jwt",
            "application/at+jwt",
            "Application/AT+JWT",
        ],
        ids=repr,
    )
    def test_a_header_typ_of_access_tokens_is_accepted(self, gateway: Gateway, issuer: Issuer, typ: str | None) -> None:
        assert gateway.get("/users/me", issuer.mint(headers={"typ": typ})).status == 200

    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize(
        "typ",
        [
            "logout+jwt",
            "application/logout+jwt",
            "id+jwt",
            "rt+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "oauth-authz-req+jwt",
            "JOSE",
            "at",
            "application/",
            "text/at+jwt",
            "at+jwt;x=1",
            "",
            1,
            True,
            ["JWT"],
            {"typ": "JWT"},
        ],
        ids=repr,
    )
    def test_another_header_typ_is_refused(self, gateway: Gateway, issuer: Issuer, typ: object) -> None:
        check_refused(gateway.get("/users/me", issuer.mint(headers={"typ": typ})))

    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize("mark", ["nonce", "at_hash", "c_hash"])
    def test_an_id_token_is_known_by_its_claims(self, gateway: Gateway, issuer: Issuer, mark: str) -> None:
        claims = {mark: "x"}
        check_refused(gateway.get("/users/me", issuer.mint(claims, drop=["typ"])))
        assert gateway.get("/users/me", issuer.mint(claims)).status == 200
        typed = issuer.mint(claims, drop=["typ"], headers={"typ": "at+jwt"})
        assert gateway.get("/users/me", typed).status == 200

    @pytest.mark.conformance("J8")
    def test_a_refresh_token_of_keycloak_is_refused(self, gateway: Gateway, issuer: Issuer) -> None:
        claims = {"typ": "Refresh", "aud": issuer.issuer}
        token = issuer.mint(claims, alg="HS512", key=b"a key only Keycloak has", headers={"kid": "of-its-own"})
        check_refused(gateway.get("/users/me", token))

    @pytest.mark.conformance("J8")
    def test_a_logout_token_is_refused(self, gateway: Gateway, issuer: Issuer) -> None:
        claims = {"aud": CLIENT, "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
        token = issuer.mint({**claims, "typ": "Logout"}, headers={"typ": "logout+jwt"})
        check_refused(gateway.get("/users/me", token))


class TestSubject:
    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize("claims", HOSTILE_SUBJECTS.values(), ids=HOSTILE_SUBJECTS.keys())
    def test_a_sub_that_is_no_text_is_refused(self, gateway: Gateway, issuer: Issuer, claims: dict[str, Any]) -> None:
        check_refused(gateway.get("/users/me", issuer.mint(claims, drop=() if claims else ["sub"])))

    def test_the_log_explains_a_missing_sub(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway()
        check_refused(gateway.get("/users/me", issuer.mint(drop=["sub"])))
        line = str(gateway.wait_line(lambda line: "basic" in str(line)))
        assert "sub" in line
        assert "scope" in line


class TestClients:
    @pytest.mark.conformance("J8")
    @pytest.mark.parametrize("azp", ["other-app", "", None, 1, ["x"]], ids=repr)
    def test_any_client_is_allowed_where_none_is_named(self, gateway: Gateway, issuer: Issuer, azp: object) -> None:
        assert gateway.get("/users/me", issuer.mint({"azp": azp})).status == 200
        assert gateway.get("/users/me", issuer.mint(drop=["azp"])).status == 200

    @pytest.mark.conformance("J8")
    def test_only_the_named_clients_are_allowed(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway({"JWT_ALLOWED_CLIENTS": f"{CLIENT},mobile-app"})
        for allowed in (CLIENT, "mobile-app"):
            assert gateway.get("/users/me", issuer.mint({"azp": allowed})).status == 200
        for azp in ("other-app", "", None, 1, [CLIENT], f"{CLIENT},mobile-app", CLIENT.upper()):
            check_refused(gateway.get("/users/me", issuer.mint({"azp": azp})))
        check_refused(gateway.get("/users/me", issuer.mint(drop=["azp"])))


@pytest.mark.conformance("J14")
@pytest.mark.parametrize("cnf", A_CONFIRMATION.values(), ids=A_CONFIRMATION.keys())
def test_a_token_bound_to_a_key(gateway: Gateway, issuer: Issuer, cnf: object) -> None:
    check_refused(gateway.get("/users/me", issuer.mint({"cnf": cnf})))


@pytest.mark.conformance("J3")
@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["x"], [], "exp", None, 1, {}], ids=repr)
def test_a_critical_header(gateway: Gateway, issuer: Issuer, crit: object) -> None:
    head = {
        "alg": "RS256",
        "typ": "JWT",
        "kid": issuer.key().kid,
        "crit": crit,
        "exp": 1,
        "b64": True,
        "x": 1,
    }
    token = jose.compact(head, issuer.claims(), "RS256", issuer.key().private)
    check_refused(gateway.get("/users/me", token))


def test_no_token_is_no_lapsed_one(gateway: Gateway) -> None:
    check_error(gateway.get("/users/me"), 401, "Unauthorized")


def with_claim(issuer: Issuer, name: str, written: str) -> Raw:
    """The usual claims with one written as no JSON library would."""
    claims = {key: value for key, value in issuer.claims().items() if key != name}
    return Raw(f'{json.dumps(claims)[:-1]}, "{name}": {written}}}'.encode())


def refused(gateway: Gateway, token: str) -> Any:
    answer = gateway.get("/users/me", token)
    return answer if answer.status != 200 else None
