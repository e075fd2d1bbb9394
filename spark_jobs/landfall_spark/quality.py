"""The contract's quality rules: what was found in the batch's accepted rows, against each threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from landfall_spark.pipeline import Rule

DUPLICATES = "duplicateValues"
ROWS = "rowCount"

_OPERATORS: Mapping[str, Callable[[float, Sequence[float]], bool]] = {
    "mustBe": lambda found, limit: found == limit[0],
    "mustNotBe": lambda found, limit: found != limit[0],
    "mustBeGreaterThan": lambda found, limit: found > limit[0],
    "mustBeGreaterOrEqualTo": lambda found, limit: found >= limit[0],
    "mustBeLessThan": lambda found, limit: found < limit[0],
    "mustBeLessOrEqualTo": lambda found, limit: found <= limit[0],
    "mustBeBetween": lambda found, limit: limit[0] <= found <= limit[1],
    "mustNotBeBetween": lambda found, limit: not limit[0] <= found <= limit[1],
}


def evaluate(
    rules: Sequence[Rule], total: int, counted: Mapping[str, int], duplicates: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return each rule's answer for metrics.json.

    `total` are the accepted rows; `counted` and `duplicates` are the rows that a rule, by name, is about, as
    the tasks and as Spark SQL found them. A share of no rows is 0.
    """
    found = {**counted, **duplicates}
    return [_answer(rule, total if rule.metric == ROWS else found.get(rule.name, 0), total) for rule in rules]


def _answer(rule: Rule, rows: int, total: int) -> dict[str, Any]:
    number: float = rows
    if rule.unit == "percent":
        number = 100 * rows / total if total else 0
    return {
        "rule": rule.name,
        "metric": rule.metric,
        "columns": list(rule.columns),
        "severity": rule.severity,
        "operator": rule.operator,
        "threshold": list(rule.threshold),
        "unit": rule.unit,
        "found": number,
        "total": total,
        "passed": _OPERATORS[rule.operator](number, rule.threshold),
    }


def count_duplicates(session: SparkSession, accepted: str, rules: Sequence[Rule]) -> dict[str, int]:
    """Count, by rule, the rows of the batch whose values another row before them has; a null is no value."""
    found: dict[str, int] = {}
    for rule in rules:
        if rule.metric != DUPLICATES:
            continue
        columns = [sf.col(f"`{name}`") for name in rule.columns]
        filled = reduce(and_, [column.isNotNull() for column in columns])
        groups = (
            session.read.parquet(accepted).filter(filled).groupBy(*columns).agg(sf.count("*").alias("rows"))
        )
        (row,) = groups.agg(sf.sum(sf.col("rows") - 1)).collect()
        found[rule.name] = row[0] or 0
    return found
