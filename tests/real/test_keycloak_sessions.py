"""Sessions at a real Keycloak: brokered through a company's realm, with a consent that is revoked, by a signed JWT."""

import base64
import datetime
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from harness.gateway import FRONTEND, ROOMY, Gateway, StartGateway
from harness.issuer import CLIENT
from harness.keycloak import CORA, NAME, Keycloak
from harness.keycloak_client import client_for, keycloak_browser
from harness.visitor import Authorize, Visitor
from harness.waiting import until

from demo.browser import Browser

pytestmark = pytest.mark.timeout(600)  # the first start downloads Keycloak

COMPANY = "company"
SECRET = "secret-of-the-broker-0123456789abcdef"
EVE: dict[str, Any] = {
    "username": "eve",
    "enabled": True,
    "email": "eve@company.test",
    "emailVerified": True,
    "firstName": "Eve",
    "lastName": "Employee",
    "credentials": [{"type": "password", "value": "eve-password", "temporary": False}],
}


@pytest.fixture(scope="module")
def issuer(keycloak: Keycloak) -> Keycloak:
    return keycloak


@pytest.fixture
def gateway(start_gateway: StartGateway, keycloak: Keycloak) -> Iterator[Gateway]:
    running = start_gateway(ROOMY, workers=2)
    with client_for(keycloak, running.url, FRONTEND):
        yield running


@pytest.fixture
def person() -> Iterator[Browser]:
    with keycloak_browser() as browser:
        yield browser


def by_form(person: Browser, username: str = "cora") -> Authorize:
    def authorize(auth_url: str) -> str:
        page = person.open(auth_url)
        if page.status_code == 302:
            return page.headers["Location"]
        answer = person.submit(page, username=username, password=f"{username}-password")
        return followed(person, answer)

    return authorize


def followed(person: Browser, answer: Any) -> str:
    """Where Keycloak's redirects lead out of Keycloak."""
    while answer.status_code in (302, 303) and "/realms/" in answer.headers["Location"].partition("?")[0]:
        answer = person.open(answer.headers["Location"])
    assert answer.status_code in (302, 303), answer.text[-800:]
    return str(answer.headers["Location"])


@contextmanager
def company(keycloak: Keycloak) -> Iterator[None]:
    """A second realm, and the first one's identity provider of that name."""
    endpoint = f"{keycloak.base}/realms/{COMPANY}/protocol/openid-connect"
    realm = {
        "realm": COMPANY,
        "enabled": True,
        "sslRequired": "none",
        "users": [EVE],
        "clients": [
            {
                "clientId": "broker",
                "secret": SECRET,
                "publicClient": False,
                "redirectUris": [f"{keycloak.base}/realms/{NAME}/broker/{COMPANY}/endpoint*"],
            }
        ],
    }
    provider = {
        "alias": COMPANY,
        "providerId": "oidc",
        "enabled": True,
        "trustEmail": True,
        "config": {
            "clientId": "broker",
            "clientSecret": SECRET,
            "clientAuthMethod": "client_secret_post",
            "issuer": f"{keycloak.base}/realms/{COMPANY}",
            "authorizationUrl": f"{endpoint}/auth",
            "tokenUrl": f"{endpoint}/token",
            "logoutUrl": f"{endpoint}/logout",
            "jwksUrl": f"{endpoint}/certs",
            "useJwksUrl": "true",
            "validateSignature": "true",
            "backchannelSupported": "true",
            "defaultScope": "openid profile email",
        },
    }
    keycloak.admin.call("POST", "", realm, realm="")
    keycloak.admin.call("POST", "/identity-provider/instances", provider)
    try:
        yield
    finally:
        keycloak.admin.call("DELETE", f"/identity-provider/instances/{COMPANY}")
        keycloak.admin.call("DELETE", "", realm=COMPANY)


