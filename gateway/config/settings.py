"""Every setting the gateway reads: its name in the environment, its kind, its default and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.config.field_types import (
    Algorithms,
    Brokers,
    Certificates,
    Flag,
    KafkaClient,
    KafkaProtocol,
    Leeway,
    LogLevel,
    NetworkList,
    Number,
    Origins,
    Port,
    PrivateKey,
    Rate,
    RedisUrl,
    SaslMechanism,
    Seconds,
    Share,
    Topic,
    Url,
    Urls,
    Words,
)
from gateway.config.parsers import read_list

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


class Settings(BaseModel):
    """The gateway's configuration, frozen. Times are seconds, sizes bytes; a secret never prints itself.

    Made by `gateway.config.load`; a field's alias is its name in the environment.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)

    # The NestJS gateway's names.
    node_env: str = Field("production", alias="NODE_ENV")
    """`development` or `test` loosens what only production needs; anything else, or unset, is production. Also read as
    `APP_ENV`."""

    port: Port = Field(3001, alias="PORT")
    """The port to listen on."""

    issuer: Url = Field(alias="KEYCLOAK_ISSUER_URL")
    """The issuer of every token, character for character, as in its `iss`:
    `https://keycloak.example.com/realms/<realm>`."""

    client_id: str = Field(alias="KEYCLOAK_CLIENT_ID")
    """The gateway's client at Keycloak."""

    client_secret: SecretStr | None = Field(None, alias="KEYCLOAK_CLIENT_SECRET")
    """That client's secret; not needed where `KEYCLOAK_CLIENT_KEY_FILE` is set."""

    redirect_uri: Url = Field(alias="KEYCLOAK_REDIRECT_URI")
    """Where Keycloak sends the browser back to: `https://<gateway>/auth/callback`."""

    jwt_secret: SecretStr | None = Field(None, alias="JWT_SECRET")
    """Verifies HS256 tokens where `JWT_ALGORITHMS` names HS256; `SESSION_SECRET` where that is unset."""

    audience: str = Field(alias="JWT_AUDIENCE")
    """What an access token's `aud` has to contain."""

    services: Mapping[str, tuple[str, ...]] = Field(MappingProxyType({}))
    """Base URLs of each configured service, by its name (`gateway.services`)."""

    frontend: Origins = Field(alias="FRONTEND_URL")
    """The origin of the frontend, the only one CORS lets in; several separated by commas. `*` refuses to start."""

    kafka_brokers: Brokers = Field((), alias="KAFKA_BROKERS")
    """Kafka's brokers, for the events of sign-in ([events](events.md)); several separated by commas. Unset: events go
    nowhere."""

    kafka_client_id: str = Field("api-gateway", alias="KAFKA_CLIENT_ID")
    """What the gateway calls itself at Kafka; pykafka has a name of its own."""

    log_level: LogLevel = Field("info", alias="LOG_LEVEL")
    """`debug`, `info`, `warn` or `error`."""

    redis_url: RedisUrl | None = Field(None, alias="REDIS_URL")
    """Redis, for several machines: rate limits, refreshes, used logins and ended sessions are shared through it."""

    loki_host: Url | None = Field(None, alias="LOKI_HOST")
    """Base URL of a Loki that gets the log's lines too: `http://localhost:3100`."""

    jaeger_endpoint: Url | None = Field(None, alias="JAEGER_ENDPOINT")
    """Where spans go as Jaeger's Thrift over HTTP: `http://localhost:14268/api/traces`. OTLP:
    `OTEL_EXPORTER_OTLP_ENDPOINT`, below."""

    # The gateway's own.
    host: str = Field("0.0.0.0", alias="HOST")
    """The address to listen on; `::` for both families."""

    internal_url: Url | None = Field(None, alias="KEYCLOAK_INTERNAL_URL")
    """The issuer as the gateway reaches it, realm path included; every call the gateway itself makes goes there.
    Unset: the issuer."""

    public_url_given: Url | None = Field(None, alias="PUBLIC_URL")
    """The gateway as the browser sees it; its path goes before the cookies' paths. Unset: `KEYCLOAK_REDIRECT_URI`
    without `/auth/callback`."""

    scopes: str = Field("openid profile email", alias="KEYCLOAK_SCOPES")
    """The scopes a login asks for, separated by spaces; `openid` has to be among them."""

    client_key: PrivateKey | None = Field(None, alias="KEYCLOAK_CLIENT_KEY")
    """PEM of the client's private key (RSA, EC or Ed25519): `private_key_jwt` in place of the secret
    ([sign-in](sign-in.md#a-key-in-place-of-the-secret))."""

    allowed_redirect_uris: Urls = Field((), alias="ALLOWED_REDIRECT_URIS")
    """Redirect URIs a login may name beside `KEYCLOAK_REDIRECT_URI` and those on a `FRONTEND_URL`; separated by
    commas."""

    session_secret: SecretStr | None = Field(None, alias="SESSION_SECRET")
    """Comma-separated secrets that seal cookies: the first seals, all open. Required in production when HS256 is on;
    else from `JWT_SECRET`."""

    jwt_algorithms: Algorithms = Field(("RS256",), alias="JWT_ALGORITHMS")
    """The only signature algorithms that verify a token."""

    jwt_leeway: Leeway = Field(30.0, alias="JWT_LEEWAY")
    """Clock skew allowed in `exp`, `nbf` and `iat`, in seconds, at most 60."""

    jwt_allowed_clients: Words = Field((), alias="JWT_ALLOWED_CLIENTS")
    """Clients whose tokens are accepted (`azp`); unset: any."""

    cors_allow_headers: Words = Field((), alias="CORS_ALLOW_HEADERS")
    """Request headers that CORS allows beside the usual ones (`/docs` lists them)."""

    cors_expose_headers: Words = Field((), alias="CORS_EXPOSE_HEADERS")
    """Response headers that CORS lets scripts read beside the usual ones (`/docs` lists them)."""

    streams_outlive_token: Flag = Field(False, alias="STREAMS_OUTLIVE_TOKEN")
    """`true`: an open event stream goes on after its access token has lapsed. It ends with its session in any case."""

    rate_limit_default: Rate = Field("100 per 15 minutes", alias="RATE_LIMIT_DEFAULT")
    """Over all routes together, for each user, else for each address."""

    rate_limit_media: Rate = Field("1000 per 15 minutes", alias="RATE_LIMIT_MEDIA")
    """The same for `/media` alone."""

    rate_limit_auth: Rate = Field("5 per minute", alias="RATE_LIMIT_AUTH")
    """For each of `/auth/login`, `/auth/callback` and `/auth/refresh` by itself."""

    metrics_allowed_networks: NetworkList = Field(PRIVATE_NETWORKS, alias="METRICS_ALLOWED_NETWORKS")
    """Who may read `/metrics`: addresses, CIDR networks or `unix`. Never through a proxy that is not in
    `TRUSTED_PROXIES`."""

    loki_tenant: str | None = Field(None, alias="LOKI_TENANT")
    """Loki's tenant (`X-Scope-OrgID`)."""

    trusted_proxies: NetworkList = Field((), alias="TRUSTED_PROXIES")
    """Addresses, CIDR networks or `unix`: the peers whose forwarding headers, `X-Request-Id` and trace sampling are
    believed. Unset: nobody's."""

    max_body: Number = Field(1 << 20, alias="MAX_BODY_BYTES")
    """Largest request body, in bytes."""

    max_upload: Number = Field(2 << 30, alias="MAX_UPLOAD_BYTES")
    """Largest request body on `/media`, in bytes."""

    connect_timeout: Seconds = Field(2.0, alias="PROXY_CONNECT_TIMEOUT")
    """Seconds to reach a service."""

    read_timeout: Seconds = Field(30.0, alias="PROXY_READ_TIMEOUT")
    """Seconds without a byte from a service."""

    total_timeout: Seconds = Field(55.0, alias="PROXY_TOTAL_TIMEOUT")
    """Seconds from the last byte of the request to the last of the answer; on `/media` and for event streams to the
    answer's head."""

    body_timeout: Seconds = Field(15.0, alias="BODY_TIMEOUT")
    """Seconds without a byte of a request's body."""

    upload_timeout: Seconds = Field(60.0, alias="UPLOAD_TIMEOUT")
    """The same on `/media`."""

    drain_timeout: Seconds = Field(23.0, alias="DRAIN_TIMEOUT")
    """Seconds that a worker which stops lets requests and streams finish, also on a reload; it ends within 7 more."""

    max_in_flight: Number = Field(1000, alias="PROXY_MAX_IN_FLIGHT")
    """Ceiling of the calls under way per service and worker; the bound adapts below it to what the service bears.
    Uploads, downloads and event streams under way are counted apart, up to the same ceiling."""

    min_in_flight: Number = Field(100, alias="PROXY_MIN_IN_FLIGHT")
    """Floor of that bound."""

    user_share: Share = Field(0.5, alias="PROXY_USER_SHARE")
    """How much of it one user can hold, over 0 and at most 1."""

    ca_bundle: Certificates | None = Field(None, alias="CA_BUNDLE")
    """PEM file added to the system's certificates for every outgoing TLS. Also read as `NODE_EXTRA_CA_CERTS`."""

    kafka_topic: Topic = Field("auth-events", alias="KAFKA_TOPIC")
    """The topic of the events."""

    kafka_client: KafkaClient = Field("auto", alias="KAFKA_CLIENT")
    """`pykafka` (brokers up to 3.9, plain connections), `confluent` (any), `auto`: pykafka where it can be used."""

    kafka_security_protocol: KafkaProtocol = Field("PLAINTEXT", alias="KAFKA_SECURITY_PROTOCOL")
    """How to connect to the brokers."""

    kafka_sasl_mechanism: SaslMechanism | None = Field(None, alias="KAFKA_SASL_MECHANISM")
    """How to sign in at the brokers; required with SASL."""

    kafka_sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME")
    """As whom."""

    kafka_sasl_password: SecretStr | None = Field(None, alias="KAFKA_SASL_PASSWORD")
    """With what password."""

    kafka_ssl_ca: Certificates | None = Field(None, alias="KAFKA_SSL_CA")
    """PEM file of the certificates that the brokers' are signed with, in place of the system's and `CA_BUNDLE`."""

    workers: Number | None = Field(None, alias="WEB_CONCURRENCY")
    """Worker processes; unset: one for each CPU of the cgroup quota."""

    otel: Mapping[str, str] = Field(MappingProxyType({}))
    """The OpenTelemetry SDK's own settings, `OTEL_*`."""

    @property
    def public_url(self) -> str:
        """The gateway as the browser sees it, without a last slash."""
        return (self.public_url_given or self.redirect_uri.removesuffix("/auth/callback")).rstrip("/")

    @property
    def sealing_secrets(self) -> tuple[str, ...]:
        """What seals (the first) and opens (all) cookies and stored values."""
        own = read_list(self.session_secret.get_secret_value()) if self.session_secret is not None else ()
        fallback = self.jwt_secret or self.client_secret or self.client_key
        return own or (fallback.get_secret_value() if fallback is not None else "",)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are `Secure`: always, but for plain http in development."""
        return self.production or self.public_url.startswith("https:")

    @property
    def production(self) -> bool:
        """Whether this is a production deployment."""
        return is_production(self.node_env)


def is_production(node_env: str | None) -> bool:
    """Whether NODE_ENV names a production deployment; unset, or a value nobody knows, counts as one."""
    return node_env not in ("development", "dev", "test", "local")
