"""What the measurements say: Markdown tables, a straight line, and how far from it each size lies. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.bench.measurement import Measured

MEGABYTE, GIGABYTE, MEBIBYTE = 10**6, 10**9, 2**20


@dataclass(frozen=True)
class Spent:
    """What a profiler saw of a function: its calls, its own seconds, and those of all that it called too."""

    file: str
    line: int
    function: str
    calls: int
    own: float
    all: float


def name_length(length: int) -> str:
    """A file's length as a reader says it."""
    return f"{length:,} bytes" if length < MEGABYTE else f"{length / GIGABYTE:.3g} GB"


def best(runs: Sequence[Measured]) -> Measured:
    """The fewest seconds, for what disturbs a run only makes it longer; and the most memory of all runs."""
    return Measured(min(run.seconds for run in runs), max(run.peak for run in runs))


def fit_line(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The least-squares line through (x, y) points: what it adds at x = 0, and its slope."""
    xs, ys = zip(*points, strict=True)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - mean_x) ** 2 for x in xs
    )
    return mean_y - slope * mean_x, slope


def deviation(
    length: int, seconds: float, unit_length: int, unit_seconds: float, start_up: float = 0.0
) -> float:
    """How far a time is from proportional to the file's length, measured by the file of `unit_length` bytes.

    0.1 is ten percent slower than that. `start_up` seconds are taken off both times first.
    """
    return (seconds - start_up) / (unit_seconds - start_up) / (length / unit_length) - 1


def comparison_table(length: int, runs: Mapping[str, Sequence[Measured]], naive: str) -> str:
    """A row for each job, all on one file of `length` bytes; `naive` is the one to hold the others to."""
    basis = best(runs[naive]).seconds
    rows = []
    for title, measured in runs.items():
        found = best(measured)
        rows.append(
            (
                title,
                str(len(measured)),
                f"{found.seconds:.1f}",
                _rate(length, found.seconds),
                _mebibytes(found.peak),
                f"{found.seconds / basis:.2f}",
            )
        )
    return _table(("job", "runs", "seconds", "MB/s", "peak memory, MiB", "time / naive"), rows)


def scaling_table(runs: Mapping[int, Sequence[Measured]], unit_length: int, start_up: float) -> str:
    """A row for each length in bytes, held against the one of `unit_length`."""
    unit = best(runs[unit_length]).seconds
    rows = []
    for length, measured in sorted(runs.items()):
        found = best(measured)
        rows.append(
            (
                f"{length / GIGABYTE:.3g}",
                str(len(measured)),
                f"{found.seconds:.1f}",
                _rate(length, found.seconds),
                _mebibytes(found.peak),
                f"{deviation(length, found.seconds, unit_length, unit):+.1%}",
                f"{deviation(length, found.seconds, unit_length, unit, start_up):+.1%}",
            )
        )
    names = (
        "GB",
        "runs",
        "seconds",
        "MB/s",
        "peak memory, MiB",
        "from linear",
        "from linear, start-up apart",
    )
    return _table(names, rows)


def profile_table(spent: Iterable[Spent], total: float, by: Literal["own", "all"], most: int) -> str:
    """A row for each of the `most` functions with the most seconds of that kind; shares are of `total`."""
    found = sorted(spent, key=lambda one: float(getattr(one, by)), reverse=True)[:most]
    rows = [
        (
            f"{one.file}:{one.line} {one.function}".replace("|", "\\|"),
            f"{one.calls:,}",
            f"{getattr(one, by):.2f}",
            f"{getattr(one, by) / total:.0%}",
        )
        for one in found
    ]
    return _table(("function", "calls", "seconds", "share"), rows)


def _rate(length: int, seconds: float) -> str:
    return f"{length / MEGABYTE / seconds:.1f}"


def _mebibytes(count: int) -> str:
    return f"{count / MEBIBYTE:,.0f}"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
