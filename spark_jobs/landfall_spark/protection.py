"""Keep personal values from view: in accepted rows, in reasons, and in the raw text of rejected rows."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

import pyarrow as pa

from landfall_spark.column import Column, Protection
from landfall_spark.header import Layout
from landfall_spark.pipeline import Format, Pipeline
from landfall_spark.records import MAX_RAW, Block, Torn
from landfall_spark.token_key import TokenKey

MASK = "***"


def protect(values: pa.StringArray, column: Column, key: TokenKey | None) -> pa.Array:
    """Return what raw may hold in place of the values: each distinct one is turned once, null stays null."""
    if column.protection is None:
        return values
    turn = _turn(column.protection, key)
    distinct = values.dictionary_encode()
    turned = [None if value is None else turn(value) for value in distinct.dictionary.to_pylist()]
    return pa.array(turned, pa.string()).take(distinct.indices)


def raw_text(block: Block, index: int, layout: Layout, contract: Pipeline) -> str | None:
    """Return the text of a whole record as it may be kept; None where it is withheld.

    Beside personal columns the record is written anew: their fields, and those that no column of the contract
    has, are masked. A damaged record may hold them anywhere.
    """
    if not contract.personal:
        return block.raw(index)
    if block.damaged[index]:
        return None
    shown = {
        position
        for position, column in zip(layout.positions, contract.columns, strict=True)
        if position is not None and not column.personal
    }
    texts = [
        _field(block, index, position) if position in shown else MASK for position in range(layout.width)
    ]
    return _write(texts, contract.format)[:MAX_RAW]


def torn_raw(torn: Torn, contract: Pipeline) -> str | None:
    """Return the text of a torn record; None where it may hold a personal value, and is withheld."""
    return None if contract.personal else torn.raw


def _turn(protection: Protection, key: TokenKey | None) -> Callable[[str], str]:
    if protection.method == "hash":
        return lambda value: hashlib.sha256(value.encode()).hexdigest()
    if protection.method == "mask":
        return lambda value: MASK + _last(value, protection.keep_last)
    if key is None:
        raise ValueError("a column is tokenised, so there must be a token key")
    return lambda value: hmac.digest(key.content, value.encode(), "sha256").hex()


def _last(value: str, count: int) -> str:
    kept = min(count, len(value) // 2)
    return value[len(value) - kept :]


def _field(block: Block, index: int, position: int) -> str:
    array = block.fields[position]
    text: str = array[index].as_py() if array is not None else MASK
    return text


def _write(texts: Sequence[str], dialect: Format) -> str:
    return dialect.delimiter.join(_quote(text, dialect) for text in texts)


def _quote(text: str, dialect: Format) -> str:
    if dialect.escape is not None:
        text = text.replace(dialect.escape, dialect.escape * 2)
    if not text.startswith(dialect.quote) and not any(
        mark in text for mark in (dialect.delimiter, "\r", "\n")
    ):
        return text
    return dialect.quote + text.replace(dialect.quote, dialect.quote * 2) + dialect.quote
