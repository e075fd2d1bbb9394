"""`make fuzz-function`: seeded requests through the real function, in processes of this machine.

    python -m tests.functions.fuzz [--count N] [--seed S] [--only NUMBER] [--jobs J]

Each must be answered with 200, 400 or 503, write exactly one log entry that agrees, and ask Airflow for
nothing but a run of the dataset that it names. The last line counts the outcomes.
"""

import argparse
import os
import sys

from tests.functions.fuzz.fuzzing import fuzz, run
from tests.functions.fuzz.requests import make_request


def main() -> int:
    """Exit code 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.functions.fuzz", description="Fuzz the function.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="send this one request, and show it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(make_request(arguments.seed, arguments.only))
        outcomes, failures = fuzz(arguments.seed, range(arguments.only, arguments.only + 1))
        print("\n".join(failures or outcomes))
        return 1 if failures else 0
    return 1 if run(arguments.count, arguments.seed, arguments.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
