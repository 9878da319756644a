"""The API description compared with the demo's gateway: by Schemathesis, and by the calls that Postman imports."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from harness.description import CLIENT
from harness.stage import Stage

pytestmark = pytest.mark.timeout(150)

SECONDS = 15
"""How long Schemathesis generates requests."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ENDS_THE_SESSION = "^/auth/(logout|backchannel-logout)$"
SETTINGS = """
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
"""
"""Others, such as QUERY, are 501 at the gateway, which Schemathesis takes for a failure of the server."""
FOLDERS = ("Users", "Interviews", "Media", "Health", "Description")
NOT_FOUND = 404
"""The answer for the id of an example."""


def test_schemathesis_finds_nothing_undocumented(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    command: list[str | Path] = [Path(sys.executable).with_name("schemathesis"), "run", f"{stage.gateway}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {stage.token()}", "--exclude-path-regex", ENDS_THE_SESSION]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--continue-on-failure"]
    command += ["--seed", "14", "--max-time", str(SECONDS), "--max-examples", "5", "--no-shrink"]
    command += ["--generation-database", "none", "--request-timeout", "10", "--no-color", "--warnings", "off"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert stage.gateway in done.stdout


def run(*command: str | Path) -> None:
    whole = ["npx", "--no-install", *command]
    done = subprocess.run(whole, cwd=CLIENT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_what_postman_imports_makes_calls_that_work(stage: Stage, tmp_path: Path) -> None:
    document, collection, report = (tmp_path / name for name in ("openapi.json", "collection.json", "report.json"))
    document.write_text(requests.get(f"{stage.gateway}/openapi.json", timeout=10).text)
    run("openapi2postmanv2", "-s", document, "-o", collection, "-O", "folderStrategy=Tags,parametersResolution=Example")
    folders = [part for folder in FOLDERS for part in ("--folder", folder)]
    run("newman", "run", collection, *folders, "--env-var", f"bearerToken={stage.token()}",
        "--reporters", "json", "--reporter-json-export", report)  # fmt: skip
    calls: list[Any] = json.loads(report.read_text())["run"]["executions"]
    answers = {f"{call['item']['name']}": call["response"]["code"] for call in calls if "response" in call}
    assert len(answers) == len(calls) >= 30
    refused = {name: status for name, status in answers.items() if status >= 400 and status != NOT_FOUND}
    assert refused == {"Change a file": 405}, "the demo's media service replaces files as a whole"
    for name in ("Read the caller's profile", "Change the caller's profile", "List interviews", "Create an interview"):
        assert answers[name] in (200, 201), name
