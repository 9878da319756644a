"""How the gateway's client says who it is (CONFORMANCE O11): by any secret, or by a key."""

from base64 import b64decode
from pathlib import Path
from urllib.parse import parse_qs, unquote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from harness import jose
from harness.gateways import GatewayFactory
from harness.issuer import CLIENT
from harness.provider import Scripted
from harness.visitor import Visitor
from joserfc import jwt

from gateway.client_key import signing_key

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
ODD = [
    ("plain-app", "p+q/0123456789012345678901234567="),
    ("https://gateway.example/app", "100%41-012345678901234567890123"),
    ("app with space", "€uro-01234567890123456789012345678"),
    ("a:b", 'q"\\; &=?#:@~*._-'),
]


@pytest.mark.conformance("O11", "O9")
@pytest.mark.parametrize(("client", "secret"), ODD, ids=range(len(ODD)))
def test_any_characters_work(make_gateway: GatewayFactory, realm: Scripted, client: str, secret: str) -> None:
    """RFC 6749 section 2.3.1: form-urlencoded before Basic; for the token, the refresh and the revocation alike."""
    realm.id_token = {"claims": {"aud": client, "azp": client}}
    realm.seen.clear()
    env = {"KEYCLOAK_CLIENT_ID": client, "KEYCLOAK_CLIENT_SECRET": secret}
    with make_gateway(env, issuer=realm) as gateway:
        visitor = Visitor(gateway)
        visitor.signed_in(realm.authorize)
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.post("/auth/logout").status == 200
    calls = [call for call in realm.seen if call.method == "POST"]
    assert [call.path.rpartition("/")[2] for call in calls] == ["token", "token", "logout", "revoke"]
    for call in calls:
        scheme, _, value = call.headers["Authorization"].partition(" ")
        name, _, word = b64decode(value).decode("ascii").partition(":")
        assert (scheme, unquote_plus(name), unquote_plus(word)) == ("Basic", client, secret)


KEYS: dict[str, tuple[Key, str]] = {
    "RSA": (rsa.generate_private_key(65537, 2048), "RS256"),
    "EC": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
}


def pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.conformance("O11", "O9")
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")  # Keycloak's name for it
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_in_place_of_the_secret(make_gateway: GatewayFactory, realm: Scripted, tmp_path: Path, kind: str) -> None:
    key, algorithm = KEYS[kind]
    file = tmp_path / "client.pem"
    file.write_bytes(pem(key))
    realm.seen.clear()
    env = {"KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_KEY_FILE": str(file)}
    with make_gateway(env, issuer=realm) as gateway:
        visitor = Visitor(gateway)
        visitor.signed_in(realm.authorize)
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.post("/auth/logout").status == 200
        assert "PRIVATE" not in gateway.raw_output() and "Warning" not in gateway.raw_output()
    seen = []
    for call in [call for call in realm.seen if call.method == "POST"]:
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        assert "Authorization" not in call.headers and "client_secret" not in form
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        header, claims = jose.decode(form["client_assertion"])
        assert header["alg"] == algorithm
        jwt.decode(form["client_assertion"], signing_key(pem(key).decode())[0], algorithms=[algorithm])
        assert claims["iss"] == claims["sub"] == CLIENT and claims["aud"] == realm.issuer
        assert claims["exp"] - claims["iat"] <= 3600
        seen.append(claims["jti"])
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        pem(rsa.generate_private_key(65537, 1024)).decode(),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
    ],
    ids=["nothing", "a word", "a short one", "an empty one"],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="expected a PEM private key"):
        signing_key(text)
