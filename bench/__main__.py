"""`python -m bench`: the gateway beside bare Flask, and Fastify where there is Node, on this machine under one load.

1. The stub (service and issuer) starts, then the candidates, each with a core they share and the load does not.
2. A round loads one candidate after the other, the order turned each time: a warm-up, then the measurement.
3. Medians over the rounds are the result. Any answer but the right one ends the run with an error.

`--loads` asks the gateway (and Fastify) for other things than 1 KB; `--counts` counts what one request does, which no
other work on the machine changes.
"""

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from bench import cpu, node, report
from bench.candidates import CANDIDATES, behind
from bench.counts import counts
from bench.failed import Failed
from bench.load import Load
from bench.loads import SHAPES
from bench.profile import profile
from bench.report import Samples

WARM_UP_SECONDS = 2
ROUNDS = 7
SECONDS = 4
"""Of each of two measurements in a round: many short rounds, since what disturbs a machine comes and goes."""


def arguments() -> Namespace:
    """What the command line asks for."""
    parser = ArgumentParser(prog="python -m bench", description="What a forwarded request costs.")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each measurement (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="over all candidates (default %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of each candidate (default %(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="of the load (default %(default)s)")
    parser.add_argument("--late", type=int, default=0, metavar="MS", help="how late the service answers (default 0)")
    parser.add_argument("--only", choices=CANDIDATES, help="measure one candidate, without a ratio")
    parser.add_argument("--loads", action="store_true", help="measure what else a gateway is asked for")
    parser.add_argument("--counts", action="store_true", help="count what one request does, without a load")
    parser.add_argument("--profile", action="store_true", help="then show the gateway's dearest functions")
    asked = parser.parse_args()
    if min(asked.seconds, asked.rounds, asked.workers, asked.connections, asked.late + 1) < 1:
        parser.error("--seconds, --rounds, --workers and --connections are 1 or more, --late 0 or more")
    if asked.profile and (asked.loads or asked.only not in (None, "gateway")):
        parser.error("--profile is of the gateway")
    return asked


def pairs(asked: Namespace) -> list[tuple[str, str]]:
    """Which candidate is measured under which load. Only the gateway knows its cookies."""
    names = [asked.only] if asked.only else list(CANDIDATES)
    if not asked.loads:
        return [(name, "get") for name in names]
    return [
        (name, shape)
        for shape in SHAPES
        for name in names
        if name == "gateway" or (name == "fastify" and shape != "cookies")
    ]


def measure(asked: Namespace) -> None:
    """Run it all and print as it goes."""
    servers_core, load_cores = cpu.cores()
    wanted = pairs(asked)
    if any(name == "fastify" for name, _ in wanted):
        node.install()
    with ExitStack() as running:
        peers = running.enter_context(behind(load_cores, asked.late))
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        load = Load(folder, peers.issuer, load_cores, asked.connections)
        servers = {
            name: running.enter_context(CANDIDATES[name].start(peers, asked.workers, servers_core))
            for name in dict.fromkeys(name for name, _ in wanted)
        }
        samples: Samples = {pair: [] for pair in wanted}
        for number in range(asked.rounds):
            for name, shape in wanted if number % 2 == 0 else reversed(wanted):
                load.run(servers[name], SHAPES[shape], WARM_UP_SECONDS)
                samples[name, shape].append(load.sample(servers[name], SHAPES[shape], asked.seconds))
                print(report.line(number + 1, f"{name} {shape}", samples[name, shape][-1]), flush=True)
        apart = servers_core.isdisjoint(load_cores)
        under = report.Conditions(asked.workers, asked.connections, asked.late, asked.seconds, apart)
        table = report.loads(samples) if asked.loads else report.candidates(samples)
        print(f"\n{table}\n\n{report.how(samples, under)}")
        dropped = {name: server.dropped for name, server in servers.items() if CANDIDATES[name].is_gateway}
        print("".join(f"\n{warning}" for warning in report.warnings(samples, dropped)))
        if asked.profile:
            per_request = min(sample.cpu for sample in samples["gateway", "get"])
            print(profile(load, servers["gateway"], asked.seconds, per_request))


def main() -> int:
    """Exit code 1 where it can not be measured, or the answers were not right."""
    asked = arguments()
    try:
        if asked.counts:
            print(counts())
        else:
            measure(asked)
    except Failed as failure:
        print(f"\nbench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
