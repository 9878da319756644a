"""The machine: the port, descriptors, shared memory, the temporary directory, the clock."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from gateway.bind import BindTrial, address_of
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, of_warning, questionable, unknown
from gateway.store.counters import SHARED_MEMORY
from gateway.store.folder import temporary_directory

ENOUGH_DESCRIPTORS = 5000
SHARED_BYTES = 64 << 20
TEMPORARY_BYTES = 100 << 20
CLOCK_SECONDS = 3.0

_SAYS_SYNCHRONIZED: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("timedatectl", "show", "--property=NTPSynchronized"): r"^NTPSynchronized=(?:(yes)|no)$",
        ("chronyc", "-n", "tracking"): r"^Leap status\s*: (?:(Normal|Insert second|Delete second)|Not synchronised)$",
    }
)
"""Who is asked, and what it says: the group is there where NTP sets the clock."""


def settings(deployment: Deployment) -> Iterator[Finding]:
    """What is doubtful in them; what is wrong ends the doctor before."""
    for warning in deployment.warnings:
        yield of_warning(warning)
    if not deployment.warnings:
        yield good("settings", "nothing doubtful")


def port(deployment: Deployment) -> Iterator[Finding]:
    """Whether HOST and PORT can be bound, or a gateway has them already."""
    host, number = deployment.settings.host, deployment.settings.port
    bound = BindTrial().result(host, number)
    for problem in bound.problems:
        yield bad(problem.name, "cannot be bound", f"{address_of(host, number)} free", problem.advice)
    for told in bound.warnings:
        yield good("PORT", told.advice)
    if not bound.problems and not bound.warnings:
        yield good("PORT", f"{address_of(host, number)} is free")


def descriptors(deployment: Deployment) -> Iterator[Finding]:
    """How many connections there can be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= ENOUGH_DESCRIPTORS:
        yield good("descriptors", "no limit" if hard == resource.RLIM_INFINITY else f"up to {hard}")
    else:
        yield questionable(
            "descriptors",
            f"at most {hard}",
            f"{ENOUGH_DESCRIPTORS} or more",
            "LimitNOFILE= in the unit, `ulimits` of the"
            " container, or `ulimit -Hn`: a connection is a descriptor, a call to a service another one",
        )


def shared_memory(deployment: Deployment) -> Iterator[Finding]:
    """Where metrics, heartbeats and counters are."""
    fix = "give the container --shm-size=64m (Kubernetes: an emptyDir of medium Memory at /dev/shm)"
    try:
        with tempfile.TemporaryFile(dir=SHARED_MEMORY):
            free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError as error:
        yield questionable("shared memory", f"cannot be written to: {error.strerror}", "shared memory", fix)
        return
    if free < SHARED_BYTES:
        yield questionable("shared memory", f"{free >> 20} MiB free", f"{SHARED_BYTES >> 20} MiB", fix)
    else:
        yield good("shared memory", f"{free >> 20} MiB free")


def temporary_files(deployment: Deployment) -> Iterator[Finding]:
    """Where what the workers know together is kept."""
    folder = temporary_directory()
    expected = f"a directory that user {os.geteuid()} can write to, {TEMPORARY_BYTES >> 20} MiB free"
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        yield bad(
            "TMPDIR", f"{folder} cannot be written to: {error.strerror}", expected, "set TMPDIR, or correct its mode"
        )
        return
    if free < TEMPORARY_BYTES:
        yield questionable("TMPDIR", f"{folder} has {free >> 20} MiB free", expected, "make room, or set TMPDIR")
    else:
        yield good("TMPDIR", f"{folder}, {free >> 20} MiB free")


def synchronized_clock(deployment: Deployment) -> Iterator[Finding]:
    """Whether NTP sets the clock, by the first that tells."""
    for command, pattern in _SAYS_SYNCHRONIZED.items():
        told = re.search(pattern, _said(command), re.MULTILINE)
        if told is None:
            continue
        if told[1]:
            yield good("NTP", f"sets this machine's clock ({command[0]})")
        else:
            yield questionable(
                "NTP",
                f"does not set this machine's clock ({command[0]})",
                "a synchronized clock: tokens are judged by it",
                "`timedatectl set-ntp true`, or see `chronyc sources`: the time servers may be closed off (UDP 123)",
            )
        return
    yield unknown(
        "NTP",
        "neither timedatectl nor chronyc tells it here",
        "in a container, ask its host: `timedatectl`; the clock beside Keycloak's is under Keycloak",
    )


def _said(command: tuple[str, ...]) -> str:
    """What a program writes; empty where there is none of that name, or it fails."""
    found = shutil.which(command[0])
    if found is None:
        return ""
    try:
        asked = (found, *command[1:])
        done = subprocess.run(asked, capture_output=True, text=True, timeout=CLOCK_SECONDS)  # noqa: S603  # of the table
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


CHECKS = (settings, port, descriptors, shared_memory, temporary_files, synchronized_clock)
