"""What the load found, as lines of a Markdown table. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.function.load import Load

COLUMNS = (
    *("datasets", "offered, events/s", "seconds", "events", "events/s", "p50, ms", "p99, ms", "max, ms"),
    *("POSTs", "runs", "errors"),
)


@dataclass(frozen=True)
class Found:
    """One measurement; `offered` is None at saturation, `posts` and `runs` are what Airflow counted."""

    datasets: int
    offered: float | None
    load: Load
    posts: int
    runs: int

    @property
    def rate(self) -> float:
        return len(self.load.latencies) / self.load.seconds

    @property
    def errors(self) -> int:
        return sum(number for status, number in self.load.statuses.items() if status != 200)

    def milliseconds(self, share: float) -> float:
        return percentile(self.load.latencies, share) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def header() -> str:
    return f"| {' | '.join(COLUMNS)} |\n|{'|'.join([' ---: '] * len(COLUMNS))}|"


def row(found: Found) -> str:
    cells = (
        str(found.datasets),
        "saturation" if found.offered is None else f"{found.offered:g}",
        f"{found.load.seconds:.1f}",
        f"{len(found.load.latencies):,}",
        f"{found.rate:,.0f}",
        *(f"{found.milliseconds(share):.1f}" for share in (0.5, 0.99, 1.0)),
        *(f"{number:,}" for number in (found.posts, found.runs, found.errors)),
    )
    return f"| {' | '.join(cells)} |"
