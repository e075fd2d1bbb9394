"""What Cloud Logging makes of an entry by a plan's log-based metrics, as far as they use its languages."""

import re
from dataclasses import dataclass
from typing import Any

import duckdb

from tests.terraform.plan import Plan, Values, instances


@dataclass(frozen=True)
class Entry:
    """A log entry: the type of its resource, its log's id, the text, and labels."""

    resource: str
    log: str
    text: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Point:
    """What a metric makes of one entry: its labels, and the value of a distribution (None of a counter)."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float | None


def metrics(plan: Plan) -> dict[str, Values]:
    """The log-based metrics of a plan by name."""
    return {values["name"]: values for values in instances(plan, "google_logging_metric.metric").values()}


def points(plan: Plan, entry: Entry) -> set[Point]:
    """Every point that the entry adds to a metric."""
    return {
        Point(name, _labels(metric, entry), _value(metric, entry))
        for name, metric in metrics(plan).items()
        if matches(metric["filter"], entry)
    }


def matches(expression: str, entry: Entry) -> bool:
    """Whether a filter takes an entry; raises ValueError for what is not understood here."""
    return all(_holds(term.strip(), entry) for term in expression.split(" AND "))


def _holds(term: str, entry: Entry) -> bool:
    if term.startswith("(") and term.endswith(")"):
        return any(_holds(one.strip(), entry) for one in term[1:-1].split(" OR "))
    if found := re.fullmatch(r'log_id\("([^"\\]+)"\)', term):
        return entry.log == found[1]
    if found := re.fullmatch(r'resource\.type="([^"\\]+)"', term):
        return entry.resource == found[1]
    if found := re.fullmatch(r'textPayload:"([^"\\]+)"', term):
        # Has, whatever the case.
        return found[1].lower() in entry.text.lower()
    if found := re.fullmatch(r'textPayload=~"([^"\\]+)"', term):
        return _extract(found[1], entry.text, group=0) != ""
    if found := re.fullmatch(r"labels\.([a-z_]+):\*", term):
        return found[1] in entry.labels
    raise ValueError(f"expected a term that is understood here, found {term!r}")


def _labels(metric: Values, entry: Entry) -> tuple[tuple[str, str], ...]:
    extractors = metric["label_extractors"] or {}
    return tuple(sorted((label, _extracted(extractor, entry)) for label, extractor in extractors.items()))


def _value(metric: Values, entry: Entry) -> float | None:
    return float(_extracted(metric["value_extractor"], entry)) if metric["value_extractor"] else None


def _extracted(extractor: str, entry: Entry) -> str:
    if found := re.fullmatch(r'REGEXP_EXTRACT\(textPayload, "([^"\\]+)"\)', extractor):
        return _extract(found[1], entry.text, group=1)
    if found := re.fullmatch(r"EXTRACT\(labels\.([a-z_]+)\)", extractor):
        return entry.labels.get(found[1], "")
    raise ValueError(f"expected an extractor that is understood here, found {extractor!r}")


def _extract(pattern: str, text: str, group: int) -> str:
    """By RE2, which is also Cloud Logging's: DuckDB has it."""
    row: tuple[Any, ...] | None = duckdb.execute(
        "SELECT regexp_extract(?, ?, ?)", [text, pattern, group]
    ).fetchone()
    assert row is not None
    return str(row[0])
