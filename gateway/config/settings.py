"""Every setting the gateway reads: its name in the environment, its kind, its default and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.config.parsers import (
    Algorithms,
    BaseUrls,
    Brokers,
    Certificates,
    KafkaClient,
    KafkaProtocol,
    Leeway,
    LogLevel,
    NetworkList,
    Number,
    Origins,
    Port,
    Rate,
    RedisUrl,
    SaslMechanism,
    Seconds,
    Topic,
    Url,
    Urls,
    Words,
    read_list,
)

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

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # The NestJS gateway's names.
    node_env: str = Field("production", alias="NODE_ENV", description="`development` or `test` loosens what only production needs; anything else, or unset, is production. Also read as `APP_ENV`.")  # fmt: skip  # noqa: E501
    port: Port = Field(3001, alias="PORT", description="The port to listen on.")
    issuer: Url = Field(alias="KEYCLOAK_ISSUER_URL", description="The issuer of every token, character for character, as in its `iss`: `https://keycloak.example.com/realms/<realm>`.")  # fmt: skip  # noqa: E501
    client_id: str = Field(alias="KEYCLOAK_CLIENT_ID", description="The gateway's client at Keycloak.")
    client_secret: SecretStr = Field(alias="KEYCLOAK_CLIENT_SECRET", description="That client's secret.")
    redirect_uri: Url = Field(alias="KEYCLOAK_REDIRECT_URI", description="Where Keycloak sends the browser back to: `https://<gateway>/auth/callback`.")  # fmt: skip  # noqa: E501
    jwt_secret: SecretStr | None = Field(None, alias="JWT_SECRET", description="Verifies HS256 tokens where `JWT_ALGORITHMS` names HS256; `SESSION_SECRET` where that is unset.")  # fmt: skip  # noqa: E501
    audience: str = Field(alias="JWT_AUDIENCE", description="What an access token's `aud` has to contain.")
    user_service: BaseUrls = Field(alias="USER_SERVICE_URL", description="Base URL of the service behind `/users`; several instances separated by commas.")  # fmt: skip  # noqa: E501
    interview_service: BaseUrls = Field(alias="INTERVIEW_SERVICE_URL", description="Base URL of the service behind `/interviews`; several instances separated by commas.")  # fmt: skip  # noqa: E501
    media_service: BaseUrls | None = Field(None, alias="MEDIA_SERVICE_URL", description="Base URL of the service behind `/media`; unset: `/media` is 404.")  # fmt: skip  # noqa: E501
    frontend: Origins = Field(alias="FRONTEND_URL", description="The origin of the frontend, the only one CORS lets in; several separated by commas. `*` refuses to start.")  # fmt: skip  # noqa: E501
    kafka_brokers: Brokers = Field((), alias="KAFKA_BROKERS", description="Kafka's brokers, for the events of sign-in ([events](events.md)); several separated by commas. Unset: events go nowhere.")  # fmt: skip  # noqa: E501
    kafka_client_id: str = Field("api-gateway", alias="KAFKA_CLIENT_ID", description="What the gateway calls itself at Kafka; pykafka has a name of its own.")  # fmt: skip  # noqa: E501
    log_level: LogLevel = Field("info", alias="LOG_LEVEL", description="`debug`, `info`, `warn` or `error`.")

    redis_url: RedisUrl | None = Field(None, alias="REDIS_URL", description="Redis, for several machines: rate limits, refreshes, used logins and ended sessions are shared through it.")  # fmt: skip  # noqa: E501
    loki_host: Url | None = Field(None, alias="LOKI_HOST", description="Base URL of a Loki that gets the log's lines too: `http://localhost:3100`.")  # fmt: skip  # noqa: E501
    jaeger_endpoint: Url | None = Field(None, alias="JAEGER_ENDPOINT", description="Where spans go as Jaeger's Thrift over HTTP: `http://localhost:14268/api/traces`. OTLP: `OTEL_EXPORTER_OTLP_ENDPOINT`, below.")  # fmt: skip  # noqa: E501

    # The gateway's own.
    host: str = Field("0.0.0.0", alias="HOST", description="The address to listen on; `::` for both families.")
    internal_url: Url | None = Field(None, alias="KEYCLOAK_INTERNAL_URL", description="The issuer as the gateway reaches it, realm path included; every call the gateway itself makes goes there. Unset: the issuer.")  # fmt: skip  # noqa: E501
    public_url_given: Url | None = Field(None, alias="PUBLIC_URL", description="The gateway as the browser sees it; its path goes before the cookies' paths. Unset: `KEYCLOAK_REDIRECT_URI` without `/auth/callback`.")  # fmt: skip  # noqa: E501
    scopes: str = Field("openid profile email", alias="KEYCLOAK_SCOPES", description="The scopes a login asks for, separated by spaces; `openid` has to be among them.")  # fmt: skip  # noqa: E501
    allowed_redirect_uris: Urls = Field((), alias="ALLOWED_REDIRECT_URIS", description="Redirect URIs a login may name beside `KEYCLOAK_REDIRECT_URI` and those on a `FRONTEND_URL`; separated by commas.")  # fmt: skip  # noqa: E501
    session_secret: SecretStr | None = Field(None, alias="SESSION_SECRET", description="Comma-separated secrets that seal cookies: the first seals, all open. Required in production when HS256 is on; else from `JWT_SECRET`.")  # fmt: skip  # noqa: E501
    jwt_algorithms: Algorithms = Field(("RS256",), alias="JWT_ALGORITHMS", description="The only signature algorithms that verify a token.")  # fmt: skip  # noqa: E501
    jwt_leeway: Leeway = Field(30.0, alias="JWT_LEEWAY", description="Clock skew allowed in `exp`, `nbf` and `iat`, in seconds, at most 60.")  # fmt: skip  # noqa: E501
    jwt_allowed_clients: Words = Field((), alias="JWT_ALLOWED_CLIENTS", description="Clients whose tokens are accepted (`azp`); unset: any.")  # fmt: skip  # noqa: E501
    cors_allow_headers: Words = Field((), alias="CORS_ALLOW_HEADERS", description="Request headers that CORS allows beside Content-Type and Authorization.")  # fmt: skip  # noqa: E501
    rate_limit_default: Rate = Field("100 per 15 minutes", alias="RATE_LIMIT_DEFAULT", description="Over all routes together, for each user, else for each address.")  # fmt: skip  # noqa: E501
    rate_limit_media: Rate = Field("1000 per 15 minutes", alias="RATE_LIMIT_MEDIA", description="The same for `/media` alone.")  # fmt: skip  # noqa: E501
    rate_limit_auth: Rate = Field("5 per minute", alias="RATE_LIMIT_AUTH", description="For each of `/auth/login`, `/auth/callback` and `/auth/refresh` by itself.")  # fmt: skip  # noqa: E501
    metrics_allowed_networks: NetworkList = Field(PRIVATE_NETWORKS, alias="METRICS_ALLOWED_NETWORKS", description="Who may read `/metrics`: addresses, CIDR networks or `unix`. Never through a proxy that is not in `TRUSTED_PROXIES`.")  # fmt: skip  # noqa: E501
    loki_tenant: str | None = Field(None, alias="LOKI_TENANT", description="Loki's tenant (`X-Scope-OrgID`).")
    trusted_proxies: NetworkList = Field((), alias="TRUSTED_PROXIES", description="Addresses, CIDR networks or `unix`: the peers whose forwarding headers, `X-Request-Id` and trace sampling are believed. Unset: nobody's.")  # fmt: skip  # noqa: E501
    max_body: Number = Field(1 << 20, alias="MAX_BODY_BYTES", description="Largest request body, in bytes.")
    max_upload: Number = Field(2 << 30, alias="MAX_UPLOAD_BYTES", description="Largest request body on `/media`, in bytes.")  # fmt: skip  # noqa: E501
    connect_timeout: Seconds = Field(2.0, alias="PROXY_CONNECT_TIMEOUT", description="Seconds to reach a service.")
    read_timeout: Seconds = Field(30.0, alias="PROXY_READ_TIMEOUT", description="Seconds without a byte from a service.")  # fmt: skip  # noqa: E501
    total_timeout: Seconds = Field(55.0, alias="PROXY_TOTAL_TIMEOUT", description="Seconds from the last byte of the request to the last of the answer; on `/media` and for event streams to the answer's head.")  # fmt: skip  # noqa: E501
    body_timeout: Seconds = Field(15.0, alias="BODY_TIMEOUT", description="Seconds without a byte of a request's body.")
    max_in_flight: Number = Field(1000, alias="PROXY_MAX_IN_FLIGHT", description="Calls under way per service and worker.")  # fmt: skip  # noqa: E501
    ca_bundle: Certificates | None = Field(None, alias="CA_BUNDLE", description="PEM file added to the system's certificates for every outgoing TLS. Also read as `NODE_EXTRA_CA_CERTS`.")  # fmt: skip  # noqa: E501
    kafka_topic: Topic = Field("auth-events", alias="KAFKA_TOPIC", description="The topic of the events.")
    kafka_client: KafkaClient = Field("auto", alias="KAFKA_CLIENT", description="`pykafka` (brokers up to 3.9, plain connections), `confluent` (any), `auto`: pykafka where it can be used.")  # fmt: skip  # noqa: E501
    kafka_security_protocol: KafkaProtocol = Field("PLAINTEXT", alias="KAFKA_SECURITY_PROTOCOL", description="How to connect to the brokers.")  # fmt: skip  # noqa: E501
    kafka_sasl_mechanism: SaslMechanism | None = Field(None, alias="KAFKA_SASL_MECHANISM", description="How to sign in at the brokers; required with SASL.")  # fmt: skip  # noqa: E501
    kafka_sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME", description="As whom.")
    kafka_sasl_password: SecretStr | None = Field(None, alias="KAFKA_SASL_PASSWORD", description="With what password.")
    kafka_ssl_ca: Certificates | None = Field(None, alias="KAFKA_SSL_CA", description="PEM file of the certificates that the brokers' are signed with, in place of the system's and `CA_BUNDLE`.")  # fmt: skip  # noqa: E501
    workers: Number | None = Field(None, alias="WEB_CONCURRENCY", description="Worker processes; unset: one for each CPU of the cgroup quota.")  # fmt: skip  # noqa: E501

    otel: Mapping[str, str] = Field(MappingProxyType({}), description="The OpenTelemetry SDK's own settings, `OTEL_*`.")

    @property
    def public_url(self) -> str:
        """The gateway as the browser sees it, without a last slash."""
        return (self.public_url_given or self.redirect_uri.removesuffix("/auth/callback")).rstrip("/")

    @property
    def sealing_secrets(self) -> tuple[str, ...]:
        """What seals (the first) and opens (all) cookies and stored values."""
        own = read_list(self.session_secret.get_secret_value()) if self.session_secret is not None else ()
        return own or ((self.jwt_secret or self.client_secret).get_secret_value(),)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies are `Secure`: always, but for plain http in development."""
        return self.production or self.public_url.startswith("https:")

    @property
    def production(self) -> bool:
        """Whether this is a production deployment; a value nobody knows counts as one."""
        return self.node_env not in ("development", "dev", "test", "local")


# Aliases of a name, read where the name itself is unset.
OLD_NAMES = {"NODE_ENV": "APP_ENV", "CA_BUNDLE": "NODE_EXTRA_CA_CERTS"}

_FIELDS = {field.alias: field for field in Settings.model_fields.values() if field.alias}

NAMES = tuple(_FIELDS)

SECRETS = tuple(name for name, field in _FIELDS.items() if "SecretStr" in str(field.annotation))

REQUIRED = tuple(name for name, field in _FIELDS.items() if field.is_required())
