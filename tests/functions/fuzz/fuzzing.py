"""Many requests, spread over processes, and what came of them."""

import logging
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from functools import cache, partial

from tests.functions.fuzz.requests import make_request
from tests.functions.fuzz.target import Target

_CHUNK = 1000
_MOST_SHOWN = 10


def run(count: int, seed: int, jobs: int) -> int:
    """Send so many requests, say how it goes, and return how many failed."""
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    outcomes: Counter[str] = Counter()
    shown, start = 0, time.monotonic()
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(chunks))) as pool:
        for found, failures in pool.imap_unordered(partial(fuzz, seed), chunks):
            outcomes += found
            for failure in failures[: max(0, _MOST_SHOWN - shown)]:
                print(f"\r\033[K{failure}" if sys.stdout.isatty() else failure, flush=True)
            shown += len(failures)
            _show(outcomes, count, time.monotonic() - start)
    held = sorted((outcome, number) for outcome, number in outcomes.items() if outcome != "failed")
    counted = ", ".join(f"{number:,} {outcome}" for outcome, number in held)
    print(
        f"{outcomes.total():,} requests of seed {seed} in {time.monotonic() - start:.0f} s: {counted}; "
        f"{outcomes['failed']:,} failed"
    )
    return outcomes["failed"]


def _show(outcomes: Counter[str], count: int, seconds: float) -> None:
    done = outcomes.total()
    line = f"{done:,} of {count:,} requests, {seconds:.0f} s, {outcomes['failed']:,} failed"
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="\n" if done == count else "", flush=True)
    elif done == count or done % max(_CHUNK, count // 20) < _CHUNK:
        print(line, flush=True)


@cache
def load() -> Target:
    """The function in this process; what the framework logs of a crash is told with the failure."""
    logging.disable(logging.CRITICAL)
    return Target()


def fuzz(seed: int, numbers: range) -> tuple[Counter[str], list[str]]:
    """Send the requests of these numbers: how often each outcome came, and what did not hold."""
    target = load()
    outcomes: Counter[str] = Counter()
    failures = []
    for number in numbers:
        target.airflow.source.seed(number)
        try:
            outcomes[target.send(make_request(seed, number))] += 1
        except Exception:
            outcomes["failed"] += 1
            failures.append(f"--seed {seed} --only {number}: {traceback.format_exc(limit=-3)}")
    return outcomes, failures
