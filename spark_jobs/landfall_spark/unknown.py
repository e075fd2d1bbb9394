"""Columns that a contract does not know, kept in raw as JSON in one column, or as columns. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from landfall_spark.header import Layout
from landfall_spark.pipeline import Format, fold_name
from landfall_spark.records import Block

RESCUE, EVOLVE = "rescue", "evolve"
RESCUED = "_rescued"
# What BigQuery takes as the name of a column, and the beginnings that it keeps for itself.
MAX_NAME = 300
_RESERVED = re.compile(r"_TABLE_|_FILE_|_PARTITION|_ROW_TIMESTAMP|__ROOT__|_COLIDENTIFIER", re.IGNORECASE)


def name_new_columns(headers: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Return the column that `evolve` gives each header name, in order of first appearance.

    Names that compare as equal in headers share a column. Valid and unique, also against `taken`, without
    regard to case, as BigQuery compares them.
    """
    used = {name.casefold() for name in taken}
    columns: dict[str, str] = {}
    for header in headers:
        key = fold_name(header)
        if key not in columns:
            columns[key] = _unique(_valid(header), used)
    return columns


def columns(
    block: Block, index: NDArray[np.int64], layout: Layout, format_: Format, new_columns: Mapping[str, str]
) -> dict[str, pa.Array]:
    """Return what raw keeps, beside the contract's columns, of the records `index` of a block.

    The columns are the same for every file of the batch: null where a file lacks one. A column of its own has
    null for a null token; rescued text stays as it is.
    """
    if format_.unknown_columns not in (RESCUE, EVOLVE):
        return {}
    chosen = pa.array(index)
    texts = {
        name: field.take(chosen)
        for position, name in layout.unknown
        if (field := block.fields[position]) is not None
    }
    if format_.unknown_columns == RESCUE:
        return {RESCUED: rescue(texts, len(index))}
    tokens, null = pa.array(format_.null_tokens, pa.string()), pa.scalar(None, pa.string())
    known = {
        fold_name(name): pc.if_else(pc.is_in(values, tokens), null, values) for name, values in texts.items()
    }
    return {column: known.get(key, pa.nulls(len(index), pa.string())) for key, column in new_columns.items()}


def rescue(texts: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """Return a JSON object of name and text for each row; null where the file has no unknown column."""
    if not texts:
        return pa.nulls(rows, pa.string())
    parts: list[pa.Array | str] = []
    for number, (name, values) in enumerate(texts.items()):
        label = json.dumps(name.strip(), ensure_ascii=False)
        parts += [("{" if number == 0 else ", ") + label + ": ", _encode(values)]
    return pc.binary_join_element_wise(*parts, "}", "")


def _encode(values: pa.Array) -> pa.Array:
    """Return texts as JSON strings."""
    control = np.asarray(pc.match_substring_regex(values, r"[\x00-\x1f]").to_numpy(zero_copy_only=False))
    if control.any():
        return pa.array([json.dumps(text, ensure_ascii=False) for text in values.to_pylist()], pa.string())
    escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")


def _valid(header: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", unicodedata.normalize("NFC", header).strip())
    if _RESERVED.match(name):
        name = "column" + name
    return (name if re.match(r"[A-Za-z_]", name) else "_" + name)[:MAX_NAME]


def _unique(name: str, used: set[str]) -> str:
    found, number = name, 2
    while found.casefold() in used:
        suffix = f"_{number}"
        found, number = name[: MAX_NAME - len(suffix)] + suffix, number + 1
    used.add(found.casefold())
    return found
