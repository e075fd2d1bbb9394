"""`make bench-spark`: our Spark job beside naive Spark, DuckDB and Polars, on the same seeded file.

    python -m tests.bench [--size GB] [--seed N] [--profile]

What is measured, and how to read it: docs/performance.md.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.bench import contenders, profiling
from tests.bench.bench import Bench
from tests.bench.measurement import BenchError
from tests.bench.report import GIGABYTE

FOLDER = contenders.ROOT / "build" / "bench"


def main() -> int:
    """Run the bench; exit code 1 where a job failed or wrote something else than what was generated."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the Spark job.")
    parser.add_argument(
        "--size", type=float, default=1.0, help="GB of the file that all jobs read, default 1"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the file, default 1")
    parser.add_argument(
        "--profile", action="store_true", help="run our job alone, and say where its time goes"
    )
    arguments = parser.parse_args()

    # However it ends, the jobs end with it and the big files go.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    # The children inherit it: more cores than these are nobody's.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: contenders.CORES])
    FOLDER.mkdir(parents=True, exist_ok=True)
    size = round(arguments.size * GIGABYTE)
    try:
        if arguments.profile:
            profiling.run(FOLDER, size, arguments.seed)
        else:
            Bench(FOLDER, size, arguments.seed).run()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    finally:
        _clean(FOLDER)
    return 0


def _clean(folder: Path) -> None:
    for path in folder.glob("price_quote_*.csv"):
        path.unlink()
    shutil.rmtree(folder / "work", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
