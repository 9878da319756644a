"""`gateway doctor`: the whole deployment, as an operator would look at it."""

from __future__ import annotations

import os
import re
from typing import NoReturn

import click

from gateway.check import no_log_lines
from gateway.cli.report import as_rows, print_findings, summary, tally
from gateway.cli.status import given, leave, machine_options, print_json
from gateway.config import Problem, ProblemsFound, load
from gateway.config.address_parsers import read_url
from gateway.doctor import Finding, Verdict, of_warning
from gateway.doctor.deployment import EXAMINATION_SECONDS, Deployment
from gateway.doctor.examination import examine
from gateway.doctor.read_back import JAEGER_PORT
from gateway.doctor.sign_in import SignInFault, by_browser, by_form

MOST_SECONDS = 3600


def _as_path(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and re.fullmatch(r"/[!-~]*", value) is None:
        raise click.BadParameter("expected a path: / and then visible ASCII characters")
    return value


def _as_page(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else read_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _as_seconds(context: click.Context, option: click.Parameter, value: float) -> float:
    if not 0 < value <= MOST_SECONDS:  # NaN is neither
        raise click.BadParameter(f"expected seconds, over 0 and at most {MOST_SECONDS}")
    return value


@click.command("doctor")
@click.option("--token", help="Judge this token too; only `-` (standard input) keeps it out of the process list.")
@click.option("--user", help="Sign this test user in with Keycloak's form; the password is asked for.")
@click.option("--login", is_flag=True, help="Sign in yourself, in a browser.")
@click.option("--produce", is_flag=True, help="Send one event of type gateway.doctor to Kafka.")
@click.option(
    "--jaeger",
    metavar="URL",
    callback=_as_page,
    help=f"Jaeger's page, where a span is read back; by default port {JAEGER_PORT} of the host that takes the spans.",
)
@click.option(
    "--stream", metavar="PATH", callback=_as_path, help="Open this event stream through PUBLIC_URL, with the token."
)
@click.option(
    "--limit",
    default=EXAMINATION_SECONDS,
    show_default=True,
    callback=_as_seconds,
    help="Seconds for all checks, after the sign-in.",
)
@machine_options
def doctor_command(
    *,
    token: str | None,
    user: str | None,
    login: bool,
    produce: bool,
    jaeger: str | None,
    stream: str | None,
    limit: float,
    as_json: bool,
    strict: bool,
) -> None:
    """Look at the whole deployment: the machine, Keycloak, the client there, services, Redis, Kafka, Loki, Jaeger.

    Each finding says what was expected, what was found and what to do. Only --user and --login sign in, only --produce
    sends an event. One line goes to Loki and one span to Jaeger or the collector, to be read back. The password of
    --user is asked for, unless the environment has GATEWAY_DOCTOR_PASSWORD.
    """
    try:
        settings, warnings = load()
    except ProblemsFound as found:
        wrong = (*map(_of_problem, found.problems), *map(of_warning, found.warnings))
        _end({"Settings": wrong}, as_json=as_json, strict=strict)
    looked_at = Deployment(settings, warnings, produces=produce, jaeger_page=jaeger, stream=stream, seconds=limit)
    with no_log_lines(), looked_at as deployment:
        try:
            if token is not None:
                deployment.token = given(token)
            elif user is not None:
                deployment.signed_in = by_form(deployment, user, _password(user))
            elif login:
                deployment.signed_in = by_browser(deployment, _land)
            if deployment.signed_in is not None:
                deployment.token = deployment.signed_in.access_token
            signed: tuple[Finding, ...] = ()
        except SignInFault as fault:
            signed = (fault.finding,)
        groups = examine(deployment)
    _end({**groups, **({"Sign-in": signed} if signed else {})}, as_json=as_json, strict=strict)


def _password(user: str) -> str:
    """It is no option: the command line is in the list of processes, and in the shell's history."""
    found: str = os.environ.get("GATEWAY_DOCTOR_PASSWORD") or click.prompt(
        f"Password of {user}", hide_input=True, err=True
    )
    return found


def _land(url: str) -> str:
    """The address that the browser ends at."""
    click.echo(f"Open this, and sign in:\n\n{url}\n", err=True)
    click.launch(url)
    text: str = click.prompt(
        "Then paste the address of the page you land on, whatever it shows; the part after its # is needed (a frontend"
        " that removes it has to be stopped before)",
        hide_input=True,
        err=True,
    )
    return text.strip()


def _of_problem(problem: Problem) -> Finding:
    return Finding(problem.name, Verdict.PROBLEM, problem.advice)


def _end(groups: dict[str, tuple[Finding, ...]], *, as_json: bool, strict: bool) -> NoReturn:
    """Say it, and end with the status that it means."""
    everything = [finding for findings in groups.values() for finding in findings]
    if as_json:
        print_json({"groups": {group: as_rows(findings) for group, findings in groups.items()}})
    else:
        for group, findings in groups.items():
            click.echo(f"\n{click.style(group, bold=True, underline=True)}")
            print_findings(findings)
        click.echo(f"\n{summary(everything)}")
    counts = tally(everything)
    leave(problems=counts[Verdict.PROBLEM], warnings=counts[Verdict.WARNING], strict=strict)
