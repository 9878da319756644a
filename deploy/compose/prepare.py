"""What the services of compose.yml share, made once: secrets, a certificate, the realm of deploy/keycloak with them.

Runs in the gateway's image; writes to the folder that is its only argument. What is there already stays.
"""

import json
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SITE = "https://localhost:8443"
BACKCHANNEL = "http://gateway-1:3001/auth/backchannel-logout"
USER = {"username": "cora", "password": "cora-password", "email": "cora@example.test", "roles": ["candidate"]}


def certificate() -> tuple[str, str]:
    """(certificate, key) for localhost, a year, as PEM; browsers warn of it once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def realm(shipped: str, secret: str) -> str:
    """The realm with this site's addresses, this client secret, and somebody who can sign in."""
    content = json.loads(shipped)
    (client,) = content["clients"]
    client["secret"] = secret
    client["redirectUris"] = [f"{SITE}/api/auth/callback"]
    client["attributes"]["post.logout.redirect.uris"] = f"{SITE}/*"
    client["attributes"]["backchannel.logout.url"] = BACKCHANNEL
    content["users"] = [
        {
            "username": USER["username"],
            "email": USER["email"],
            "emailVerified": True,
            "firstName": "Cora",
            "lastName": "Candidate",
            "enabled": True,
            "realmRoles": USER["roles"],
            "credentials": [{"type": "password", "value": USER["password"]}],
        }
    ]
    return json.dumps(content, indent=2)


def main(folder: Path, shipped: Path) -> None:
    if (folder / "realm.json").exists():
        return
    secret = secrets.token_hex(32)
    public, private = certificate()
    files = {
        "keycloak-secret": secret,
        "session-secret": secrets.token_hex(32),
        "certificate.pem": public,
        "key.pem": private,
        "realm.json": realm(shipped.read_text(), secret),
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)  # for the users of several images: the volume is theirs alone


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
