"""`make bench-function`: events a second on one instance on one core, and how long an event takes.

    python -m tests.bench.function [--rate EVENTS] [--seconds S] [--saturation S] [--threads N]

The function runs as deployed, in functions-framework, on a core of its own; the load, a stand-in for
Airflow's API that answers in 5 ms and the metadata server share another. docs/scale.md has the figures.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.bench.function.instance import BenchError, Instance, started
from tests.bench.function.load import Load, Sender, events, offer_steadily, saturate
from tests.bench.function.report import Found, header, row

WINDOW_SECONDS = 5


def main() -> int:
    """Run the bench; exit code 1 where an event was not answered with 200, or a run was asked for twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.function", description="Load the function.")
    parser.add_argument("--rate", type=float, default=300, help="events a second that are offered")
    parser.add_argument("--seconds", type=float, default=20, help="for how long, at each number of datasets")
    parser.add_argument("--saturation", type=float, default=8, help="seconds at saturation, likewise")
    parser.add_argument("--threads", type=int, default=16, help="THREADS of functions-framework")
    parser.add_argument("--delay", type=float, default=0.005, help="seconds before Airflow's answer")
    parser.add_argument("--datasets", type=int, nargs="+", default=[5, 25, 100])
    arguments = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            started(Path(folder), arguments.threads, arguments.delay, WINDOW_SECONDS) as instance,
        ):
            found = measure(instance, arguments)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    slowest = max(one.milliseconds(0.99) for one in found if one.offered is not None)
    fewest = min(one.rate for one in found if one.offered is None)
    print(
        f"\nat {arguments.rate:g} events/s: p99 {slowest:.1f} ms at most; "
        f"at saturation: {fewest:,.0f} events/s at least"
    )
    return 1 if any(one.errors or one.posts != one.runs for one in found) else 0


def measure(instance: Instance, arguments: argparse.Namespace) -> list[Found]:
    """Offer the load for each number of datasets, and print a line after each."""
    print(
        f"WORKERS=1 THREADS={arguments.threads} on core {instance.core}, windows of {WINDOW_SECONDS} s, "
        f"Airflow answers in {arguments.delay * 1000:g} ms, "
        f"load {os.getloadavg()[0]:.1f} before the first event\n"
    )
    print(header(), flush=True)
    # The first events pay for imports and connections, which belong to the start of an instance.
    asyncio.run(offer(instance, arguments.threads, datasets=1, offered=None, seconds=1))
    found = []
    for datasets in arguments.datasets:
        for offered, seconds in ((arguments.rate, arguments.seconds), (None, arguments.saturation)):
            before = counts(instance)
            load = asyncio.run(offer(instance, arguments.threads, datasets, offered, seconds))
            after = counts(instance)
            found.append(Found(datasets, offered, load, *(b - a for a, b in zip(before, after, strict=True))))
            print(row(found[-1]), flush=True)
    return found


async def offer(
    instance: Instance, threads: int, datasets: int, offered: float | None, seconds: float
) -> Load:
    """Send events of so many datasets, as many at a time as there are threads."""
    host, port = instance.address
    sender = Sender(host, port, events(host, datasets), threads)
    if offered is None:
        return await saturate(sender, threads, seconds)
    return await offer_steadily(sender, offered, seconds, seed=datasets)


def counts(instance: Instance) -> tuple[int, int]:
    """POSTs and runs so far, as Airflow counts them."""
    with urllib.request.urlopen(f"{instance.airflow_url}/counts", timeout=10) as answer:  # noqa: S310 loopback
        document = json.load(answer)
    return document["posts"], document["runs"]


if __name__ == "__main__":
    sys.exit(main())
