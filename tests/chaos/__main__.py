"""`make chaos`: seeded scenarios of drops and faults, each held against an oracle.

    python -m tests.chaos [--count N] [--seed S] [--engine mixed|fast|real] [--again]

What passed is remembered in build/chaos/ for as long as the sources stay what they are; what failed keeps its
evidence there. docs/exactly-once.md says what a scenario is and what must hold at its end.
"""

import argparse
import signal
import sys

from tests.chaos.datasets import ROOT
from tests.chaos.driver import Driver
from tests.chaos.memory import Memory, fingerprint
from tests.chaos.progress import Progress
from tests.chaos.report import summary
from tests.chaos.scenario import FAST, REAL
from tests.chaos.suite import plan, run_all

FOLDER = ROOT / "build" / "chaos"


def main() -> int:
    """Run the suite; exit code 1 where a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Batches under faults.")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="how many seeds, default 100")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first of them, default 1")
    parser.add_argument(
        "--engine",
        choices=("mixed", FAST, REAL),
        default="mixed",
        help="mixed (the default): each fifth seed runs on the real chain, the others on the fast one",
    )
    parser.add_argument("--again", action="store_true", help="run also what passed before")
    given = parser.parse_args()

    # However it ends, its clouds end with it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    runs = plan(given.seed, given.count, given.engine)
    memory = Memory(FOLDER / "passed.jsonl", fingerprint())
    if given.again:
        memory.forget(runs)
    progress = Progress()
    try:
        drivers = {FAST: _fast, REAL: _real}
        outcomes = run_all(runs, drivers, memory, FOLDER / "evidence", progress)
    except KeyboardInterrupt:
        progress.say("interrupted; the same command goes on from here")
        return 130
    table = FOLDER / "summary.md"
    FOLDER.mkdir(parents=True, exist_ok=True)
    table.write_text(summary(outcomes))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    progress.say(f"tables: {table.relative_to(ROOT)}")
    progress.say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _fast() -> Driver:
    from tests.chaos.fast.driver import FastDriver

    return FastDriver(FOLDER / "fast")


def _real() -> Driver:
    from tests.chaos.real import RealDriver

    return RealDriver(FOLDER / "real")


if __name__ == "__main__":
    sys.exit(main())
