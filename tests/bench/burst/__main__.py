"""`make bench-burst`: many files within a minute through a local cloud of its own, until all are trusted.

    python -m tests.bench.burst [--files N] [--datasets D] [--within SECONDS] [--limit SECONDS]

The cloud lies in build/bench/burst and is removed at the end. docs/scale.md has the figures.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.bench.burst.burst import Burst, BurstError
from tests.bench.burst.contracts import ROOT

FOLDER = ROOT / "build" / "bench" / "burst"


def main() -> int:
    """Run the burst; exit code 1 where not every file became exactly its rows in trusted."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.burst", description="Load a local cloud.")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--datasets", type=int, default=5)
    parser.add_argument("--within", type=float, default=60, help="seconds in which the files arrive")
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which it is given up")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    shutil.rmtree(arguments.folder, ignore_errors=True)
    burst = Burst(arguments.folder.resolve(), arguments.files, arguments.datasets)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the start", flush=True)
    try:
        burst.up()
        burst.run(arguments.within, arguments.limit)
    except BurstError as error:
        print(f"burst: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("burst: interrupted", file=sys.stderr)
        return 130
    finally:
        burst.down()
    shutil.rmtree(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
