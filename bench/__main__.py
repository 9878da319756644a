"""`python -m bench`: the gateway and bare Flask in turns, on this machine, under the same load.

1. The stub (service and issuer) starts, then the candidates, each with a core they share and the load does not.
2. A round loads one candidate after the other, the order turned each time: a warm-up, then the measurement.
3. Medians over the rounds are the result. Any answer but a whole 2xx ends the run with an error.
"""

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from bench import cpu, report
from bench.candidates import CANDIDATES, behind
from bench.failed import Failed
from bench.load import Load, Sample
from bench.profile import profile
from bench.server import Server

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
    parser.add_argument("--profile", action="store_true", help="then show the gateway's dearest functions")
    asked = parser.parse_args()
    if min(asked.seconds, asked.rounds, asked.workers, asked.connections, asked.late + 1) < 1:
        parser.error("--seconds, --rounds, --workers and --connections are 1 or more, --late 0 or more")
    if asked.profile and asked.only == "bare":
        parser.error("--profile is of the gateway")
    return asked


def measure(asked: Namespace) -> None:
    """Run it all and print as it goes."""
    servers_core, load_cores = cpu.cores()
    names = [asked.only] if asked.only else list(CANDIDATES)
    with ExitStack() as running:
        tokens = Path(running.enter_context(tempfile.NamedTemporaryFile()).name)
        load = Load(tokens, load_cores, asked.connections)
        peers = running.enter_context(behind(load_cores, asked.late))
        tokens.write_text("".join(f"{token}\n" for token in peers.issuer.tokens()))
        servers: dict[str, Server] = {
            name: running.enter_context(CANDIDATES[name].start(peers, asked.workers, servers_core)) for name in names
        }
        samples: dict[str, list[Sample]] = {name: [] for name in names}
        for number in range(asked.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                load.run(servers[name], WARM_UP_SECONDS)
                samples[name].append(load.sample(servers[name], asked.seconds))
                print(report.line(number + 1, name, samples[name][-1]), flush=True)
        apart = servers_core.isdisjoint(load_cores)
        under = report.Conditions(asked.workers, asked.connections, asked.late, asked.seconds, apart)
        print("\n" + report.table(samples, under))
        if warning := report.disturbed(samples):
            print("\n" + warning)
        if asked.profile:
            per_request = min(sample.cpu for sample in samples["gateway"])
            print(profile(load, servers["gateway"], asked.seconds, per_request))
        if not asked.only:
            print(f"\nratio gateway / bare, CPU per forwarded request: {report.ratio(samples, 'gateway'):.2f}")


def main() -> int:
    """Exit code 1 where it can not be measured, or the answers were not right."""
    try:
        measure(arguments())
    except Failed as failure:
        print(f"\nbench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
