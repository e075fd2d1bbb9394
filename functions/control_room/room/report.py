"""The report as its page shows it: totals by name, the largest first, and totals over time without gaps."""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

# More months than these are shown as years: a column then still has room for its name.
MOST_MONTHS = 36
# Beyond these years only those with quotes are shown: one mistyped century is not a thousand columns.
MOST_YEARS = 60


@dataclass(frozen=True)
class Bar:
    """What the quotes of one name come to, and which share of all that is."""

    name: str
    total: Decimal
    quotes: int
    share: Decimal


@dataclass(frozen=True)
class Whole:
    """All quotes together; the days are those of the first and the last, None where there is none."""

    total: Decimal
    quotes: int
    first: date | None
    last: date | None


@dataclass(frozen=True)
class Ranking:
    """The largest, the rest as one, and how many names that and all are."""

    bars: Sequence[Bar]
    rest: Bar | None
    rest_names: int
    names: int


@dataclass(frozen=True)
class Period:
    """The quotes of a month or a year, first and last day included."""

    first: date
    last: date
    total: Decimal
    quotes: int


def add_up(months: Sequence[Mapping[str, Any]]) -> Whole:
    """All that is in the answer to `Filters.ask_months`, to the last digit."""
    return Whole(
        sum((row["total_cost"] for row in months), Decimal(0)),
        sum(int(row["quotes"]) for row in months),
        min((row["first_quote_date"] for row in months), default=None),
        max((row["last_quote_date"] for row in months), default=None),
    )


def rank(rows: Sequence[Mapping[str, Any]], whole: Whole) -> Ranking:
    """The answer to `Filters.ask_largest`."""
    bars = [_bar(row["name"], row["total_cost"], int(row["quotes"]), whole.total) for row in rows]
    names = int(rows[0]["all_names"]) if rows else 0
    rest_total = whole.total - sum((bar.total for bar in bars), Decimal(0))
    rest_quotes = whole.quotes - sum(bar.quotes for bar in bars)
    rest = _bar("", rest_total, rest_quotes, whole.total) if names > len(bars) else None
    return Ranking(bars, rest, names - len(bars), names)


def _bar(name: str, total: Decimal, quotes: int, of_all: Decimal) -> Bar:
    return Bar(name, total, quotes, total / of_all if of_all else Decimal(0))


def spread(rows: Iterable[Mapping[str, Any]]) -> tuple[str, list[Period]]:
    """The answer to `Filters.ask_months`, as `month` or `year` and a period for each.

    A period without quotes is among them, unless the quotes span more years than a chart can show.
    """
    months = {row["name"]: (row["total_cost"], int(row["quotes"])) for row in rows}
    if not months:
        return "year", []
    first, last = min(months), max(months)
    grain = "month" if _months_between(first, last) < MOST_MONTHS else "year"
    sums: dict[date, tuple[Decimal, int]] = dict.fromkeys(_starts(grain, first, last), (Decimal(0), 0))
    for month, (cost, quotes) in months.items():
        start = _start(grain, month)
        total, count = sums.get(start, (Decimal(0), 0))
        sums[start] = (total + cost, count + quotes)
    return grain, [Period(start, _end(grain, start), *sums[start]) for start in sorted(sums)]


def _months_between(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


def _starts(grain: str, first: date, last: date) -> list[date]:
    if grain == "month":
        months = range(_months_between(first, last) + 1)
        counts = [first.month - 1 + month for month in months]
        return [date(first.year + count // 12, count % 12 + 1, 1) for count in counts]
    years = range(first.year, last.year + 1)
    return [date(year, 1, 1) for year in years] if len(years) <= MOST_YEARS else []


def _start(grain: str, day: date) -> date:
    return day.replace(day=1) if grain == "month" else date(day.year, 1, 1)


def _end(grain: str, start: date) -> date:
    month = start.month if grain == "month" else 12
    return date(start.year, month, monthrange(start.year, month)[1])
