"""What so many files a day over so many datasets ask of each quota, for several lengths of a batch window.

    python -m tests.bench.burst.plan [--files N] [--datasets D] [--minutes M…]

The costs of a batch are arguments; docs/scale.md says which of them were measured, and which are estimates.
"""

import argparse
import math
import sys
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True)
class Costs:
    """What a batch costs: seconds of a run, whatever is in it, and for each file; what it asks for."""

    run_seconds: float = 240.0
    file_seconds: float = 0.05
    merge_seconds: float = 5.0
    poll_seconds: float = 10.0
    job_seconds: float = 60.0
    tasks: int = 10
    # What a run that finds nothing still does: it claims, and looks whether to ask again.
    idle_tasks: int = 2
    # A table each for accepted and for rejected rows, which most batches do not have.
    loads: int = 2


@dataclass(frozen=True)
class Quota:
    """A limit and who sets it; `number` is what one unit of time allows."""

    name: str
    number: float


QUOTAS = {
    "table_loads": Quota("load jobs a table and day", 1_500),
    "project_loads": Quota("load jobs a project and day", 100_000),
    "cluster_calls": Quota("cluster operations a minute", 200),
    "job_calls": Quota("job operations a minute", 400),
    "polls": Quota("GetJob calls a minute", 7_500),
    "merges": Quota("MERGEs at once on a ledger table", 2),
}


@dataclass(frozen=True)
class Plan:
    """The load of one window length, in the units of the quotas."""

    cycle_seconds: float
    files_a_batch: float
    batches_a_day: float
    runs_a_day: float
    tasks_a_second: float
    used: dict[str, float]


def make_plan(files: int, datasets: int, window_seconds: float, costs: Costs) -> Plan:
    """What `files` a day, spread evenly over `datasets`, come to; a dataset's runs follow one another."""
    rate = files / datasets / DAY
    # A run takes what came during the one before it: cycle = run + file × rate × cycle, or the window.
    alone = costs.run_seconds / (1 - costs.file_seconds * rate)
    cycle = max(window_seconds, alone)
    batches = DAY / cycle
    a_minute = datasets * 60 / cycle
    # Every window in which a file lands is asked for, also while an earlier run goes on and takes its files.
    runs = max(batches, DAY / window_seconds * -math.expm1(-rate * window_seconds))
    return Plan(
        cycle,
        rate * cycle,
        batches * datasets,
        runs * datasets,
        (batches * costs.tasks + (runs - batches) * costs.idle_tasks) * datasets / DAY,
        {
            "table_loads": batches,
            "project_loads": batches * datasets * costs.loads,
            "cluster_calls": 2 * a_minute,
            "job_calls": a_minute,
            "polls": a_minute * costs.job_seconds / costs.poll_seconds,
            "merges": datasets / cycle * costs.merge_seconds,
        },
    )


def table(plans: dict[float, Plan]) -> str:
    """A row for each figure, a column for each window length in minutes."""
    rows = [
        (
            "time between two batches of a dataset, s",
            [f"{plan.cycle_seconds:,.0f}" for plan in plans.values()],
        ),
        ("files a batch", [f"{plan.files_a_batch:,.0f}" for plan in plans.values()]),
        ("batches and clusters a day", [f"{plan.batches_a_day:,.0f}" for plan in plans.values()]),
        ("Airflow runs a day", [f"{plan.runs_a_day:,.0f}" for plan in plans.values()]),
        ("Airflow tasks a second", [f"{plan.tasks_a_second:.2f}" for plan in plans.values()]),
    ]
    for key, quota in QUOTAS.items():
        cells = [f"{_short(plan.used[key])} ({plan.used[key] / quota.number:.0%})" for plan in plans.values()]
        rows.append((f"{quota.name}, of {quota.number:,.0f}", cells))
    head = ["window", *(f"{minutes:g} min" for minutes in plans)]
    lines = [head, ["---", *["---:"] * len(plans)], *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.burst.plan", description="Compute a plan.")
    parser.add_argument("--files", type=int, default=1_400_000, help="a day")
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5, 15, 60], help="of a batch window")
    for name, text in (
        ("run_seconds", "of a run, whatever is in it"),
        ("file_seconds", "of a run for each file"),
        ("merge_seconds", "of a MERGE into the ledger"),
    ):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=getattr(Costs, name), help=f"seconds {text}")
    given = parser.parse_args()
    costs = Costs(given.run_seconds, given.file_seconds, given.merge_seconds)
    plans = {
        minutes: make_plan(given.files, given.datasets, minutes * 60, costs) for minutes in given.minutes
    }
    print(table(plans))
    return 0


if __name__ == "__main__":
    sys.exit(main())
