"""A stand-in for Keycloak's realm: discovery, keys, tokens of its shape; any answer can be replaced."""

import json
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import jose
from harness.lifetime import Lifetime
from harness.ports import free_port

REALM = "/realms/ai-video-interview"
CLIENT = "ai-video-interview-app"
PATHS = {
    f"{REALM}/.well-known/openid-configuration": "discovery",
    f"{REALM}/protocol/openid-connect/certs": "jwks",
    f"{REALM}/protocol/openid-connect/token": "token",
    f"{REALM}/protocol/openid-connect/revoke": "revoke",
    f"{REALM}/protocol/openid-connect/logout": "logout",
}
Reply = tuple[int, Mapping[str, str], bytes]
ANY: Any = object()


@dataclass(frozen=True)
class Key:
    kid: str
    alg: str
    private: jose.PrivateKey
    use: str = "sig"

    @property
    def jwk(self) -> dict[str, str]:
        return jose.jwk(self.private, kid=self.kid, alg=self.alg, use=self.use)


@dataclass(frozen=True)
class Call:
    """A request that reached the issuer; `name` is discovery, jwks, token, revoke, logout or the path."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Raw:
    """The claims of a token as bytes that are no JSON object, or none a JSON library would write."""

    payload: bytes


def as_json(body: Any, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@cache
def encryption_key() -> Key:
    """Keycloak lists one of these beside the signing key."""
    return Key("realm-enc", "RSA-OAEP", jose.generate("RSA-OAEP"), "enc")


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, issuer: "Issuer") -> None:
        self.issuer = issuer
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", issuer.port), Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        threading.current_thread().name = "harness issuer connection"
        self.open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the gateway's business."""

    def stop(self) -> None:
        self.shutdown()
        self.socket.close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def answer(self) -> None:
        issuer = self.server.issuer
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        call = Call(PATHS.get(path, path), self.command, self.path, dict(self.headers.items()), body)
        issuer.record(call)
        if issuer.hanging:
            issuer.released.wait()
            self.close_connection = True
            return
        status, headers, content = issuer.reply(call)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


for verb in ("GET", "HEAD", "POST", "PUT", "DELETE"):
    setattr(Handler, f"do_{verb}", Handler.answer)


@dataclass
class Issuer(Lifetime):
    """`url` is where it listens, `issuer` the name it gives itself: the same, unless `advertised`.

    Set `jwks_answer`, `discovery_answer`, `token_answer`, `revoke_answer`, `logout_answer` to a callable that takes
    the Call and returns (status, headers, body); None is the good answer, 404 for the last three. `calls` counts
    requests by name, `seen` keeps them.
    """

    advertised: str | None = None
    jwks_answer: Callable[[Call], Reply] | None = None
    discovery_answer: Callable[[Call], Reply] | None = None
    token_answer: Callable[[Call], Reply] | None = None
    revoke_answer: Callable[[Call], Reply] | None = None
    logout_answer: Callable[[Call], Reply] | None = None
    port: int = field(default_factory=free_port)
    calls: Counter[str] = field(default_factory=Counter)
    seen: list[Call] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}{REALM}"
        self.issuer = self.advertised or self.url
        self.hanging = False
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self.rotate()
        encryption_key()

    @property
    def up(self) -> bool:
        return self._server is not None and not self.hanging

    def start(self) -> None:
        """Listen and answer, after `stop` on the same port, after `hang` without a break."""
        self.hanging = False
        self.released.set()
        if self._server is None:
            self.released = threading.Event()
            self._server = Server(self)
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="harness issuer"
            )
            self._thread.start()

    def stop(self) -> None:
        """Refuse connections and end those that are open."""
        if self._server is None:
            return
        self.released.set()
        self._server.stop()
        assert self._thread is not None
        self._thread.join()
        self._server = self._thread = None

    def hang(self) -> None:
        """From now on accept, read, and never answer; until `start` or `stop`."""
        self.start()
        self.released = threading.Event()
        self.hanging = True

    def record(self, call: Call) -> None:
        with self._lock:
            self.calls[call.name] += 1
            self.seen.append(call)

    def reply(self, call: Call) -> Reply:
        own: Callable[[Call], Reply] | None = None
        if call.name in PATHS.values():
            own = getattr(self, f"{call.name}_answer", None)
        if own is not None:
            return own(call)
        if call.name == "discovery":
            return as_json(self.discovery())
        if call.name == "jwks":
            return as_json(self.jwks())
        return as_json({"error": "not_found"}, 404)

    def discovery(self) -> dict[str, Any]:
        """What Keycloak says of itself, HS256 and all: no place to take the allowed algorithms from."""
        base = f"{self.issuer}/protocol/openid-connect"
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/certs",
            "userinfo_endpoint": f"{base}/userinfo",
            "revocation_endpoint": f"{base}/revoke",
            "end_session_endpoint": f"{base}/logout",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256", "HS512", "RS256", "PS256", "ES256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.jwk for key in [*self.keys, encryption_key()]]}

    def rotate(self, alg: str = "RS256") -> str:
        """A new signing key, from now on the one that signs `alg`; its kid. Earlier keys stay listed."""
        key = Key(f"key-{uuid.uuid4().hex[:12]}", alg, jose.generate(alg))
        self.keys = [*self.keys, key]
        return key.kid

    def drop_key(self, kid: str) -> Key:
        gone = self.key(kid)
        self.keys = [key for key in self.keys if key.kid != kid]
        return gone

    def key(self, kid: str | None = None, alg: str = "RS256") -> Key:
        """The key with that id, or the newest one that signs `alg`."""
        return [key for key in self.keys if (key.kid == kid if kid else key.alg == alg)][-1]

    def claims(self, sub: str = "user-1", life: float = 300) -> dict[str, Any]:
        """The claims of a Keycloak 26 access token of our client."""
        now = int(time.time())
        return {
            "exp": int(now + life),
            "iat": now,
            "jti": f"onrtac:{uuid.uuid4()}",
            "iss": self.issuer,
            "aud": [CLIENT, "account"],
            "sub": sub,
            "typ": "Bearer",
            "azp": CLIENT,
            "sid": uuid.uuid4().hex[:24],
            "acr": "1",
            "allowed-origins": ["http://localhost:3000"],
            "realm_access": {"roles": ["candidate"]},
            "resource_access": {"account": {"roles": ["view-profile"]}},
            "scope": "openid profile email",
            "email_verified": True,
            "name": "Cora Candidate",
            "preferred_username": "cora",
            "given_name": "Cora",
            "family_name": "Candidate",
            "email": "cora@example.test",
        }

    def mint(
        self,
        claims: Mapping[str, Any] | Raw | None = None,
        *,
        drop: Iterable[str] = (),
        headers: Mapping[str, Any] | None = None,
        key: Key | jose.SigningKey | None = ANY,
        alg: str = "RS256",
        sub: str = "user-1",
        life: float = 300,
    ) -> str:
        """A token: Keycloak's claims with `claims` laid over them and `drop` taken away, signed by `key`.

        `headers` are laid over alg, typ and kid; a header of None is left out. `key=None` leaves it unsigned.
        """
        if isinstance(claims, Raw):
            payload: Any = claims.payload
        else:
            payload = {**self.claims(sub, life), **(claims or {})}
            payload = {name: value for name, value in payload.items() if name not in set(drop)}
        signer = self.key(alg=alg) if key is ANY else key
        kid = signer.kid if isinstance(signer, Key) else self.key().kid
        head = {"alg": alg, "typ": "JWT", "kid": kid, **(headers or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jose.compact(head, payload, alg, signer.private if isinstance(signer, Key) else signer)
