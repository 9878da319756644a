"""`gateway explain`: why a token is refused or passed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from time import time
from typing import NoReturn, TextIO

import click

from gateway.check import no_log_lines
from gateway.cli.report import as_rows, print_findings, tally
from gateway.cli.status import PROBLEM_STATUS, given, leave, machine_options, print_json
from gateway.config import ProblemsFound, Settings, load
from gateway.doctor import Finding, Verdict
from gateway.doctor.deployment import Deployment
from gateway.doctor.token_report import FixedKeys, NoKeysHere, is_passed, token_findings
from gateway.doctor.traced import traced_findings

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SAYS = {True: ("passed", "green"), False: ("refused", "red"), None: ("passed, if its signature is good", "yellow")}


@click.command("explain")
@click.argument("token")
@click.option("--log", "log_file", type=click.File(errors="replace"), help="The gateway's log: TOKEN is a trace id.")
@click.option("--offline", is_flag=True, help="Ask nobody: the signature is not looked at.")
@click.option("--jwks", type=click.Path(path_type=Path, exists=True), help="Take the issuer's keys from this file.")
@machine_options
def explain_command(
    *, token: str, log_file: TextIO | None, offline: bool, jwks: Path | None, as_json: bool, strict: bool
) -> None:
    """Say why an access token is refused or passed, claim by claim.

    TOKEN is the token, `-` to read it from standard input, or the trace or request id of a request whose lines are in
    --log. Only `-` keeps a token out of the list of processes and the shell's history. The settings are read as the
    gateway reads them. Only the issuer's keys are asked for; the token goes nowhere and is not printed.
    """
    if log_file is not None:
        _explain_trace(token, log_file, as_json=as_json, strict=strict)
    text = given(token)
    if _TRACE_ID.fullmatch(text):
        raise click.UsageError("this is a trace id: name the gateway's log with --log FILE (`-`: standard input)")
    settings = _settings()
    with no_log_lines():
        found = _token(text, settings, offline=offline, jwks=jwks)
    passed = is_passed(found)
    if as_json:
        print_json({"passed": passed, "findings": as_rows(found)})
    else:
        print_findings(found)
        said, colour = _SAYS[passed]
        click.echo(f"The token is {click.style(said, fg=colour, bold=True)}.")
        click.echo("Whether its session was ended since, only the running gateway knows.")
    counts = tally(found)
    leave(problems=counts[Verdict.PROBLEM], warnings=counts[Verdict.WARNING], strict=strict)


def _token(token: str, settings: Settings, *, offline: bool, jwks: Path | None) -> tuple[Finding, ...]:
    if jwks is not None:
        try:
            document = json.loads(jwks.read_bytes())
        except (OSError, ValueError):
            document = None
        if not isinstance(document, dict):
            raise click.UsageError("--jwks is no JSON object: save what the issuer's jwks_uri answers")
        return tuple(token_findings(token, settings, FixedKeys(document), time()))
    if offline:
        return tuple(token_findings(token, settings, NoKeysHere(), time()))
    with Deployment(settings) as deployment, deployment.keycloak() as keycloak:
        return tuple(token_findings(token, settings, keycloak, time()))


def _explain_trace(trace_id: str, lines: TextIO, *, as_json: bool, strict: bool) -> NoReturn:
    found = tuple(traced_findings(trace_id, lines))
    if as_json:
        print_json({"findings": as_rows(found)})
    elif found:
        print_findings(found)
    else:
        click.echo("No line with that id: is it the log of the gateway that answered, and LOG_LEVEL info or debug?")
    counts = tally(found)
    leave(problems=counts[Verdict.PROBLEM] if found else 1, warnings=counts[Verdict.WARNING], strict=strict)


def _settings() -> Settings:
    try:
        return load()[0]
    except ProblemsFound as found:
        click.echo("The settings cannot be used (`gateway check`):", err=True)
        for problem in found.problems:
            click.echo(f"  {problem}", err=True)
        sys.exit(PROBLEM_STATUS)
