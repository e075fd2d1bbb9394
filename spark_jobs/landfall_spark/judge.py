"""Judge records by the contract: each is accepted, or rejected with every reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landfall_spark import casting, constraints, protection, strings
from landfall_spark.column import Column
from landfall_spark.header import Layout
from landfall_spark.pipeline import Pipeline, Rule
from landfall_spark.records import Block, Torn
from landfall_spark.strings import Mask
from landfall_spark.token_key import TokenKey

BAD_ENCODING = "bad_encoding"
BAD_TYPE = "bad_type"
NULL_IN_REQUIRED = "null_in_required"

MAX_VALUE = 1000
# Undecodable bytes become U+FFFD; a NUL in a text is damage too.
_DAMAGE = ("\ufffd", "\0")


@dataclass(frozen=True)
class Reason:
    """Why a record is rejected. `value` is bounded, and masked where personal; `detail` holds none."""

    code: str
    column: str | None = None
    value: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Judged:
    """What became of a block's whole records, by their place in it.

    `accepted` has the columns of raw. `found` says for each quality rule which accepted rows it is about.
    """

    accepted: pa.RecordBatch
    accepted_index: NDArray[np.int64]
    rejected: list[tuple[int, list[Reason]]]
    found: dict[str, Mask] = field(default_factory=dict)


@dataclass(frozen=True)
class _Finding:
    """One reason of many rows: `detail` is what was expected of the column."""

    code: str
    column: Column
    rows: NDArray[np.int64]
    detail: str


def judge(block: Block, layout: Layout, contract: Pipeline, key: TokenKey | None) -> Judged:
    """Judge the block's whole records; the torn ones have their reasons by `torn_reasons`."""
    rows = len(block.rows)
    texts = [None if position is None else block.fields[position] for position in layout.positions]
    typed: dict[str, pa.Array] = {}
    findings: list[_Finding] = []
    for text, column in zip(texts, contract.columns, strict=True):
        typed[column.name], found = _judge_column(text, column, contract, block, rows)
        findings += found
    rejected = _gather(findings, dict(zip(typed, texts, strict=True)), block, contract)
    sound = np.ones(rows, np.bool_)
    sound[list(rejected)] = False
    if rejected:
        typed = {name: values.filter(pa.array(sound)) for name, values in typed.items()}
    return Judged(
        accepted=_shape(typed, contract, key),
        accepted_index=np.flatnonzero(sound).astype(np.int64),
        rejected=sorted(rejected.items()),
        found={
            rule.name: _ABOUT[rule.metric](rule, typed) for rule in contract.quality if rule.metric in _ABOUT
        },
    )


def torn_reasons(torn: Torn, contract: Pipeline) -> list[Reason]:
    """Say why a torn record is rejected. Fields that cannot be told apart are not judged one by one."""
    reasons = [Reason(torn.code, detail=torn.detail)]
    return [*reasons, _bad_encoding(contract)] if torn.damaged else reasons


def _judge_column(
    text: pa.StringArray | None, column: Column, contract: Pipeline, block: Block, rows: int
) -> tuple[pa.Array, list[_Finding]]:
    """Return the column's values, null where there is none or none that fits, and what was found."""
    if text is None:
        null, damaged = np.ones(rows, np.bool_), np.zeros(rows, np.bool_)
        values = pa.nulls(rows, column.arrow_type)
    else:
        null = strings.view(text).equals_any(contract.format.null_tokens)
        damaged = _find_damaged(text, block)
        values = _cast(text, null, column)
    found = [(BAD_ENCODING, _expect_encoding(contract), damaged)]
    if column.required:
        found.append((NULL_IN_REQUIRED, "expected a value, found none", null & ~damaged))
    if values.null_count:
        found.append((BAD_TYPE, casting.describe(column), ~strings.present(values) & ~null & ~damaged))
    found += [(code, detail, mask & ~damaged) for code, detail, mask in constraints.check(values, column)]
    return values, [
        _Finding(code, column, np.flatnonzero(mask).astype(np.int64), detail)
        for code, detail, mask in found
        if mask.any()
    ]


def _cast(text: pa.StringArray, null: Mask, column: Column) -> pa.Array:
    if not null.any():
        return casting.cast(text, column)
    return strings.scatter(casting.cast(text.filter(pa.array(~null)), column), ~null)


def _find_damaged(text: pa.StringArray, block: Block) -> Mask:
    """Tell in which damaged records this field shows the damage."""
    damaged = np.zeros(len(text), np.bool_)
    rows = np.flatnonzero(block.damaged)
    if len(rows):
        fields = text.take(pa.array(rows)).to_pylist()
        damaged[rows] = [any(mark in field for mark in _DAMAGE) for field in fields]
    return damaged


def _gather(
    findings: list[_Finding], texts: Mapping[str, pa.StringArray | None], block: Block, contract: Pipeline
) -> dict[int, list[Reason]]:
    """Bring together each row's reasons: of the whole record first, then in the order of the columns."""
    told = {row for finding in findings if finding.code == BAD_ENCODING for row in finding.rows.tolist()}
    untold = [row for row in np.flatnonzero(block.damaged).tolist() if row not in told]
    rejected = {row: [_bad_encoding(contract)] for row in untold}
    for finding in findings:
        for row, reason in _explain(finding, texts[finding.column.name]):
            rejected.setdefault(row, []).append(reason)
    return rejected


def _explain(finding: _Finding, text: pa.StringArray | None) -> Iterator[tuple[int, Reason]]:
    column, rows = finding.column, finding.rows.tolist()
    if column.personal or text is None:
        reason = Reason(finding.code, column.name, None if text is None else protection.MASK, finding.detail)
        yield from ((row, reason) for row in rows)
        return
    for row, value in zip(rows, text.take(pa.array(finding.rows)).to_pylist(), strict=True):
        yield row, Reason(finding.code, column.name, value[:MAX_VALUE], finding.detail)


def _bad_encoding(contract: Pipeline) -> Reason:
    return Reason(BAD_ENCODING, detail=_expect_encoding(contract))


def _expect_encoding(contract: Pipeline) -> str:
    return f"expected {contract.format.encoding} without NUL, found damaged text"


def _shape(typed: Mapping[str, pa.Array], contract: Pipeline, key: TokenKey | None) -> pa.RecordBatch:
    kept = [column for column in contract.columns if not column.dropped]
    return pa.RecordBatch.from_arrays(
        [protection.protect(typed[column.name], column, key) for column in kept],
        names=[column.name for column in kept],
    )


def _find_null(rule: Rule, typed: Mapping[str, pa.Array]) -> Mask:
    mask = np.zeros(len(typed[rule.columns[0]]), np.bool_)
    for name in rule.columns:
        mask |= ~strings.present(typed[name])
    return mask


def _find_invalid(rule: Rule, typed: Mapping[str, pa.Array]) -> Mask:
    values = typed[rule.columns[0]]
    return strings.to_mask(constraints.is_invalid(values, rule.valid_values, rule.pattern))


_ABOUT = {"nullValues": _find_null, "invalidValues": _find_invalid}