@pytest.mark.conformance("O8")
def test_a_logout_ends_the_company_s_login_too(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    with company(keycloak):
        (eve,) = keycloak.admin.call("GET", "/users?username=eve", realm=COMPANY).json()

        def sessions() -> int:
            return len(keycloak.admin.call("GET", f"/users/{eve['id']}/sessions", realm=COMPANY).json())

        def authorize(auth_url: str) -> str:
            page = person.open(f"{auth_url}&kc_idp_hint={COMPANY}")
            while page.status_code in (302, 303):
                page = person.open(page.headers["Location"])
            return followed(person, person.submit(page, username="eve", password="eve-password"))

        visitor = Visitor(gateway)
        visitor.signed_in(authorize)
        assert visitor.authenticated and sessions() == 1
        answer = visitor.post("/auth/logout")
        assert answer.status == 200
        assert sessions() == 0
        url = answer.json()["endSessionUrl"]
        left = person.open(url)
        assert (left.status_code, left.headers.get("Location")) == (302, f"{FRONTEND}/"), left.text[-500:]


@pytest.mark.conformance("O12")
def test_a_sign_in_after_a_consent_was_revoked_lasts(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    """The single sign-on session goes on: Keycloak gives the same `sid` again."""
    client = keycloak.admin.client()
    keycloak.admin.call("PUT", f"/clients/{client['id']}", client | {"consentRequired": True})
    try:

        def authorize(auth_url: str) -> str:
            page = person.open(auth_url)
            if "kc-form-login" in page.text:
                page = person.submit(page, username="cora", password="cora-password")
            if page.status_code == 302 and "/realms/" in page.headers["Location"].partition("?")[0]:
                page = person.open(page.headers["Location"])
            if page.status_code == 200:
                code = re.search(r'name="code" value="([^"]+)"', page.text)
                assert code, page.text[-800:]
                page = person.submit(page, code=code[1], accept="Yes")
            return followed(person, page)

        visitor = Visitor(gateway)
        visitor.signed_in(authorize)
        keycloak.admin.call("DELETE", f"/users/{CORA['id']}/consents/{CLIENT}")
        until(lambda: not visitor.authenticated, 5, "Keycloak's word by the back channel")
        time.sleep(1.1)
        visitor.signed_in(authorize)
        assert visitor.authenticated
        time.sleep(1.1)
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.authenticated
        assert visitor.get("/auth/session").json()["authenticated"]
    finally:
        keycloak.admin.call("PUT", f"/clients/{client['id']}", client | {"consentRequired": False})


@contextmanager
def signed_jwt(keycloak: Keycloak, certificate: bytes) -> Iterator[None]:
    """The client authenticates by Signed JWT, as the admin console sets it."""
    client = keycloak.admin.client()
    path = f"/clients/{client['id']}"
    attributes = client["attributes"] | {
        "jwt.credential.certificate": base64.b64encode(certificate).decode(),
        "token.endpoint.auth.signing.alg": "RS256",
    }
    changed = client | {"clientAuthenticatorType": "client-jwt", "attributes": attributes}
    keycloak.admin.call("PUT", path, changed)
    try:
        yield
    finally:
        gone = {"jwt.credential.certificate": "", "token.endpoint.auth.signing.alg": ""}
        before = client | {"clientAuthenticatorType": "client-secret", "attributes": {**gone, **client["attributes"]}}
        keycloak.admin.call("PUT", path, before)


def certificate_of(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api-gateway")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def sessions_of_cora(keycloak: Keycloak) -> set[str]:
    """Her sessions at Keycloak, other tests' too."""
    return {session["id"] for session in keycloak.admin.call("GET", f"/users/{CORA['id']}/sessions").json()}


@pytest.mark.conformance("O11")
def test_the_client_authenticates_by_its_key(
    start_gateway: StartGateway, keycloak: Keycloak, person: Browser, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    file = tmp_path / "client.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    gateway = start_gateway({**ROOMY, "KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_KEY_FILE": str(file)})
    with client_for(keycloak, gateway.url, FRONTEND), signed_jwt(keycloak, certificate_of(key)):
        before = sessions_of_cora(keycloak)
        visitor = Visitor(gateway)
        visitor.signed_in(by_form(person))
        time.sleep(1.1)
        assert visitor.post("/auth/refresh").status == 200, gateway.raw_output()
        assert visitor.authenticated
        assert len(sessions_of_cora(keycloak) - before) == 1
        assert visitor.post("/auth/logout").status == 200
        assert sessions_of_cora(keycloak) <= before
    reported = [
        line for line in gateway.lines() if line["level"] in ("warn", "error") and "Settings:" not in line["message"]
    ]
    assert not reported


@pytest.mark.conformance("O15")
@pytest.mark.parametrize("off", [-60, 3600], ids=["Keycloak's is ahead", "Keycloak's is behind"])
def test_a_clock_that_is_off_loses_no_session(
    start_gateway: StartGateway, keycloak: Keycloak, person: Browser, tmp_path: Path, off: int
) -> None:
    """With rotation: the refresh token that was asked with is used up, and the session lives by the new one."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    gateway = start_gateway({**ROOMY, "CLOCK_OFFSET": str(clock)}, app="harness.wrong_clock:app", workers=2)
    with client_for(keycloak, gateway.url, FRONTEND):
        before = sessions_of_cora(keycloak)
        visitor = Visitor(gateway)
        visitor.signed_in(by_form(person))
        clock.write_text(str(off))
        for _ in range(2):
            time.sleep(1.1)
            answer = visitor.post("/auth/refresh")
            assert (answer.status, answer.json()["code"]) == (502, "keycloak_error")
            assert not answer.all("Set-Cookie")
        line = gateway.wait_line(lambda line: "the clock of this machine" in line["message"])
        assert line["level"] == "error" and "JWT_LEEWAY" in line["message"]
        clock.write_text("0")
        for _ in range(2):
            time.sleep(1.1)
            assert visitor.post("/auth/refresh").status == 200, gateway.raw_output()
            assert visitor.authenticated
        assert len(sessions_of_cora(keycloak) - before) == 1


@pytest.mark.conformance("O7")
def test_a_mapper_that_somebody_takes_away_is_said_and_ends_no_session(
    gateway: Gateway, keycloak: Keycloak, person: Browser
) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by_form(person))
    with keycloak.admin.without_mapper("audience-self"):
        time.sleep(1.1)
        answer = visitor.post("/auth/refresh")
        assert (answer.status, answer.json()["code"]) == (502, "misconfigured")
        gateway.wait_line(lambda line: line["level"] == "error" and "Add mapper > Audience" in line["message"])
        assert visitor.authenticated, "until its token lapses"
        login = Visitor(gateway).sign_in(by_form(person))
        assert (login.status, login.json()["code"]) == (502, "misconfigured")
    time.sleep(1.1)
    assert visitor.post("/auth/refresh").status == 200
    assert visitor.authenticated
