"""Settings (SPEC 8): where they come from, what is wrong with them, and that docs/settings.md says so."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import certifi
import pytest
import settings_table
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from harness.environment import GOOD, SECRET
from harness.gateway import StartGateway
from harness.misconfigurations import LOW_PORT
from harness.ports import free_port
from harness.repository import ROOT

from gateway.config import Problem, ProblemsFound, Settings, load
from gateway.config.example import expected as expected_values
from gateway.config.names import NAMES, OLD_NAMES, REQUIRED, ROWS, SECRETS
from gateway.services import INTERVIEWS, SERVICES, USERS

SASL = {
    "KAFKA_BROKERS": "kafka:9093",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "gateway",
    "KAFKA_SASL_PASSWORD": "Kfg7-of-kafka",
}

CLIENT_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
    .rstrip()
)

# The values of SPEC 8.
OF_NESTJS = """\
NODE_ENV=development
PORT=3001
KEYCLOAK_ISSUER_URL=http://localhost:8090/realms/ai-video-interview
KEYCLOAK_CLIENT_ID=ai-video-interview-app
KEYCLOAK_CLIENT_SECRET=your-secret
KEYCLOAK_REDIRECT_URI=http://localhost:3001/auth/callback
JWT_SECRET=your-jwt-secret
JWT_AUDIENCE=ai-video-interview-app
USER_SERVICE_URL=http://localhost:3003
INTERVIEW_SERVICE_URL=http://localhost:3004
MEDIA_SERVICE_URL=http://localhost:3006
FRONTEND_URL=http://localhost:3000
KAFKA_BROKERS=localhost:9092
KAFKA_CLIENT_ID=api-gateway
LOG_LEVEL=info
LOKI_HOST=http://localhost:3100
JAEGER_ENDPOINT=http://localhost:14268/api/traces
REDIS_URL=
"""


def loaded(tmp_path: Path, changes: Mapping[str, str | None] = {}) -> tuple[Settings, tuple[Problem, ...]]:
    """Settings and warnings of GOOD with changes; None takes away."""
    environ = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return load(environ, tmp_path)


def problems(tmp_path: Path, changes: Mapping[str, str | None]) -> dict[str, str]:
    """What is wrong with GOOD after these changes: name → advice."""
    with pytest.raises(ProblemsFound) as found:
        loaded(tmp_path, changes)
    return {problem.name: problem.advice for problem in found.value.problems}


class TestDocument:
    def test_the_document_has_the_table_of_the_code(self) -> None:
        assert settings_table.DOCUMENT.read_text() == settings_table.written(), "python tests/settings_table.py"
        assert settings_table.table() in settings_table.DOCUMENT.read_text()

    def test_the_document_names_what_the_code_reads_and_nothing_else(self) -> None:
        """OTEL_* are the SDK's own."""
        text = settings_table.DOCUMENT.read_text()
        known = {*NAMES, *OLD_NAMES.values(), *(f"{name}_FILE" for name in SECRETS)} - {"PORT", "HOST"}
        assert {name for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text) if name[:5] != "OTEL_"} == known

    def test_the_document_says_what_each_setting_is_for(self) -> None:
        for row in ROWS:
            assert row.description, row.name


