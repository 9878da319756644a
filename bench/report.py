"""What was measured, for a person: a line a round, a table for the README, what to make of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from bench import cpu
from bench.candidates import CANDIDATES
from bench.load import Sample
from bench.loads import SHAPES

QUIET = 0.85
"""The share of a core that a candidate under load gets on a machine that does nothing else."""

Samples = dict[tuple[str, str], list[Sample]]
"""By candidate and load."""


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
        f"round {number}  {name:16}{sample.cpu:7.0f} us CPU a request {sample.rate:7.0f} req/s"
        f"  p50 {run.p50:6.1f} ms  p99 {run.p99:6.1f} ms {sample.resident / 1e6:5.0f} MB"
        f"  {sample.lines:.2f} log lines  had {sample.busy:4.0%} of its core"
    )


def candidates(samples: Samples) -> str:
    """Markdown: the candidates under one load, in medians over the rounds."""
    beside = [name for name in ("bare", "fastify") if (name, "get") in samples]
    ratios_of = [f"of {name}'s" for name in beside]
    titles = ["", "CPU µs a request", *ratios_of, "log lines", "req/s", "p50 / p99 ms", "memory MB"]
    rows = []
    for name, shape in samples:
        taken = samples[name, shape]
        ratios = [f"**{ratio(taken, samples[other, shape]):.2f}**" for other in beside]
        lines = f"{median(s.lines for s in taken):.2f}"
        rows.append([CANDIDATES[name].title, _cpu(taken), *ratios, lines, *_rate_times_memory(taken)])
    return _table(titles, rows)


def loads(samples: Samples) -> str:
    """Markdown: the gateway under each load, beside its first one and beside Fastify."""
    rows = []
    for shape, asked in SHAPES.items():
        taken, other = samples.get(("gateway", shape)), samples.get(("fastify", shape))
        if taken is None:
            continue
        of_first = f"{ratio(taken, samples['gateway', 'get']):.2f}"
        of_other = f"**{ratio(taken, other):.2f}**" if other else ""
        rows.append([asked.title, _cpu(taken), of_first, of_other, *_rate_times_memory(taken)])
    return _table(["", "CPU µs a request", "of GET's", "of Fastify's", "req/s", "p50 / p99 ms", "memory MB"], rows)


def how(samples: Samples, under: Conditions) -> str:
    """How the figures were come by."""
    rounds = max(map(len, samples.values()))
    cores = "server and load on cores of their own" if under.apart else "server and load share one core"
    late = f", a service that answers after {under.late} ms" * bool(under.late)
    return (
        f"{date.today():%d %B %Y}, {cpu.machine()}. {under.workers} worker{'s' * (under.workers > 1)},"
        f" {under.connections} connections{late}, RS256 tokens in rotation, `Origin` in each request; medians of"
        f" {rounds} alternating rounds of {under.seconds} s, a ratio that of the rounds' own ratios; {cores}; CPU and"
        " memory are those of all the server's processes, what they share counted once; log lines go into a pipe"
        " that is read, those of the gateway to a Loki too, and its spans to a Jaeger."
    )


def warnings(samples: Samples, dropped: Mapping[str, float]) -> Iterator[str]:
    """What makes the figures worth less: other work on the machine, and lines or spans that were not delivered."""
    if median(sample.busy for taken in samples.values() for sample in taken) <= QUIET:
        yield f"The candidates had less than {QUIET:.0%} of their core: other work runs here, try again later."
    for name, count in dropped.items():
        if count:
            yield f"{CANDIDATES[name].title}: {count:.0f} log lines or spans were dropped."


def ratio(taken: Sequence[Sample], others: Sequence[Sample]) -> float:
    """Processor time per request over another candidate's: the median of the rounds' own ratios, because what disturbs
    a round (other work on the machine) disturbs all."""
    return median(one.cpu / other.cpu for one, other in zip(taken, others, strict=True))


def _cpu(taken: Sequence[Sample]) -> str:
    return f"{median(s.cpu for s in taken):.0f}"


def _rate_times_memory(taken: Sequence[Sample]) -> list[str]:
    p50, p99 = median(s.run.p50 for s in taken), median(s.run.p99 for s in taken)
    resident = median(s.resident for s in taken) / 1e6
    return [f"{median(s.rate for s in taken):,.0f}", f"{p50:.0f} / {p99:.0f}", f"{resident:.0f}"]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (titles, ["---"] * len(titles), *rows))
