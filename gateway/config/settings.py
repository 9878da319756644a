"""Every setting of the gateway: its name in the environment, its type, its default and its purpose."""

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
    """The gateway's configuration, frozen. Times are seconds, sizes bytes; the repr of a secret hides it.

    Made by `gateway.config.load`; a field's alias is its name in the environment.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)

    # The NestJS gateway's names.
    node_env: str = Field("production", alias="NODE_ENV")
    """`development` or `test` relaxes the checks for production; any other value, or none, is production. Also read as
    `APP_ENV`."""

    port: Port = Field(3001, alias="PORT")
    """The port to listen on."""

    issuer: Url = Field(alias="KEYCLOAK_ISSUER_URL")
    """The issuer of every token, exactly as in its `iss`: `https://keycloak.example.com/realms/<realm>`."""

    client_id: str = Field(alias="KEYCLOAK_CLIENT_ID")
    """The gateway's client id in Keycloak."""

    client_secret: SecretStr | None = Field(None, alias="KEYCLOAK_CLIENT_SECRET")
    """The secret of that client; not needed if `KEYCLOAK_CLIENT_KEY_FILE` is set."""

    redirect_uri: Url = Field(alias="KEYCLOAK_REDIRECT_URI")
    """Where Keycloak redirects the browser after the sign-in: `https://<gateway>/auth/callback`."""

    jwt_secret: SecretStr | None = Field(None, alias="JWT_SECRET")
    """Verifies HS256 tokens if `JWT_ALGORITHMS` contains HS256; also used as `SESSION_SECRET` if that is unset."""

    audience: str = Field(alias="JWT_AUDIENCE")
    """The audience that `aud` of an access token must contain."""

    services: Mapping[str, tuple[str, ...]] = Field(MappingProxyType({}))
    """Base URLs of each configured service, by its name (`gateway.services`)."""

    openapi_urls: Mapping[str, str] = Field(MappingProxyType({}))
    """URL of the service's own OpenAPI document (3.0 or 3.1, JSON). It is read at start and every 5 minutes;
    its forwarded calls are merged into `/openapi.json`. At most 786,432 bytes, 300 calls and 50,000 JSON values."""

    frontend: Origins = Field(alias="FRONTEND_URL")
    """The origin of the frontend, the only one that CORS allows; several separated by commas. `*` is refused."""

    kafka_brokers: Brokers = Field((), alias="KAFKA_BROKERS")
    """Kafka's brokers, for the events of sign-in ([events](events.md)); several separated by commas. Unset: no events
    are published."""

    kafka_client_id: str = Field("api-gateway", alias="KAFKA_CLIENT_ID")
    """The client id sent to Kafka; pykafka always sends `pykafka`."""

    log_level: LogLevel = Field("info", alias="LOG_LEVEL")
    """The lowest level that is logged."""

    redis_url: RedisUrl | None = Field(None, alias="REDIS_URL")
    """Redis, through which several machines share rate limits, refreshes, used sign-ins and ended sessions."""

    loki_host: Url | None = Field(None, alias="LOKI_HOST")
    """Base URL of a Loki that also receives the log lines: `http://localhost:3100`."""

    jaeger_endpoint: Url | None = Field(None, alias="JAEGER_ENDPOINT")
    """Where spans are sent as Jaeger's Thrift over HTTP: `http://localhost:14268/api/traces`. For OTLP see
    `OTEL_EXPORTER_OTLP_ENDPOINT` below."""

    # The gateway's own.
    host: str = Field("0.0.0.0", alias="HOST")
    """The address to listen on; `::` for IPv4 and IPv6."""

    internal_url: Url | None = Field(None, alias="KEYCLOAK_INTERNAL_URL")
    """The issuer at the address where the gateway reaches it, including the realm path, for every call of the gateway
    to Keycloak. Unset: the issuer."""

    public_url_given: Url | None = Field(None, alias="PUBLIC_URL")
    """The gateway's URL in the browser; its path is put before the cookies' paths. Unset: `KEYCLOAK_REDIRECT_URI`
    without `/auth/callback`."""

    scopes: str = Field("openid profile email", alias="KEYCLOAK_SCOPES")
    """The scopes that a sign-in requests, separated by spaces; they must include `openid`."""

    client_key: PrivateKey | None = Field(None, alias="KEYCLOAK_CLIENT_KEY")
    """PEM of the client's private key (RSA, EC or Ed25519): `private_key_jwt` instead of the secret
    ([sign-in](sign-in.md#a-private-key-instead-of-the-secret))."""

    allowed_redirect_uris: Urls = Field((), alias="ALLOWED_REDIRECT_URIS")
    """Redirect URIs that a sign-in may use in addition to `KEYCLOAK_REDIRECT_URI` and those on a `FRONTEND_URL`;
    separated by commas."""

    session_secret: SecretStr | None = Field(None, alias="SESSION_SECRET")
    """Secrets that seal cookies, separated by commas: the first one seals, all of them open. Required in production if
    HS256 is on; otherwise `JWT_SECRET` is the default."""

    jwt_algorithms: Algorithms = Field(("RS256",), alias="JWT_ALGORITHMS")
    """The accepted signature algorithms of tokens."""

    jwt_leeway: Leeway = Field(30.0, alias="JWT_LEEWAY")
    """Allowed clock skew of `exp`, `nbf` and `iat`, in seconds, at most 60."""

    jwt_allowed_clients: Words = Field((), alias="JWT_ALLOWED_CLIENTS")
    """The clients whose tokens are accepted (`azp`). Unset: any."""

    cors_allow_headers: Words = Field((), alias="CORS_ALLOW_HEADERS")
    """Request headers that CORS allows in addition to the default ones (listed in `/docs`)."""

    cors_expose_headers: Words = Field((), alias="CORS_EXPOSE_HEADERS")
    """Response headers that CORS exposes in addition to the default ones (listed in `/docs`)."""

    streams_outlive_token: Flag = Field(False, alias="STREAMS_OUTLIVE_TOKEN")
    """`true`: an event stream continues after its access token has expired. It always ends with its session."""

    rate_limit_default: Rate = Field("100 per 15 minutes", alias="RATE_LIMIT_DEFAULT")
    """The limit for all routes together, per user, or per address for requests without a valid token."""

    rate_limit_media: Rate = Field("1000 per 15 minutes", alias="RATE_LIMIT_MEDIA")
    """The separate limit for `/media`."""

    rate_limit_auth: Rate = Field("5 per minute", alias="RATE_LIMIT_AUTH")
    """The separate limits for `/auth/login`, `/auth/callback` and `/auth/refresh`, one for each."""

    metrics_allowed_networks: NetworkList = Field(PRIVATE_NETWORKS, alias="METRICS_ALLOWED_NETWORKS")
    """The clients that may read `/metrics`: addresses, CIDR networks or `unix`. Never through a proxy that is not in
    `TRUSTED_PROXIES`."""

    loki_tenant: str | None = Field(None, alias="LOKI_TENANT")
    """Loki's tenant (`X-Scope-OrgID`)."""

    trusted_proxies: NetworkList = Field((), alias="TRUSTED_PROXIES")
    """The proxies whose forwarding headers, `X-Request-Id` and trace sampling are trusted: addresses, CIDR networks or
    `unix`. Unset: none."""

    max_body: Number = Field(1 << 20, alias="MAX_BODY_BYTES")
    """Largest request body, in bytes."""

    max_upload: Number = Field(2 << 30, alias="MAX_UPLOAD_BYTES")
    """Largest request body on `/media`, in bytes."""

    connect_timeout: Seconds = Field(2.0, alias="PROXY_CONNECT_TIMEOUT")
    """Seconds to connect to a service."""

    read_timeout: Seconds = Field(30.0, alias="PROXY_READ_TIMEOUT")
    """Seconds to wait for the next byte of a service."""

    total_timeout: Seconds = Field(55.0, alias="PROXY_TOTAL_TIMEOUT")
    """Seconds from the last byte of the request to the last byte of the response; on `/media` and for event streams, to
    the head of the response."""

    body_timeout: Seconds = Field(15.0, alias="BODY_TIMEOUT")
    """Seconds to wait for the next byte of a request body."""

    upload_timeout: Seconds = Field(60.0, alias="UPLOAD_TIMEOUT")
    """The same for `/media`."""

    drain_timeout: Seconds = Field(23.0, alias="DRAIN_TIMEOUT")
    """Seconds that a stopping worker gives requests and streams to finish, also on a reload; it exits within 7 more."""

    max_in_flight: Number = Field(1000, alias="PROXY_MAX_IN_FLIGHT")
    """Maximum of calls in flight per service and worker. The limit adapts to the service below this maximum. Uploads,
    downloads and event streams in flight are counted separately, up to the same maximum."""

    min_in_flight: Number = Field(100, alias="PROXY_MIN_IN_FLIGHT")
    """Minimum of that adaptive limit."""

    user_share: Share = Field(0.5, alias="PROXY_USER_SHARE")
    """The share of that limit that one user can hold, over 0 and at most 1."""

    ca_bundle: Certificates | None = Field(None, alias="CA_BUNDLE")
    """PEM file with CA certificates, in addition to the system's, for all outgoing TLS. Also read as
    `NODE_EXTRA_CA_CERTS`."""

    kafka_topic: Topic = Field("auth-events", alias="KAFKA_TOPIC")
    """The topic of the events."""

    kafka_client: KafkaClient = Field("auto", alias="KAFKA_CLIENT")
    """`pykafka` (brokers up to 3.9, plain connections), `confluent` (any), `auto`: pykafka where possible."""

    kafka_security_protocol: KafkaProtocol = Field("PLAINTEXT", alias="KAFKA_SECURITY_PROTOCOL")
    """The protocol of connections to the brokers."""

    kafka_sasl_mechanism: SaslMechanism | None = Field(None, alias="KAFKA_SASL_MECHANISM")
    """The SASL mechanism; required with SASL."""

    kafka_sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME")
    """The SASL user name."""

    kafka_sasl_password: SecretStr | None = Field(None, alias="KAFKA_SASL_PASSWORD")
    """The SASL password."""

    kafka_ssl_ca: Certificates | None = Field(None, alias="KAFKA_SSL_CA")
    """PEM file with the CA certificates of the brokers, instead of the system's and `CA_BUNDLE`."""

    workers: Number | None = Field(None, alias="WEB_CONCURRENCY")
    """Number of worker processes. Unset: one per CPU of the cgroup quota."""

    otel: Mapping[str, str] = Field(MappingProxyType({}))
    """The OpenTelemetry SDK's own settings, `OTEL_*`."""

    @property
    def public_url(self) -> str:
        """The gateway's URL in the browser, without a trailing slash."""
        return (self.public_url_given or self.redirect_uri.removesuffix("/auth/callback")).rstrip("/")

    @property
    def sealing_secrets(self) -> tuple[str, ...]:
        """The secrets of cookies and stored values: the first one seals, all of them open."""
        own = read_list(self.session_secret.get_secret_value()) if self.session_secret is not None else ()
        fallback = self.jwt_secret or self.client_secret or self.client_key
        return own or (fallback.get_secret_value() if fallback is not None else "",)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are `Secure`: always, except with plain http in development."""
        return self.production or self.public_url.startswith("https:")

    @property
    def production(self) -> bool:
        """Whether this is a production deployment."""
        return is_production(self.node_env)


def is_production(node_env: str | None) -> bool:
    """Whether NODE_ENV names a production deployment; unset, or an unknown value, counts as one."""
    return node_env not in ("development", "dev", "test", "local")
