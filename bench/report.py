"""What was measured, for a person: a line a round, a table for the README, the ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from bench import cpu
from bench.candidates import CANDIDATES
from bench.load import Sample
from bench.stub import ANSWER_BYTES
from bench.tokens import USERS

QUIET = 0.85
"""The share of a core that a candidate under load gets on a machine that does nothing else."""

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Conditions:
    """What all candidates were measured under: a service that answers after `late` ms; `seconds` of each measurement;
    whether server and load had cores of their own (`apart`)."""

    workers: int
    connections: int
    late: int
    seconds: int
    apart: bool


def line(number: int, name: str, sample: Sample) -> str:
    """One candidate in one round."""
    run = sample.run
    return (
        f"round {number}  {name:8}{sample.cpu:7.0f} us CPU a request {sample.rate:7.0f} req/s"
        f"  p50 {run.p50:6.1f} ms  p99 {run.p99:6.1f} ms {sample.resident / 1e6:5.0f} MB"
        f"  non-2xx {run.wrong}  had {sample.busy:4.0%} of its core"
    )


def table(samples: Samples, under: Conditions) -> str:
    """Markdown: the medians over the rounds, and how they were come by."""
    rows = [
        "| | CPU µs a request | of bare's | req/s | p50 / p99 ms | RSS MB | non-2xx |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, taken in samples.items():
        p50, p99 = median(s.run.p50 for s in taken), median(s.run.p99 for s in taken)
        rows.append(
            f"| {CANDIDATES[name].title} | {median(s.cpu for s in taken):.0f}"
            f" | {_of_bare(samples, name)} | {median(s.rate for s in taken):,.0f}"
            f" | {p50:.0f} / {p99:.0f} | {median(s.resident for s in taken) / 1e6:.0f}"
            f" | {sum(s.run.wrong for s in taken)} |"
        )
    rounds = max(map(len, samples.values()))
    cores = "server and load on cores of their own" if under.apart else "server and load share one core"
    late = f" after {under.late} ms" * bool(under.late)
    rows += [
        "",
        f"{date.today():%d %B %Y}, {cpu.machine()}. {under.workers} gevent worker{'s' * (under.workers > 1)},"
        f" {under.connections} connections, {ANSWER_BYTES:,}-byte answers{late}, {USERS:,} RS256 tokens in rotation;"
        f" medians of {rounds} alternating rounds of {under.seconds} s; {cores}; CPU is that of all the server's"
        " processes, log lines go into a pipe that is read.",
    ]
    return "\n".join(rows)


def disturbed(samples: Samples) -> str | None:
    """A warning where the machine had other work to do: CPU times are then too high, and the candidates' not alike."""
    if median(sample.busy for taken in samples.values() for sample in taken) > QUIET:
        return None
    return f"The candidates had less than {QUIET:.0%} of their core: other work runs here, repeat this when it is over."


def _of_bare(samples: Samples, name: str) -> str:
    return f"**{ratio(samples, name):.2f}**" if "bare" in samples else ""


def ratio(samples: Samples, name: str) -> float:
    """A candidate's processor time per request over bare Flask's: the median of the rounds' own ratios, because what
    disturbs a round (other work on the machine) disturbs all."""
    pairs = zip(samples[name], samples["bare"], strict=True)
    return median(one.cpu / bare.cpu for one, bare in pairs)
