"""The command `gateway`: check, env, explain, run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from harness import jose
from harness.command import run
from harness.environment import GOOD
from harness.gateway import Gateway
from harness.issuer import Issuer, Key, Raw
from harness.ports import free_port
from harness.repository import ROOT

from gateway.cli.main import SUBCOMMANDS
from gateway.config.example import written


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(issuer: Issuer) -> dict[str, str]:
    return {"KEYCLOAK_ISSUER_URL": issuer.issuer, "NODE_ENV": "development"}


def console(*arguments: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    """`gateway ARGUMENTS` as a process of its own, by GOOD's settings."""
    command = [sys.executable, "-c", "from gateway.cli.main import console; console()", *arguments]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **GOOD, "PORT": str(free_port())}
    return subprocess.run(command, env=env, stderr=subprocess.PIPE, timeout=60, **streams)


class TestCommand:
    def test_every_subcommand_says_what_it_does(self) -> None:
        for name in SUBCOMMANDS:
            ran = run(name, "--help")
            assert ran.status == 0 and len(ran.output.splitlines()) > 4, name
        assert all(name in run("--help").output for name in SUBCOMMANDS)

    @pytest.mark.parametrize("arguments", [("check",), ("check", "--json"), ("env", "-")], ids=" ".join)
    def test_what_cannot_be_written_is_one_line(self, arguments: tuple[str, ...]) -> None:
        with Path("/dev/full").open("w") as full:
            ran = console(*arguments, stdout=full)
        assert ran.returncode == 1 and ran.stderr == b"gateway: No space left on device\n"

    def test_no_worker_imports_it(self) -> None:
        code = "import sys, gateway.app, gateway.worker, blueprints; "
        code += "print('gateway.cli' in sys.modules, 'gateway.doctor' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["False", "False"], done.stderr


class TestCheck:
    def test_good_settings_end_with_0(self) -> None:
        ran = run("check", env={"PORT": str(free_port())})
        assert ran.status == 0 and "0 problems" in ran.output

    def test_every_problem_is_said_and_ends_with_1(self) -> None:
        ran = run("check", env={"PORT": "x", "JWT_LEEWAY": "y"})
        assert ran.status == 1 and "PORT: " in ran.output and "JWT_LEEWAY: " in ran.output

    def test_warnings_are_said_beside_problems(self) -> None:
        """A misspelt name is often why another one is missing."""
        env = {"JWT_AUDIENCE": None, "JWT_AUDIENC": "a", "TRUSTED_PROXIES": "10.0.0.7/8"}
        found = run("check", "--json", env=env).json()
        assert [row["setting"] for row in found["problems"]] == ["JWT_AUDIENCE"]
        assert [(row["setting"], "JWT_AUDIENCE?" in row["advice"]) for row in found["warnings"]] == [
            ("JWT_AUDIENC", True)
        ]
        found = run("check", "--json", env={**env, "JWT_AUDIENCE": "a", "KEYCLOAK_SCOPES": "email"}).json()
        assert [row["setting"] for row in found["problems"]] == ["KEYCLOAK_SCOPES"]
        assert [row["setting"] for row in found["warnings"]] == ["TRUSTED_PROXIES", "JWT_AUDIENC"]
        said = run("doctor", env={**env}).output
        assert "PROBLEM  JWT_AUDIENCE: is required" in said and "warning  JWT_AUDIENC: " in said

    def test_a_warning_ends_with_2_where_it_is_asked_for(self) -> None:
        env = {"FRONTEND_URL": "https://example.org", "PORT": str(free_port())}
        assert (run("check", env=env).status, run("check", "--strict", env=env).status) == (0, 2)

    def test_json_is_for_programs(self) -> None:
        found = run("check", "--json", env={"PORT": "marked"}).json()
        assert [row["setting"] for row in found["problems"]] == ["PORT"] and found["listening"] is None
        port = free_port()
        assert run("check", "--json", env={"PORT": str(port)}).json()["listening"]["bind"] == f"0.0.0.0:{port}"

    def test_a_port_that_another_has_is_a_problem_and_a_gateways_a_warning(self, issuer: Issuer) -> None:
        ran = run("check", env={"PORT": str(issuer.port)})
        assert ran.status == 1 and "PORT: " in ran.output and "taken" in ran.output

    def test_a_gateway_that_listens_is_the_one_that_runs(self, gateway: Gateway) -> None:
        ran = run("check", env={"PORT": str(gateway.port)})
        assert ran.status == 0 and "a gateway listens" in ran.output


