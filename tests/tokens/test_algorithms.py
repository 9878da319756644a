"""Which signatures count: those of JWT_ALGORITHMS, made with the issuer's keys of that kind."""

import json
from collections.abc import Iterator
from itertools import permutations

import pytest
from harness import jose
from harness.errors import check_refused
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer, encryption_key

SECRET = "shared-secret-of-the-tests-0123456789abcdef"
SHARED = {"JWT_SECRET": SECRET, "JWT_ALGORITHMS": "RS256,HS256"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """A realm that signs with every kind of key."""
    with Issuer() as running:
        running.rotate("ES256")
        running.rotate("EdDSA")
        yield running


@pytest.fixture(scope="module")
def sharing(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """A gateway that verifies shared-secret tokens beside the issuer's."""
    with make_gateway(SHARED, services={}) as running:
        yield running


@pytest.fixture(params=["gateway", "sharing"], ids=["RS256", "RS256,HS256"])
def either(request: pytest.FixtureRequest) -> Gateway:
    running: Gateway = request.getfixturevalue(request.param)
    return running


def public_forms(key: jose.PrivateKey, members: dict[str, str]) -> dict[str, bytes]:
    """Every form of a public key that has been taken for an HMAC secret."""
    pem = jose.public_bytes(key)
    lines = pem.decode().strip().splitlines()
    return {
        "pem": pem,
        "pem without the last newline": pem.rstrip(),
        "pem with crlf": pem.replace(b"\n", b"\r\n"),
        "stripped pem": "".join(lines[1:-1]).encode(),
        "pem body with newlines": "\n".join(lines[1:-1]).encode(),
        "pkcs1 pem": jose.public_bytes(key, form="PKCS1"),
        "der": jose.public_bytes(key, "DER"),
        "pkcs1 der": jose.public_bytes(key, "DER", "PKCS1"),
        "jwk": json.dumps(members).encode(),
        "compact jwk": json.dumps(members, separators=(",", ":")).encode(),
        "jwk of required members": json.dumps(
            {name: members[name] for name in ("e", "kty", "n")}, separators=(",", ":")
        ).encode(),
        "n": members["n"].encode(),
        "n decoded": jose.unb64(members["n"]),
        "kid": members["kid"].encode(),
        "nothing": b"",
    }


FORMS = list(public_forms(encryption_key().private, encryption_key().jwk))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", "rs256", "RS256 "])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_an_alg_that_is_no_signature(either: Gateway, issuer: Issuer, alg: str, signed: bool) -> None:
    real = issuer.mint(headers={"alg": alg})
    token = real if signed else real[: real.rindex(".") + 1]
    check_refused(either.get("/users/me", token))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize("alg", [None, 1, True, [], ["RS256"], {"RS256": 1}], ids=repr)
def test_an_alg_that_is_no_string(either: Gateway, issuer: Issuer, alg: object) -> None:
    header = {"typ": "JWT", "kid": issuer.key().kid, **({} if alg is None else {"alg": alg})}
    token = jose.compact(header, issuer.claims(), "RS256", issuer.key().private)
    check_refused(either.get("/users/me", token))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_another_alg_of_the_same_key(either: Gateway, issuer: Issuer, alg: str) -> None:
    check_refused(either.get("/users/me", issuer.mint(alg=alg, key=issuer.key())))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_listed_key_of_an_alg_that_is_not_ours(either: Gateway, issuer: Issuer, alg: str) -> None:
    check_refused(either.get("/users/me", issuer.mint(alg=alg)))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize(("said", "alg"), list(permutations(["ES256", "RS256", "HS256"], 2)))
def test_a_signature_of_another_kind_than_said(either: Gateway, issuer: Issuer, alg: str, said: str) -> None:
    key = b"any key" if alg == "HS256" else issuer.key(alg=alg)
    check_refused(either.get("/users/me", issuer.mint(alg=alg, key=key, headers={"alg": said})))


@pytest.mark.conformance("J1")
def test_two_algorithms_allowed(start_gateway: StartGateway, issuer: Issuer) -> None:
    """ES384 is asked of a P-256 key: neither the list nor the curve allows it."""
    gateway = start_gateway({"JWT_ALGORITHMS": "RS256,ES256"}, issuer=issuer)
    assert gateway.get("/users/me", issuer.mint()).status == 200
    assert gateway.get("/users/me", issuer.mint(alg="ES256")).status == 200
    check_refused(gateway.get("/users/me", issuer.mint(alg="PS256", key=issuer.key())))
    check_refused(gateway.get("/users/me", issuer.mint(alg="ES384", key=issuer.key(alg="ES256"))))
    check_refused(gateway.get("/users/me", issuer.mint(alg="EdDSA")))


@pytest.mark.conformance("J2")
@pytest.mark.parametrize("kid", [True, False], ids=["kid of the realm", "no kid"])
@pytest.mark.parametrize("form", FORMS)
def test_an_hmac_keyed_with_the_public_key(either: Gateway, issuer: Issuer, form: str, kid: bool) -> None:
    key = issuer.key()
    secret = public_forms(key.private, key.jwk)[form]
    token = issuer.mint(alg="HS256", key=secret, headers={"kid": key.kid if kid else None})
    check_refused(either.get("/users/me", token))


@pytest.mark.conformance("J1")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_an_hmac_where_none_is_allowed(gateway: Gateway, issuer: Issuer, alg: str) -> None:
    token = issuer.mint(alg=alg, key=SECRET.encode(), headers={"kid": None})
    check_refused(gateway.get("/users/me", token))


class TestSharedSecret:
    def test_tokens_of_the_shared_secret_and_of_the_issuer_verify(
        self, start_gateway: StartGateway, issuer: Issuer
    ) -> None:
        gateway = start_gateway(SHARED, issuer=issuer)
        shared = issuer.mint(alg="HS256", key=SECRET.encode(), headers={"kid": None})
        assert gateway.get("/users/me", shared).status == 200
        assert gateway.get("/users/me", issuer.mint()).status == 200

    @pytest.mark.conformance("J1")
    @pytest.mark.parametrize("alg", ["HS384", "HS512"])
    def test_the_shared_secret_verifies_hs256_only(self, sharing: Gateway, issuer: Issuer, alg: str) -> None:
        token = issuer.mint(alg=alg, key=SECRET.encode(), headers={"kid": None})
        check_refused(sharing.get("/users/me", token))

    @pytest.mark.parametrize("secret", [b"wrong", SECRET.encode() + b"\n", SECRET[:-1].encode()], ids=repr)
    def test_a_token_of_another_secret_is_refused(self, sharing: Gateway, issuer: Issuer, secret: bytes) -> None:
        token = issuer.mint(alg="HS256", key=secret, headers={"kid": None})
        check_refused(sharing.get("/users/me", token))

    @pytest.mark.parametrize(
        "claims", [{"iss": "http://elsewhere"}, {"aud": "other"}, {"typ": "ID"}, {"sub": ""}], ids=repr
    )
    def test_claims_of_shared_secret_tokens_count_as_ever(
        self, sharing: Gateway, issuer: Issuer, claims: dict[str, object]
    ) -> None:
        token = issuer.mint(claims, alg="HS256", key=SECRET.encode(), headers={"kid": None})
        check_refused(sharing.get("/users/me", token))
