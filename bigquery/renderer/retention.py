"""Reads how many days each copy of the data is kept, and refuses what would be gone while it is needed."""

from collections.abc import Callable, Mapping
from math import ceil

from bigquery.renderer import custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Isolation, Retention
from bigquery.renderer.problem import Problems

LAKE_DAYS = 30

# The fewest days of each, for people who look into a batch; the field of the model beside it.
_FEWEST: Mapping[str, tuple[int, str]] = {
    "archiveDays": (30, "archive_days"),
    "rejectedDays": (7, "rejected_days"),
    "rawDays": (30, "raw_days"),
    "lakeDays": (7, "lake_days"),
}
# What a batch that is still open is read from, each time that it is tried.
_OF_OPEN_BATCHES = ("archiveDays", "rawDays", "lakeDays")


def read(found: Found | None, isolation: Isolation | None, problems: Problems) -> Retention | None:
    """The days of each copy, for ever where one is absent; of the lake LAKE_DAYS, or what isolation needs.

    None, and what is wrong noted, where a copy would be gone before a batch has been tried again as often,
    and with pauses as long, as `isolation` says.
    """
    pauses = ceil(isolation.runs * isolation.max_pause_seconds / 86_400) if isolation else 0
    paused = {name: pauses if name in _OF_OPEN_BATCHES else 0 for name in _FEWEST}
    checks = {name: _at_least(days, paused[name]) for name, (days, _) in _FEWEST.items()}
    fields = custom_properties.record(found, "retention", checks, problems) if found else {}
    if fields is None:
        return None
    days = {field: fields.get(name) for name, (_, field) in _FEWEST.items()}
    lake_days = days["lake_days"] or max(LAKE_DAYS, _FEWEST["lakeDays"][0] + pauses)
    return Retention(days["archive_days"], days["rejected_days"], days["raw_days"], lake_days)


def _at_least(days: int, pauses: int) -> Callable[[object], str | None]:
    """A check for `days` at least, and as many more as the batch may pause."""
    of_these = f" ({days}, and {pauses} for isolation's pauses)" if pauses else ""

    def check(value: object) -> str | None:
        expected = None if value is None else custom_properties.whole_number(days + pauses)(value)
        return expected and f"{expected}{of_these}"

    return check