class TestEnv:
    def test_it_writes_the_example(self, tmp_path: Path) -> None:
        assert run("env", good=False).status == 0
        assert (tmp_path / ".env.example").read_text() == written() == run("env", "-").output

    def test_it_leaves_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("mine")
        assert run("env", ".env").status == 1 and (tmp_path / ".env").read_text() == "mine"
        assert run("env", ".env", "--force").status == 0 and (tmp_path / ".env").read_text() == written()


class TestDoctor:
    @pytest.mark.parametrize("path", ["interviews/events", "/a b", "/ä"])
    def test_a_stream_is_a_path(self, path: str) -> None:
        ran = run("doctor", "--stream", path)
        assert ran.status == 2 and "expected a path" in ran.output

    @pytest.mark.parametrize("limit", ["nan", "inf", "0", "-3", "soon"])
    def test_its_time_has_a_limit(self, limit: str) -> None:
        ran = run("doctor", "--limit", limit)
        assert ran.status == 2 and "'--limit'" in ran.output

    @pytest.mark.parametrize("url", ["http://user:marked@127.0.0.1:1", "http://[::1", "jaeger", "file:///etc/passwd"])
    def test_jaegers_page_is_a_url(self, url: str) -> None:
        ran = run("doctor", "--jaeger", url)
        assert ran.status == 2 and "absolute http:// or https:// URL" in ran.output and "marked" not in ran.output


