"""BigQuery types as a contract writes them: `INT64`, `NUMERIC(12, 2)`, `BIGNUMERIC(38, 18)`."""

import re
from dataclasses import dataclass

from bigquery.renderer.problem import Problems

# The logicalType of the standard that agrees with each physicalType.
LOGICAL = {
    "STRING": "string",
    "INT64": "integer",
    "FLOAT64": "number",
    "NUMERIC": "number",
    "BIGNUMERIC": "number",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
}

_ALIASES = {
    "BIGDECIMAL": "BIGNUMERIC",
    "BOOLEAN": "BOOL",
    "DECIMAL": "NUMERIC",
    "DOUBLE": "FLOAT64",
    "FLOAT": "FLOAT64",
    "INT": "INT64",
    "INTEGER": "INT64",
    "TEXT": "STRING",
    "VARCHAR": "STRING",
}

_WRITTEN = re.compile(
    r"(?P<type>[A-Za-z0-9_]+)(?:\s*\(\s*(?P<precision>\d+)\s*(?:,\s*(?P<scale>\d+)\s*)?\))?"
)

# Digits before the point, and after it, that BigQuery holds.
_LIMITS = {"NUMERIC": (29, 9), "BIGNUMERIC": (38, 38)}

# The widest decimal of Spark and of Parquet files that Spark writes.
_SPARK_PRECISION = 38


@dataclass(frozen=True)
class ColumnType:
    """A type and, for decimals, its digits: `precision` in all, `scale` of them after the point."""

    name: str
    precision: int | None = None
    scale: int | None = None
    parameterised: bool = False


def read(written: str | None, path: str, problems: Problems) -> ColumnType | None:
    """The type that `written` names; None, and a problem noted at `path`, where it names none."""
    matched = _WRITTEN.fullmatch(written or "")
    name = matched["type"] if matched else None
    if not matched or name not in LOGICAL:
        upper = (name or "").upper()
        known = upper if upper in LOGICAL else _ALIASES.get(upper)
        remedy = (
            f"write {known}"
            if known
            else "write one of those types, NUMERIC and BIGNUMERIC with (precision, scale)"
        )
        problems.add(path, f"one of {', '.join(LOGICAL)}", written, remedy)
        return None
    if name in _LIMITS:
        return _decimal(name, matched["precision"], matched["scale"], path, problems)
    if matched["precision"]:
        problems.add(path, f"{name} without parameters", written, f"write {name}")
        return None
    return ColumnType(name)


def _decimal(
    name: str, precision: str | None, scale: str | None, path: str, problems: Problems
) -> ColumnType | None:
    if precision is None:
        if name == "BIGNUMERIC":
            expected = (
                "BIGNUMERIC with precision and scale, for Spark holds 38 digits and a plain BIGNUMERIC 76"
            )
            problems.add(
                path, expected, name, "write the digits that the data needs, such as BIGNUMERIC(38, 18)"
            )
            return None
        return ColumnType(name, 38, 9)
    digits, decimals = int(precision), int(scale or 0)
    whole, fraction = _LIMITS[name]
    widest = min(decimals + whole, _SPARK_PRECISION)
    if decimals > fraction or not max(1, decimals) <= digits <= widest:
        expected = f"{name} with a scale up to {fraction} and a precision up to scale + {whole}, at most 38"
        remedy = (
            "write BIGNUMERIC, which has 38 digits after the point"
            if name == "NUMERIC"
            else "write fewer digits"
        )
        problems.add(path, expected, f"{name}({digits}, {decimals})", remedy)
        return None
    return ColumnType(name, digits, decimals, parameterised=True)
