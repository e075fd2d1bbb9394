"""`make bench-control-room`: how long each page takes over a ledger of a thousand batches and 10,000 files.

    python -m tests.bench.control_room [--asks N] [--clients N] [--batches N] [--files N] [--profile]

The local BigQuery, Cloud Storage and lineage, and the function in functions-framework, run as the local cloud
runs them, with nothing else beside. Each page is asked for with other arguments each time, in both languages:
first with caches that keep nothing, so that every question is asked, to know what a page costs; then as it is
served, which is what the promise is about. Exit code 1 where the 95th percentile of a page is then 300 ms or
more, or an answer is not a page. `--profile` tells for each page the processor time of function and servers,
which a busy machine does not change much.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from tests.bench.control_room import FUNCTION
from tests.bench.control_room.instance import BenchError, Instance, Surroundings, surroundings
from tests.bench.control_room.load import Answer, visit
from tests.bench.control_room.report import find_faults, table
from tests.bench.control_room.seed import Seeded, Size, fill, make
from tests.bench.control_room.visits import list_visits

_FORGETFUL = Path(__file__).with_name("forgetful.py")
_MEBIBYTE = 1024 * 1024


def main() -> int:
    """Run the bench."""
    arguments = _parse()
    size = Size(arguments.batches, arguments.files, arguments.rejected, arguments.quotes, arguments.pending)
    seeded = make(size, arguments.seed, datetime.now(UTC))
    try:
        with tempfile.TemporaryDirectory() as folder, surroundings(Path(folder)) as around:
            _say(f"load {os.getloadavg()[0]:.1f} before the first page; writing the ledger")
            for done in fill(around.world, size, seeded):
                _say(f"  {done}")
            faults = (_profile if arguments.profile else _measure)(around, seeded, arguments)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for fault in faults:
        _say(fault)
    _say("every page keeps the promise" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.control_room", description="Time the pages.")
    parser.add_argument("--asks", type=int, default=60, help="how often each page is asked for")
    parser.add_argument("--clients", type=int, default=2, help="how many ask at the same time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="processor time instead, and no promise")
    usual = Size()
    for name in ("batches", "files", "rejected", "quotes", "pending"):
        parser.add_argument(f"--{name}", type=int, default=getattr(usual, name))
    return parser.parse_args()


def _measure(around: Surroundings, seeded: Seeded, arguments: argparse.Namespace) -> list[str]:
    """Visit both ways, print what was found, and return what breaks the promise."""
    faults = []
    ways = (("Every question asked", _FORGETFUL, False), ("As it is served", FUNCTION / "main.py", True))
    for title, source, promised in ways:
        with around.serve(source) as instance:
            # Imports and connections belong to the start of an instance: its first page has them.
            _say(f"\n{title}; the first page {instance.first_seconds:.1f} s after the start\n")
            began = time.monotonic()
            answers = _visit(instance, seeded, arguments)
            _say(table(answers))
            rate = len(answers) / (time.monotonic() - began)
            peak = instance.peak_bytes() / _MEBIBYTE
            _say(f"\n{rate:.0f} pages/s to {arguments.clients} clients; peak memory {peak:.0f} MiB")
            faults += [f"{title}: {fault}" for fault in find_faults(answers, promised)]
    return faults


def _profile(around: Surroundings, seeded: Seeded, arguments: argparse.Namespace) -> list[str]:
    """Visit page by page with every question asked, and print what each costs the processor."""
    visits = sorted(list_visits(seeded, arguments.asks, arguments.seed))
    with around.serve(_FORGETFUL) as instance:
        visit(instance.port, list_visits(seeded, 2, arguments.seed + 1), 1, lambda _: None)
        for page, mine in groupby(visits, lambda visit: visit[0]):
            before = instance.spent_seconds()
            answers = visit(instance.port, list(mine), 1, lambda _: None)
            spent = (instance.spent_seconds() - before) / len(answers)
            _say(f"{page:<20} {spent * 1000:4.0f} ms of processor time")
    return []


def _visit(instance: Instance, seeded: Seeded, arguments: argparse.Namespace) -> list[Answer]:
    # Some pages first: templates are compiled at their first use.
    visit(instance.port, list_visits(seeded, 2, arguments.seed + 1), arguments.clients, lambda _: None)
    visits = list_visits(seeded, arguments.asks, arguments.seed)

    def tell(done: int) -> None:
        if sys.stdout.isatty():
            print(f"\r\033[K{done:,} of {len(visits):,}", end="\r", flush=True)

    answers = visit(instance.port, visits, arguments.clients, tell)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    return answers


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
