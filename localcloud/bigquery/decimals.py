"""Correction "decimals": NUMERIC and BIGNUMERIC work, are exact, and look as BigQuery prints them.

BigQuery: NUMERIC keeps 9 decimals, BIGNUMERIC 38; both may carry a precision and a scale; the JSON of a
result has no trailing zeros (``12``, ``0.5``, ``405860.816111877671902``).
bqemulator: asks DuckDB for DECIMAL(76, 38), which does not exist, so the table is a 500; a cast becomes
DECIMAL(18, 3) or (38, 5) and rounds in silence; every zero of the scale is printed.
Here: NUMERIC is DECIMAL(38, 9), BIGNUMERIC is DECIMAL(38, 18), in columns, casts, literals and parameters. A
scale over 18, and the limits of a parameterised type, are not kept.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import bqemulator.api.routes.tabledata as tabledata
import bqemulator.sql.parameters as parameters
import bqemulator.sql.rewriter.numeric_literals as numeric_literals
import bqemulator.storage.arrow_bridge as arrow_bridge
import bqemulator.storage.type_map as type_map
import pyarrow as pa
from bqemulator.sql.rules.numeric_types import ParseBignumericRule
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from localcloud.bigquery.seams import replace

NUMERIC = "DECIMAL(38, 9)"
BIGNUMERIC = "DECIMAL(38, 18)"


def apply() -> None:
    """Map the types of columns, casts, literals, parameters and streamed rows; render plainly."""
    type_map._BQ_TO_DUCKDB.update(BIGNUMERIC=BIGNUMERIC)
    parameters._BQ_SCALAR_TO_DUCKDB.update(BIGNUMERIC=BIGNUMERIC)
    transforms = DuckDB.Generator.TRANSFORMS
    transforms[exp.DataType] = _with_exact_decimals(transforms[exp.DataType])
    replace(numeric_literals, "_rewrite_bignumeric", _literal_of(numeric_literals._rewrite_bignumeric))
    replace(ParseBignumericRule, "rewrite", _parse)
    replace(tabledata, "_bq_type_to_arrow", _with_narrow_bignumeric(tabledata._bq_type_to_arrow))
    replace(
        arrow_bridge,
        "_BQ_TYPE_FORMATTERS",
        ((pa.types.is_decimal, _render), *arrow_bridge._BQ_TYPE_FORMATTERS),
    )


def plain(value: Decimal) -> str:
    """Write a decimal as BigQuery does: all digits, no exponent, no trailing zeros."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _render(value: Decimal, _type: pa.DataType, _field: pa.Field | None) -> str:
    return plain(value)


def _with_exact_decimals(original: Callable[..., str]) -> Callable[..., str]:
    bare = {exp.DType.DECIMAL: NUMERIC, exp.DType.BIGDECIMAL: BIGNUMERIC}

    def data_type(generator: Any, node: exp.DataType) -> str:
        return bare[node.this] if node.this in bare and not node.expressions else original(generator, node)

    return data_type


def _literal_of(original: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    def bignumeric(match: re.Match[str]) -> str:
        digits, decimals = numeric_literals._split_decimal_digits(match[2])
        return f"CAST('{match[2]}' AS {BIGNUMERIC})" if digits <= 20 and decimals <= 18 else original(match)

    return bignumeric


def _parse(_rule: ParseBignumericRule, node: exp.Expression) -> exp.Expression:
    return exp.Cast(this=node.this.copy(), to=exp.DataType.build(BIGNUMERIC))


def _with_narrow_bignumeric(original: Callable[[str], Any]) -> Callable[[str], Any]:
    def bq_type_to_arrow(bq_type: str) -> Any:
        return pa.decimal128(38, 18) if bq_type.upper() == "BIGNUMERIC" else original(bq_type)

    return bq_type_to_arrow
