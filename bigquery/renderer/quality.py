"""Reads the quality rules of a contract: measures of a batch's accepted rows, of the standard's library."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from open_data_contract_standard.model import DataQuality, SchemaObject

from bigquery.renderer import constraints, custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import DROP, MASK, Column, QualityRule
from bigquery.renderer.problem import Problems

SEVERITIES = {"error": "fail", "warning": "warn"}
UNITS = ("rows", "percent")
OPERATORS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)

# The metrics, each with where a rule of it stands.
METRICS = {
    "rowCount": ("the table",),
    "nullValues": ("the column",),
    "invalidValues": ("the column",),
    "duplicateValues": ("the table", "the column"),
}
_ARGUMENTS = {
    ("invalidValues", "the column"): ("validValues", "pattern"),
    ("duplicateValues", "the table"): ("properties",),
}

_NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")


@dataclass(frozen=True)
class _Place:
    """Where a rule stands: the table or a column (None where that one is not sound), and its path."""

    scope: str
    path: str
    column: Column | None = None


def read(table: SchemaObject, columns: Mapping[str, Column], problems: Problems) -> tuple[QualityRule, ...]:
    """The rules of the table and of its columns, which `columns` holds by name, in their order."""
    rules: dict[str, QualityRule] = {}
    for written, place in _written(table, columns):
        rule = _rule(written, place, columns, problems)
        if rule and rule.name in rules:
            problems.add(
                f"{place.path}.name", "a name that no other rule has", rule.name, "rename one of the two"
            )
        elif rule:
            rules[rule.name] = rule
    return tuple(rules.values())


def _written(table: SchemaObject, columns: Mapping[str, Column]) -> Iterator[tuple[DataQuality, _Place]]:
    for index, rule in enumerate(table.quality or []):
        yield rule, _Place("the table", f"schema[0].quality[{index}]")
    for place, entry in enumerate(table.properties or []):
        for index, rule in enumerate(entry.quality or []):
            path = f"schema[0].properties[{place}].quality[{index}]"
            yield rule, _Place("the column", path, columns.get(entry.name or ""))


def _rule(
    written: DataQuality, place: _Place, columns: Mapping[str, Column], problems: Problems
) -> QualityRule | None:
    if written.type == "text":
        return None  # a sentence for readers, as the standard has it
    if written.type not in (None, "library"):
        remedy = "write it with a metric of the library, or as type: text, which nothing checks"
        problems.add(f"{place.path}.type", "library or text", written.type, remedy)
        return None
    before = len(problems.found)
    _check_words(written, place, problems)
    arguments = _arguments(written, place, problems)
    measured = _measured(written, place, arguments, columns, problems)
    operator, threshold = _bounds(written, place, problems)
    if len(problems.found) > before:
        return None
    return QualityRule(
        name=written.name or "",
        metric=written.metric or "",
        columns=tuple(column.name for column in measured),
        operator=operator,
        threshold=threshold,
        unit=written.unit or UNITS[0],
        severity=SEVERITIES[written.severity or ""],
        valid_values=tuple(arguments.get("validValues", ())),
        pattern=arguments.get("pattern"),
    )


def _check_words(written: DataQuality, place: _Place, problems: Problems) -> None:
    if not _NAME.fullmatch(written.name or ""):
        expected = "a lower-case letter, then lower-case letters, digits and underscores, at most 128"
        problems.add(f"{place.path}.name", expected, written.name, "name the rule, for the ledger tells it")
    metrics = [metric for metric, scopes in METRICS.items() if place.scope in scopes]
    if written.metric not in metrics:
        expected = f"one of {', '.join(metrics)}, for a rule of {place.scope}"
        problems.add(f"{place.path}.metric", expected, written.metric, "write one, or move the rule")
    if written.severity not in SEVERITIES:
        remedy = "write error to have the batch refused, warning to have it recorded"
        problems.add(f"{place.path}.severity", " or ".join(SEVERITIES), written.severity, remedy)
    if written.unit not in (None, *UNITS) or (written.metric == "rowCount" and written.unit == "percent"):
        expected = "rows" if written.metric == "rowCount" else " or ".join(UNITS)
        problems.add(f"{place.path}.unit", expected, written.unit, f"write {expected}")


def _arguments(written: DataQuality, place: _Place, problems: Problems) -> dict[str, Any]:
    """The arguments that the metric takes and needs; those of a wrong shape are noted."""
    path = f"{place.path}.arguments"
    allowed = _ARGUMENTS.get((written.metric or "", place.scope), ())
    found = {name: Found(value, f"{path}.{name}") for name, value in (written.arguments or {}).items()}
    for name in found:
        if name not in allowed:
            expected = f"one of {', '.join(allowed)}" if allowed else f"no arguments for {written.metric}"
            problems.add(f"{path}.{name}", expected, name, f"remove {name}")
    given = [name for name in allowed if name in found]
    if allowed and len(given) != 1:
        problems.add(path, " or ".join(allowed), ", ".join(given) or None, "write one of them")
    sound: dict[str, Any] = {}
    for name in given:
        if name == "pattern":
            sound[name] = constraints.check_pattern(found[name].value, found[name].path, problems)
        else:
            sound[name] = custom_properties.texts(found[name], problems)
    return sound


def _measured(
    written: DataQuality,
    place: _Place,
    arguments: Mapping[str, Any],
    columns: Mapping[str, Column],
    problems: Problems,
) -> list[Column]:
    """The columns that the rule measures, each fit to be measured so."""
    names = arguments.get("properties", [place.column.name] if place.column else [])
    measured = []
    for name in names:
        column = columns.get(name)
        if column is None:
            path = f"{place.path}.arguments.properties"
            problems.add(path, "names of columns", name, f"write of {', '.join(columns)}")
        else:
            _check_measurable(written.metric or "", column, place.path, problems)
            measured.append(column)
    return measured


def _check_measurable(metric: str, column: Column, path: str, problems: Problems) -> None:
    """Rules see accepted rows as they are written, so a personal column only as it is protected."""
    method = column.protection.method if column.protection else ""
    if method == DROP:
        expected = "a column that is kept"
        problems.add(path, expected, f"{column.name}, protected by drop", "remove the rule")
    elif metric == "duplicateValues" and method == MASK:
        remedy = "protect it by tokenise, or remove the rule"
        problems.add(path, "a column whose values stay different", f"{column.name}, masked", remedy)
    elif metric == "invalidValues" and method:
        remedy = "write pattern in the column's logicalTypeOptions, which is checked before protection"
        problems.add(path, "a column that is not personal", f"{column.name}, protected by {method}", remedy)
    elif metric == "invalidValues" and column.type != "STRING":
        remedy = "write minimum and maximum in the column's logicalTypeOptions"
        problems.add(path, "a STRING column, for invalidValues", f"{column.name} {column.type}", remedy)


def _bounds(written: DataQuality, place: _Place, problems: Problems) -> tuple[str, tuple[int | float, ...]]:
    """The operator of the rule and its threshold."""
    given = [name for name in OPERATORS if getattr(written, name) is not None]
    if len(given) != 1:
        expected = f"one of {', '.join(OPERATORS)}"
        problems.add(place.path, expected, ", ".join(given) or None, "write what the measure must be")
        return "", ()
    operator = given[0]
    value = getattr(written, operator)
    threshold = tuple(value) if operator.endswith("Between") else (value,)
    most = 100 if written.unit == "percent" else math.inf
    sound = all(_is_number(number) and 0 <= number <= most for number in threshold)
    if not sound or any(low >= high for low, high in pairwise(threshold)):
        expected = "a percentage from 0 to 100" if most == 100 else "a number, 0 or more"
        expected += ", the smaller one first" if len(threshold) > 1 else ""
        problems.add(f"{place.path}.{operator}", expected, value, "write such a threshold")
    return operator, threshold


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