class TestSources:
    def test_the_environment_is_enough(self, tmp_path: Path) -> None:
        settings, warnings = loaded(tmp_path)
        assert (settings.port, settings.audience, warnings) == (3001, "ai-video-interview-app", ())

    def test_the_environment_goes_over_the_file(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=4001\nLOG_LEVEL=debug\n")
        settings, _ = loaded(tmp_path, {"PORT": "4002"})
        assert (settings.port, settings.log_level) == (4002, "debug")

    def test_an_empty_setting_is_unset(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=4001\nLOG_LEVEL=\n")
        settings, _ = loaded(tmp_path, {"PORT": "", "MEDIA_SERVICE_URL": ""})
        assert (settings.port, settings.log_level, set(settings.services)) == (
            3001,
            "info",
            {USERS.name, INTERVIEWS.name},
        )

    def test_only_the_file_of_the_working_directory_is_read(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=4001\n")
        (tmp_path / "below").mkdir()
        assert loaded(tmp_path / "below")[0].port == 3001

    def test_a_file_that_can_not_be_read_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
        assert problems(tmp_path, {}) == {".env": "is not UTF-8, first at byte 5"}

    @pytest.mark.parametrize(("name", "old"), OLD_NAMES.items())
    def test_an_old_name_serves_where_the_new_is_unset(self, tmp_path: Path, name: str, old: str) -> None:
        certificates = tmp_path / "none.pem"
        both = {"NODE_ENV": ("test", "production"), "CA_BUNDLE": (certificates, "?")}[name]
        if name == "CA_BUNDLE":
            assert problems(tmp_path, {old: str(both[1])}).keys() == {name}
            return
        assert loaded(tmp_path, {old: str(both[0])})[0].node_env == "test"
        assert loaded(tmp_path, {old: str(both[0]), name: str(both[1])})[0].node_env == "production"

    def test_the_nestjs_gateways_settings_start_unchanged(self, start_gateway: StartGateway, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text(OF_NESTJS)
        unset = dict.fromkeys(name for name in NAMES if name not in ("PORT", "HOST"))
        gateway = start_gateway(unset, cwd=tmp_path, ready=False)
        assert gateway.get("/health/live").status == 200
        gateway.wait_line(lambda line: "JWT_SECRET:" in line["message"])
        reported = {line["message"] for line in gateway.lines() if line["level"] == "warn"}
        reported = {message for message in reported if message.startswith("Settings: ")}
        assert {message.split()[1] for message in reported} == {"KEYCLOAK_CLIENT_SECRET:", "JWT_SECRET:"}


class TestSecretFiles:
    @pytest.mark.parametrize("name", SECRETS)
    def test_every_secret_may_be_in_a_file(self, tmp_path: Path, name: str) -> None:
        odd = {"REDIS_URL": "redis://:word@cache:6379/0", "KEYCLOAK_CLIENT_KEY": CLIENT_KEY}
        value = odd.get(name, SECRET + "-of-a-file")
        sasl = SASL if name == "KAFKA_SASL_PASSWORD" else {}
        (tmp_path / "secret").write_text(value + "\r\n")
        settings, _ = loaded(tmp_path, {**sasl, name: None, f"{name}_FILE": str(tmp_path / "secret")})
        (field,) = (key for key, info in Settings.model_fields.items() if info.alias == name)
        assert getattr(settings, field).get_secret_value() == value

    def test_a_relative_secret_file_lies_below_the_working_directory(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        settings, _ = loaded(tmp_path, {"JWT_SECRET_FILE": "secret"})
        assert settings.jwt_secret is not None

    def test_a_secret_file_may_be_named_in_the_env_file(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        (tmp_path / ".env").write_text("JWT_SECRET_FILE=secret\n")
        assert loaded(tmp_path)[0].jwt_secret is not None

    @pytest.mark.parametrize("content", [None, b"\xff"], ids=["not there", "no text"])
    def test_a_secret_file_that_can_not_be_read_is_a_problem(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "secret").write_bytes(content)
        found = problems(tmp_path, {"KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_SECRET_FILE": "secret"})
        assert found.keys() == {"KEYCLOAK_CLIENT_SECRET_FILE"}

    def test_a_secret_and_its_file_together_are_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        assert problems(tmp_path, {"SESSION_SECRET_FILE": "secret"}).keys() == {"SESSION_SECRET"}


BAD_URLS = ["keycloak", "ftp://a", "http://", "http://a b", "http://a?b", "http://a#b", "http://u:p@a", "http://a:0",
            "http://a:port", "http://a:99999", "//a"]  # fmt: skip
BAD_NUMBERS = ["0", "-1", "1.5", "1e3", "many", "½", "+1", "9" * 5000]
BAD_SECONDS = ["0", "-1", "soon", "nan", "inf", "86401"]
BAD_RATES = ["5", "five per minute", "0 per minute", "-1 per minute", "5 per fortnight", "5 per minute; some"]
BAD = {
    "PORT": ["0", "65536", "http", "-1", "3001.0", "³"],
    "KEYCLOAK_ISSUER_URL": BAD_URLS,
    "KEYCLOAK_REDIRECT_URI": BAD_URLS,
    "KEYCLOAK_INTERNAL_URL": BAD_URLS,
    "PUBLIC_URL": BAD_URLS,
    "ALLOWED_REDIRECT_URIS": ["https://a,b", *BAD_URLS],
    **{spec.setting: ["http://a,b", ",", *BAD_URLS] for spec in SERVICES},
    **{spec.openapi_setting: BAD_URLS for spec in SERVICES},
    "FRONTEND_URL": ["*", "https://*.a", "https://a,*", "https://a/path", "null", ",", *BAD_URLS],
    "LOG_LEVEL": ["loud", "3", "verbose"],
    "REDIS_URL": ["localhost:6379", "http://a", "redis://", "redis://a b"],
    "STREAMS_OUTLIVE_TOKEN": ["yes", "1", "on"],
    "RATE_LIMIT_DEFAULT": BAD_RATES,
    "RATE_LIMIT_MEDIA": BAD_RATES,
    "RATE_LIMIT_AUTH": BAD_RATES,
    "METRICS_ALLOWED_NETWORKS": ["all", "10.0.0.0/33"],
    "LOKI_HOST": BAD_URLS,
    "JAEGER_ENDPOINT": BAD_URLS,
    "JWT_ALGORITHMS": ["none", "HS512", "RS256,none", "rs256", ","],
    "JWT_LEEWAY": ["-1", "61", "some", "nan"],
    "TRUSTED_PROXIES": ["nowhere", "10.0.0.0/33", "10.0.0.1,proxy", "1.2.3"],
    "MAX_BODY_BYTES": BAD_NUMBERS,
    "MAX_UPLOAD_BYTES": BAD_NUMBERS,
    "PROXY_CONNECT_TIMEOUT": BAD_SECONDS,
    "PROXY_READ_TIMEOUT": BAD_SECONDS,
    "PROXY_TOTAL_TIMEOUT": BAD_SECONDS,
    "BODY_TIMEOUT": BAD_SECONDS,
    "UPLOAD_TIMEOUT": BAD_SECONDS,
    "DRAIN_TIMEOUT": BAD_SECONDS,
    "PROXY_MAX_IN_FLIGHT": BAD_NUMBERS,
    "PROXY_MIN_IN_FLIGHT": BAD_NUMBERS,
    "PROXY_USER_SHARE": ["0", "-0.1", "1.01", "half", "nan", "50%"],
    "CA_BUNDLE": ["none.pem", "/", __file__],
    "WEB_CONCURRENCY": BAD_NUMBERS,
    "KEYCLOAK_SCOPES": ["profile", "openidx"],
    "KAFKA_BROKERS": ["kafka", "kafka:0", "kafka:65536", "http://kafka:9092", "a:1;b:2", "::1:9092", "a:1, b"],
    "KAFKA_TOPIC": ["two words", "a/b", "..", "a" * 250],
    "KAFKA_CLIENT": ["kafkajs", "Confluent"],
    "KAFKA_SECURITY_PROTOCOL": ["TLS", "sasl"],
    "KAFKA_SASL_MECHANISM": ["GSSAPI", "scram"],
    "KAFKA_SSL_CA": ["none.pem", "/", __file__],
}
TAKE_ANY_TEXT = {"NODE_ENV", "KEYCLOAK_CLIENT_ID", "JWT_AUDIENCE", "HOST", "JWT_ALLOWED_CLIENTS", "CORS_ALLOW_HEADERS",
                 "CORS_EXPOSE_HEADERS",
                 "LOKI_TENANT", "KAFKA_CLIENT_ID", "KAFKA_SASL_USERNAME"}  # fmt: skip


class TestKinds:
    def test_every_kind_of_setting_is_tried(self) -> None:
        assert set(BAD) | TAKE_ANY_TEXT | set(SECRETS) == set(NAMES)

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
    def test_a_setting_refuses_a_value_of_another_kind(self, tmp_path: Path, name: str, value: str) -> None:
        found = problems(tmp_path, {name: value})
        assert found.keys() == {name}
        assert len(value) < 4 or value not in found[name] or value in expected_values()[name]

    @pytest.mark.parametrize(
        ("name", "value", "field", "expected"),
        [
            ("FRONTEND_URL", "https://App.Example.com:443/", "frontend", ("https://app.example.com",)),
            ("FRONTEND_URL", "http://[::1]:3000,http://b", "frontend", ("http://[::1]:3000", "http://b")),
            ("KEYCLOAK_ISSUER_URL", "https://k/realms/a/", "issuer", "https://k/realms/a/"),
            ("LOG_LEVEL", "WARNING", "log_level", "warn"),
            ("JWT_LEEWAY", "0", "jwt_leeway", 0.0),
            ("PROXY_READ_TIMEOUT", "0.5", "read_timeout", 0.5),
            ("TRUSTED_PROXIES", "10.0.0.0/8, ::1,unix", "trusted_proxies", ("10.0.0.0/8", "::1", "unix")),
            ("JWT_ALGORITHMS", "RS256, ES256", "jwt_algorithms", ("RS256", "ES256")),
            ("CORS_ALLOW_HEADERS", "X-A, X-B,", "cors_allow_headers", ("X-A", "X-B")),
            ("WEB_CONCURRENCY", "4", "workers", 4),
            ("KAFKA_BROKERS", "a:9092, b.c:9093,[::1]:1", "kafka_brokers", ("a:9092", "b.c:9093", "[::1]:1")),
            ("KAFKA_SECURITY_PROTOCOL", "ssl", "kafka_security_protocol", "SSL"),
            ("PUBLIC_URL", "https://app.example.com/api/", "public_url", "https://app.example.com/api"),
        ],
    )
    def test_a_setting_takes_a_value_of_its_kind(
        self, tmp_path: Path, name: str, value: str, field: str, expected: object
    ) -> None:
        assert getattr(loaded(tmp_path, {name: value})[0], field) == expected

    def test_a_service_may_have_several_base_urls(self, tmp_path: Path) -> None:
        settings, _ = loaded(tmp_path, {"USER_SERVICE_URL": "http://a:1/ , https://b/base/"})
        assert settings.services[USERS.name] == ("http://a:1", "https://b/base")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("OTEL_TRACES_SAMPLER", "always_onn"),
            *(("OTEL_TRACES_SAMPLER_ARG", arg) for arg in ("1.1", "-1", "x", "nan")),
        ],
    )
    def test_a_sampler_is_one_of_the_sdks(self, tmp_path: Path, name: str, value: str) -> None:
        assert problems(tmp_path, {name: value}).keys() == {name}
        assert loaded(tmp_path, {"OTEL_TRACES_SAMPLER": "ParentBased_TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG": "0.5"})

    def test_the_public_url_is_that_of_the_callback(self, tmp_path: Path) -> None:
        assert loaded(tmp_path)[0].public_url == "https://api.example.com"


class TestProblems:
    def test_all_problems_are_told_at_once(self, tmp_path: Path) -> None:
        wrong = {name: values[0] for name, values in BAD.items() if name not in REQUIRED}
        found = problems(tmp_path, {**dict.fromkeys(REQUIRED), **wrong})
        assert found.keys() == {*REQUIRED, *wrong}
        assert all(found[name] == "is required" for name in REQUIRED)

    @pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
    @pytest.mark.parametrize("name", REQUIRED)
    def test_a_missing_required_setting_is_a_problem(self, tmp_path: Path, name: str, value: str | None) -> None:
        assert problems(tmp_path, {name: value}) == {name: "is required"}

    def test_a_frontend_of_any_origin_is_refused_everywhere(self, tmp_path: Path) -> None:
        found = problems(tmp_path, {"FRONTEND_URL": "*", "NODE_ENV": "development"})
        assert "*" in found["FRONTEND_URL"]

    def test_hs256_needs_secrets_of_its_own(self, tmp_path: Path) -> None:
        hs256 = {"JWT_ALGORITHMS": "RS256,HS256", "JWT_SECRET": SECRET}
        loaded(tmp_path, hs256)
        assert problems(tmp_path, {**hs256, "JWT_SECRET": None}).keys() == {"JWT_SECRET"}
        assert problems(tmp_path, {**hs256, "SESSION_SECRET": None}).keys() == {"SESSION_SECRET"}
        loaded(tmp_path, {**hs256, "SESSION_SECRET": None, "NODE_ENV": "development"})

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({"KAFKA_CLIENT": "pykafka"}, {"KAFKA_CLIENT"}),
            (
                {"KAFKA_SASL_USERNAME": None, "KAFKA_SASL_PASSWORD": None},
                {"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"},
            ),
            ({"KAFKA_SASL_MECHANISM": ""}, {"KAFKA_SASL_MECHANISM"}),
            ({"KAFKA_SECURITY_PROTOCOL": None}, {name for name in SASL if "_SASL_" in name}),
            ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SSL_CA": certifi.where()}, {"KAFKA_SSL_CA"}),
            ({"KAFKA_SASL_PASSWORD": "your-password"}, {"KAFKA_SASL_PASSWORD"}),
        ],
        ids=["pykafka", "nobody", "no mechanism", "not sasl", "not ssl", "a placeholder"],
    )
    def test_settings_of_kafka_that_contradict_each_other_are_problems(
        self, tmp_path: Path, changes: dict[str, str | None], wrong: set[str]
    ) -> None:
        loaded(tmp_path, SASL)
        assert problems(tmp_path, {**SASL, **changes}).keys() == wrong

    def test_pykafka_knows_no_ipv6(self, tmp_path: Path) -> None:
        ipv6 = {"KAFKA_BROKERS": "kafka:9092,[::1]:9092"}
        loaded(tmp_path, ipv6)
        assert problems(tmp_path, {**ipv6, "KAFKA_CLIENT": "pykafka"}).keys() == {"KAFKA_CLIENT"}

    def test_problems_end_the_start_before_a_port_is_bound(self, start_gateway: StartGateway) -> None:
        """gunicorn ends with 1, every problem on stderr, no value and no other line."""
        values = {"PROXY_READ_TIMEOUT": "marked-soon", "FRONTEND_URL": "marked", "KEYCLOAK_CLIENT_ID": ""}
        gateway = start_gateway()
        env = {**gateway.env, **values, "PORT": str(free_port()), "SESSION_SECRET": "marked-secret"}
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
        done = subprocess.run(command, env=env, cwd=gateway.cwd, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stdout) == (1, "")
        assert set(re.findall(r"^  (\w+): ", done.stderr, re.MULTILINE)) == set(values)
        assert "marked" not in done.stderr and "Listening" not in done.stderr


PLACEHOLDERS = ["your-secret", "Your-Jwt-Secret-" + SECRET, f"changeme{SECRET}", "CHANGE-ME" + SECRET,
                "a-placeholder-" + SECRET, "   "]  # fmt: skip


class TestSecrets:
    @pytest.mark.parametrize("value", PLACEHOLDERS)
    @pytest.mark.parametrize("name", ["KEYCLOAK_CLIENT_SECRET", "JWT_SECRET", "SESSION_SECRET"])
    def test_a_placeholder_is_no_secret(self, tmp_path: Path, name: str, value: str) -> None:
        assert name in problems(tmp_path, {name: value})
        _, warnings = loaded(tmp_path, {name: value, "NODE_ENV": "development"})
        assert {problem.name for problem in warnings if "placeholder" in problem.advice} == {name}

    def test_one_placeholder_among_several_secrets_is_a_problem(self, tmp_path: Path) -> None:
        assert problems(tmp_path, {"SESSION_SECRET": f"{SECRET},your-old-one-{SECRET}"}).keys() == {"SESSION_SECRET"}

    @pytest.mark.parametrize("sealing", ["SESSION_SECRET", "JWT_SECRET"])
    def test_a_secret_too_short_to_seal_is_a_problem(self, tmp_path: Path, sealing: str) -> None:
        changes = {"SESSION_SECRET": None, sealing: SECRET[1:]}
        assert problems(tmp_path, changes).keys() == {sealing}
        _, warnings = loaded(tmp_path, {**changes, "NODE_ENV": "test"})
        assert [problem.name for problem in warnings] == [sealing]

    def test_a_short_secret_that_seals_nothing_passes(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, {"JWT_SECRET": "short"})[1] == ()

    def test_no_secret_to_seal_with_is_a_problem(self, tmp_path: Path) -> None:
        assert problems(tmp_path, {"SESSION_SECRET": None}).keys() == {"SESSION_SECRET"}
        settings, warnings = loaded(tmp_path, {"SESSION_SECRET": None, "NODE_ENV": "development"})
        assert [problem.name for problem in warnings] == ["SESSION_SECRET"]
        assert settings.sealing_secrets == (GOOD["KEYCLOAK_CLIENT_SECRET"],)

    def test_the_first_secret_seals_and_all_open(self, tmp_path: Path) -> None:
        settings, _ = loaded(tmp_path, {"SESSION_SECRET": f" {SECRET}-1 , {SECRET}-2"})
        assert settings.sealing_secrets == (f"{SECRET}-1", f"{SECRET}-2")

    @pytest.mark.parametrize(
        ("node_env", "is_production"),
        [(None, True), ("production", True), ("staging", True), ("development", False), ("test", False)],
    )
    def test_node_env_decides_what_is_production(
        self, tmp_path: Path, node_env: str | None, is_production: bool
    ) -> None:
        assert loaded(tmp_path, {"NODE_ENV": node_env})[0].production is is_production

    def test_secrets_never_print(self, tmp_path: Path) -> None:
        secrets = {name: f"marked-{name}-{SECRET}" for name in SECRETS} | {"REDIS_URL": "redis://:marked@a"}
        secrets["KEYCLOAK_CLIENT_KEY"] = CLIENT_KEY
        settings, _ = loaded(tmp_path, {**SASL, **secrets})
        for text in (repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()):
            assert "marked" not in text and "PRIVATE" not in text


class TestDoubts:
    @pytest.mark.parametrize(
        ("frontend", "is_doubtful"),
        [
            ("https://app.example.com", False),
            ("https://example.com", False),
            ("http://app.example.com", True),
            ("https://example.org", True),
            ("https://app.example.com,https://example.org", True),
        ],
    )
    def test_a_frontend_of_another_site_is_a_warning(self, tmp_path: Path, frontend: str, is_doubtful: bool) -> None:
        _, warnings = loaded(tmp_path, {"FRONTEND_URL": frontend})
        assert [problem.name for problem in warnings] == ["PUBLIC_URL"] * is_doubtful

    def test_warnings_reach_the_log(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"FRONTEND_URL": "https://example.org", "SESSION_SECRET": "your-marked-secret"})
        gateway.wait_line(lambda line: line["message"].startswith("Settings: PUBLIC_URL: "))
        gateway.wait_line(lambda line: line["message"].startswith("Settings: SESSION_SECRET: "))
        assert "marked" not in gateway.raw_output()


def run_check(tmp_path: Path, changes: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m gateway.check` with GOOD and changes."""
    env = {**GOOD, **changes, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gateway.check"]
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)


class TestCheck:
    def test_the_check_says_what_gunicorn_needs(self, tmp_path: Path) -> None:
        done = run_check(tmp_path, {"HOST": "::", "PORT": "4001", "WEB_CONCURRENCY": "3"})
        assert (done.returncode, done.stderr) == (0, "")
        reported = json.loads(done.stdout)
        assert reported.pop("graceful_timeout") > 0
        assert reported == {"bind": "[::]:4001", "workers": 3, "level": "info"}

    def test_the_check_says_what_is_wrong(self, tmp_path: Path) -> None:
        done = run_check(tmp_path, {"PORT": "marked", "JWT_LEEWAY": "marked"})
        assert (done.returncode, done.stdout) == (1, "")
        assert re.findall(r"^  (\w+): expected", done.stderr, re.MULTILINE) == ["PORT", "JWT_LEEWAY"]
        assert "marked" not in done.stderr

    def test_the_check_says_what_is_doubtful_beside_what_is_wrong(self, tmp_path: Path) -> None:
        done = run_check(tmp_path, {"PORT": "x", "RATE_LIMT_DEFAULT": "9 per minute"})
        assert done.returncode == 1
        assert [line.partition(": ")[0] for line in done.stderr.splitlines()[1:3]] == ["  PORT", "warning"]
        assert "did you mean RATE_LIMIT_DEFAULT?" in done.stderr

    def test_the_check_says_what_is_doubtful(self, tmp_path: Path) -> None:
        done = run_check(tmp_path, {"FRONTEND_URL": "https://example.org"})
        assert done.returncode == 0
        assert done.stderr.startswith("warning: PUBLIC_URL: ")


class TestWhatCanNotBeMeant:
    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"KEYCLOAK_REDIRECT_URI": "https://api.example.com/callback"}, "KEYCLOAK_REDIRECT_URI"),
            ({"KEYCLOAK_REDIRECT_URI": "https://api.example.com/auth/callback/"}, "KEYCLOAK_REDIRECT_URI"),
            ({"TRUSTED_PROXIES": "10.0.0.1,0.0.0.0/0"}, "TRUSTED_PROXIES"),
            ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES"),
            ({"METRICS_ALLOWED_NETWORKS": "0.0.0.0/0"}, "METRICS_ALLOWED_NETWORKS"),
            ({"ALLOWED_REDIRECT_URIS": "https://app.example.com/*"}, "ALLOWED_REDIRECT_URIS"),
        ],
    )
    def test_is_a_problem(self, tmp_path: Path, changes: dict[str, str], name: str) -> None:
        assert problems(tmp_path, changes).keys() == {name}

    @pytest.mark.parametrize(
        ("changes", "name", "mend"),
        [
            ({"NODE_ENV": "development", "TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES", "/0"),
            ({"TRUSTED_PROXIES": "10.0.0.7/8"}, "TRUSTED_PROXIES", "10.0.0.0/8"),
            ({"KEYCLOAK_ISSUER_URL": "http://id.example.com/realms/r"}, "KEYCLOAK_ISSUER_URL", "https"),
            (
                {"KEYCLOAK_REDIRECT_URI": "http://api.example.com/auth/callback", "FRONTEND_URL": "http://example.com"},
                "KEYCLOAK_REDIRECT_URI",
                "https",
            ),
            ({"RATE_LIMT_DEFAULT": "9 per minute"}, "RATE_LIMT_DEFAULT", "RATE_LIMIT_DEFAULT"),
            ({"REDIS_URI": "redis://a"}, "REDIS_URI", "REDIS_URL"),
            ({"THROTTLE_TTL": "60"}, "THROTTLE_TTL", "RATE_LIMIT_DEFAULT"),
            ({"KEYCLOAK_REALM": "r"}, "KEYCLOAK_REALM", "KEYCLOAK_ISSUER_URL"),
            ({"KEYCLOAK_CLIENT_KEY": CLIENT_KEY}, "KEYCLOAK_CLIENT_SECRET", "take it away"),
            ({USERS.setting: "http://users:3003/users/"}, USERS.setting, "http://users:3003 is"),
            ({USERS.setting: "http://a:1,http://b:2/v1/users"}, USERS.setting, "http://b:2/v1 is"),
        ],
    )
    def test_is_a_warning(self, tmp_path: Path, changes: dict[str, str], name: str, mend: str) -> None:
        (warning,) = loaded(tmp_path, changes)[1]
        assert warning.name == name and mend in warning.advice

    def test_is_not_a_path_that_only_resembles_the_services_own(self, tmp_path: Path) -> None:
        for base in (
            "http://users:3003/v1",
            "http://users:3003/all-users",
            "http://users:3003/users/v2",
            "http://users",
        ):
            assert loaded(tmp_path, {USERS.setting: base})[1] == ()

    def test_is_not_what_others_have_in_the_environment(self, tmp_path: Path) -> None:
        others = ("PATH", "HOSTNAME", "USER_SERVICE_PORT", "REDIS_PORT", "KUBERNETES_SERVICE_HOST", "OTEL_SERVICE_NAME")
        assert loaded(tmp_path, dict.fromkeys(others, "x"))[1] == ()


class TestOddSecretFiles:
    """What editors, shells and systems make of a file that holds a secret: each is named, and the secret never."""

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b"\n", "is empty"),
            (b"\xef\xbb\xbfmarked-secret", "byte order mark"),
            ("marked-secret".encode("utf-16"), "UTF-16"),
            ("marked-secret".encode("utf-16-le"), "zero byte"),
            (b"marked-secret  \n", "whitespace"),
            (b"\tmarked-secret", "whitespace"),
            (b"marked-secret\nmarked-too\n", "2 lines"),
            (b"marked\xff", "invalid at byte 6"),
        ],
        ids=[
            "empty",
            "mark",
            "UTF-16 with mark",
            "UTF-16",
            "whitespace after",
            "whitespace before",
            "two lines",
            "no UTF-8",
        ],
    )
    def test_what_would_be_another_secret_is_named(self, tmp_path: Path, content: bytes, word: str) -> None:
        (tmp_path / "secret").write_bytes(content)
        changes = {"KEYCLOAK_CLIENT_SECRET": None, "KEYCLOAK_CLIENT_SECRET_FILE": "secret"}
        found = problems(tmp_path, changes)
        assert found.keys() == {"KEYCLOAK_CLIENT_SECRET_FILE"} and word in found["KEYCLOAK_CLIENT_SECRET_FILE"]
        assert "marked" not in found["KEYCLOAK_CLIENT_SECRET_FILE"]

    def test_one_that_can_not_be_read_says_who_asks_and_whose_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir(mode=0o750)
        found = problems(tmp_path, {"JWT_SECRET": None, "JWT_SECRET_FILE": "secret"})["JWT_SECRET_FILE"]
        assert f"({os.geteuid()})" in found and "mode 0750" in found and "Is a directory" in found

    def test_the_end_of_its_line_is_not_part_of_it(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("from-a-file\r\n")
        settings, _ = loaded(tmp_path, {"JWT_SECRET": None, "JWT_SECRET_FILE": "secret"})
        assert settings.jwt_secret is not None and settings.jwt_secret.get_secret_value() == "from-a-file"


class TestRedisUrl:
    @pytest.mark.parametrize(
        "value",
        [
            "redis://:marked/pa@redis:6379/0",
            "redis://:12/marked@redis",
            "redis://:marked?pa@redis",
            "redis://:12?marked@redis",
            "redis://:marked#pa@redis",
            "redis://:marked[pa@redis",
            "redis://redis/marked",
            "redis://redis:marked",
            "redis://",
            "unix://",
        ],
    )
    def test_one_of_a_bad_shape_is_named_and_not_quoted(self, tmp_path: Path, value: str) -> None:
        found = problems(tmp_path, {"REDIS_URL": value})
        assert found.keys() == {"REDIS_URL"} and "percent-encoded" in found["REDIS_URL"]
        assert "marked" not in found["REDIS_URL"]

    @pytest.mark.parametrize(
        "value",
        ["redis://redis", "rediss://user:p%2Fw@redis:6380/15", "redis://[::1]:6379/", "unix:///run/redis.sock?db=1"],
    )
    def test_others_are_taken(self, tmp_path: Path, value: str) -> None:
        assert loaded(tmp_path, {"REDIS_URL": value})[0].redis_url is not None


class TestBoot:
    """The check does what the boot does: what only a library refuses, or the system, is named too."""

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "marked"}, "OTEL_ATTRIBUTE_COUNT_LIMIT"),
            ({"OTEL_PROPAGATORS": "marked"}, "OTEL_PROPAGATORS"),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "marked:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ({"HOST": "192.0.2.77"}, "HOST"),
        ],
        ids=["limit", "propagators", "no scheme", "foreign address"],
    )
    def test_what_can_not_be_built_or_bound_is_named(self, tmp_path: Path, changes: dict[str, str], name: str) -> None:
        done = run_check(tmp_path, changes)
        assert done.returncode == 1 and re.findall(r"^  (\w+): ", done.stderr, re.MULTILINE) == [name]
        assert "marked" not in done.stderr

    def test_a_port_that_this_user_may_not_bind_is_named(self) -> None:
        """By who is not root; where the kernel reserves no port there is nothing to say."""
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        code = "import os; from gateway.bind import BindTrial; os.geteuid() or os.setuid(65534);"
        code += f"print(*BindTrial().result('127.0.0.1', {max(1, first - 1)}).problems)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (LOW_PORT.fix in done.stdout) == (first > 1), done.stderr