class TestExplain:
    def test_a_good_token_is_passed_claim_by_claim(self, issuer: Issuer, settings: dict[str, str]) -> None:
        token = issuer.mint()
        ran = run("explain", "-", env=settings, stdin=f"Bearer {token}\n")
        assert ran.status == 0 and "The token is passed" in ran.output
        for claim in ("signature", "typ", "iss", "aud", "azp", "exp", "sub", "roles", "email"):
            assert f"ok       {claim}: " in ran.output
        assert not any(part in ran.output for part in token.split("."))

    @pytest.mark.parametrize(
        ("bent", "check", "fix"),
        [
            ({"claims": {"aud": "account"}}, "aud", "Audience mapper"),
            ({"claims": {"iss": "https://elsewhere/realms/r"}}, "iss", "KEYCLOAK_ISSUER_URL"),
            ({"claims": {"typ": "ID"}}, "typ", "access token"),
            ({"drop": ["sub"]}, "sub", "`basic`"),
            ({"life": -600}, "exp", "/auth/refresh"),
            ({"claims": {"iat": int(time.time()) + 600}}, "exp", "clocks"),
            ({"headers": {"kid": "another"}}, "signature", "another realm"),
            ({"headers": {"typ": "logout+jwt"}}, "signature", "access token"),
            ({"headers": {"alg": "RS512"}}, "signature", "JWT_ALGORITHMS"),
            ({"key": Key("k", "RS256", jose.generate("RS256")), "headers": {"kid": None}}, "signature", "changed"),
        ],
        ids=["aud", "iss", "typ", "sub", "exp", "iat", "kid", "header", "alg", "signature"],
    )
    def test_what_is_wrong_is_named_with_what_to_do(
        self, issuer: Issuer, settings: dict[str, str], bent: dict[str, Any], check: str, fix: str
    ) -> None:
        token = issuer.mint(**bent)
        ran = run("explain", token, "--json", env=settings)
        assert ran.status == 1 and ran.json()["passed"] is False
        (wrong,) = [row for row in ran.json()["findings"] if row["verdict"] == "problem"]
        assert wrong["check"] == check and fix in wrong["fix"] and wrong["expected"]
        assert token not in ran.output and token.rpartition(".")[2] not in ran.output

    def test_all_that_is_wrong_is_said_at_once(self, issuer: Issuer, settings: dict[str, str]) -> None:
        found = run("explain", issuer.mint({"aud": "x"}, drop=["sub"], life=-99), "--json", env=settings).json()
        assert [row["check"] for row in found["findings"] if row["verdict"] == "problem"] == ["aud", "exp", "sub"]

    @pytest.mark.parametrize("text", ["", "marked", "a.b.c", "..", "e30.e30.e30", "=.=.="])
    def test_what_is_no_token_is_said(self, settings: dict[str, str], text: str) -> None:
        ran = run("explain", "-", "--offline", env=settings, stdin=text)
        assert ran.status == 1 and "refused" in ran.output and "marked" not in ran.output

    def test_what_holds_no_claims_is_refused(self, issuer: Issuer, settings: dict[str, str]) -> None:
        ran = run("explain", "eyJhbGciOiJSUzI1NiJ9.AAAA.AAAA", "--offline", "--json", env=settings)
        assert ran.status == 1 and ran.json()["passed"] is False
        found = run("explain", issuer.mint(Raw(b"{}")), "--json", env=settings).json()
        assert found["passed"] is False and "claims" in {row["check"] for row in found["findings"]}

    @pytest.mark.parametrize(
        "claims",
        [
            *({name: "\ud800"} for name in ("sub", "email", "sid", "jti", "given_name", "family_name")),
            {"realm_access": {"roles": ["\ud800"]}},
        ],
        ids=lambda claims: next(iter(claims)),
    )
    def test_a_text_that_is_no_unicode_is_refused_as_the_gateway_does(
        self, issuer: Issuer, settings: dict[str, str], claims: dict[str, Any]
    ) -> None:
        found = run("explain", issuer.mint(claims), "--json", env=settings).json()
        (wrong,) = [row for row in found["findings"] if row["verdict"] == "problem"]
        assert found["passed"] is False and "attributes in Keycloak" in wrong["fix"]

    def test_input_without_an_end_is_refused(self) -> None:
        with Path("/dev/zero").open("rb") as endless:
            ran = console("explain", "-", "--offline", stdin=endless, stdout=subprocess.PIPE)
        assert ran.returncode == 1 and b"The token is refused" in ran.stdout

    def test_what_is_no_text_is_no_token(self, settings: dict[str, str]) -> None:
        ran = run("explain", "-", "--offline", env=settings, stdin=b"\xff\xfe\x00marked\x80")
        assert ran.status == 1 and "refused" in ran.output and "marked" not in ran.output

    def test_claims_write_no_lines_of_their_own(self, issuer: Issuer, settings: dict[str, str]) -> None:
        token = issuer.mint({"email": "a\nok       aud: forged\x1b[2J\x9b2J\u202e"})
        ran = run("explain", token, env=settings)
        assert "\nok       aud: forged" not in ran.output and "\\nok       aud: forged\\x1b[2J" in ran.output
        for output in (ran.output, run("explain", token, "--json", env=settings).output):
            assert not set(output) & set("\x1b\x9b\u202e")

    def test_without_keys_the_advice_is_about_keycloak(self, issuer: Issuer, settings: dict[str, str]) -> None:
        away = {**settings, "KEYCLOAK_ISSUER_URL": "http://127.0.0.1:1/realms/r"}
        for arguments, fix in (((), "`gateway doctor`"), (("--offline",), "leave --offline out")):
            found = run("explain", issuer.mint(), "--json", *arguments, env=away).json()["findings"]
            (signature,) = [row for row in found if row["check"] == "signature"]
            assert signature["verdict"] == "unknown" and fix in signature["fix"]

    def test_offline_asks_nobody(self, issuer: Issuer, settings: dict[str, str]) -> None:
        token, before = issuer.mint(), sum(issuer.calls.values())
        ran = run("explain", token, "--offline", env=settings)
        assert ran.status == 0 and "if its signature is good" in ran.output and sum(issuer.calls.values()) == before

    def test_keys_can_be_given(self, issuer: Issuer, settings: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
        token, before = issuer.mint(), sum(issuer.calls.values())
        assert run("explain", token, "--jwks", "jwks.json", env=settings).status == 0
        assert sum(issuer.calls.values()) == before
        (tmp_path / "jwks.json").write_text("[]")
        assert run("explain", token, "--jwks", "jwks.json", env=settings).status == 2

    def test_a_trace_id_is_looked_up_in_the_log(self, gateway: Gateway, issuer: Issuer, tmp_path: Path) -> None:
        answer = gateway.get("/users/me", issuer.mint({"aud": "account"}))
        trace = answer.json()["traceId"]
        gateway.wait_line(lambda line: line.get("traceId") == trace and "statusCode" in line)
        (tmp_path / "log").write_bytes(gateway.stdout)
        ran = run("explain", trace, "--log", "log")
        assert ran.status == 1 and "reason audience" in ran.output and "Audience mapper" in ran.output
        ran = run("explain", answer.header("X-Request-Id") or "", "--log", "log")
        assert ran.status == 1 and "HTTP: GET /users/me 401" in ran.output
        assert run("explain", "0" * 32, "--log", "log").status == 1
        assert run("explain", trace).status == 2, "it takes the log"

    def test_a_sign_in_that_expired_is_no_token_that_did(self, tmp_path: Path) -> None:
        trace = "0123456789abcdef" * 2
        line = {"traceId": trace, "timestamp": "t", "message": "Auth: sign-in failed", "reason": "expired"}
        (tmp_path / "log").write_text(f"{json.dumps(line)}\n")
        ran = run("explain", trace, "--log", "log")
        assert "sign-in failed" in ran.output and "/auth/refresh" not in ran.output

    def test_what_went_well_at_last_is_no_problem(self, tmp_path: Path) -> None:
        trace = "0123456789abcdef" * 2
        retried = {"traceId": trace, "timestamp": "t", "message": "Proxy: users: retry after reset", "kind": "closed"}
        whole = {"traceId": trace, "timestamp": "u", "message": "HTTP: GET / 200", "statusCode": 200}
        lines = [retried, {**whole, "kind": "closed", "retries": 1}, whole, {**whole, "kind": "cut", "cut": True}]
        lines.append({"traceId": trace, "timestamp": "v", "level": "error", "message": "Keycloak: too slow"})
        (tmp_path / "log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        rows = run("explain", trace, "--log", "log", "--json").json()["findings"]
        assert [row["verdict"] for row in rows] == ["warning", "warning", "ok", "problem", "warning"]
        (tmp_path / "log").write_text(f"{json.dumps(retried)}\n")
        assert run("explain", trace, "--log", "log").status == 0
        assert run("explain", trace, "--log", "log", "--strict").status == 2

    @pytest.mark.parametrize("arguments", [(), ("--offline",)], ids=["with keys", "offline"])
    def test_the_type_in_the_header_is_the_tokens(
        self, issuer: Issuer, settings: dict[str, str], arguments: tuple[str, ...]
    ) -> None:
        """RFC 9068 section 2.1: at+jwt needs no claim that says so, and a nonce makes no ID token of it."""
        token = issuer.mint({"nonce": "n"}, drop=["typ"], headers={"typ": "application/at+jwt"})
        ran = run("explain", token, *arguments, "--json", env=settings)
        assert ran.status == 0 and ran.json()["passed"] is (None if arguments else True)
        ran = run("explain", issuer.mint({"nonce": "n"}, drop=["typ"]), *arguments, "--json", env=settings)
        assert ran.status == 1 and {"typ"} == {
            row["check"] for row in ran.json()["findings"] if row["verdict"] == "problem"
        }

    @pytest.mark.parametrize(
        ("code", "fields", "fix"),
        [
            ("service_unreachable", {"kind": "connect", "instance": "users:3003"}, "start the service"),
            ("service_protocol_error", {"kind": "bad_answer", "instance": "users:3003"}, "correct the service"),
            ("internal_error", {"error": "KeyError < a.py:1 b"}, "report it"),
            ("body_too_large", {}, "docs/errors.md"),
            ("rate_limited", {"rule": "media"}, "`rule`"),
            ("overloaded", {}, "add instances or workers"),
            ("breaker_open", {}, "within five seconds"),
            ("keycloak_timeout", {}, "too slow"),
        ],
    )
    def test_a_line_of_the_journal_is_shown_with_what_the_advice_names(
        self, tmp_path: Path, code: str, fields: dict[str, str], fix: str
    ) -> None:
        trace = "0123456789abcdef" * 2
        line = {"traceId": trace, "timestamp": "t", "message": "HTTP: GET /", "statusCode": 503, "code": code, **fields}
        (tmp_path / "log").write_text(f"Nov 26 12:00:00 host gateway[12]: {json.dumps(line)}\n")
        (row,) = run("explain", trace, "--log", "log", "--json").json()["findings"]
        assert fix in row["fix"]
        assert all(f"{name} {value}" in row["found"] for name, value in {"code": code, **fields}.items())
