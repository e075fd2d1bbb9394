"""The rejected records of a block: what the judge found, records that are torn, and repeated keys. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landfall_spark.header import Layout
from landfall_spark.judge import Judged, Reason, torn_reasons
from landfall_spark.pipeline import Pipeline
from landfall_spark.protection import raw_text, torn_raw
from landfall_spark.records import Block

DUPLICATE_KEY = "duplicate_key_in_file"

# Of all records of a block, as Python objects, each takes a hundred times what Arrow takes.
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Rejected:
    """One record that is not accepted: its number, its place in the text in bytes, its raw text, and why."""

    row: int
    offset: int
    length: int
    raw: str | None
    reasons: Sequence[Reason]

    @property
    def codes(self) -> set[str]:
        """The codes of its reasons."""
        return {reason.code for reason in self.reasons}


def gather(judged: Judged, block: Block, layout: Layout, contract: Pipeline) -> Iterator[list[Rejected]]:
    """Yield the block's rejected records, in the order of the file, a bounded number at a time."""
    told = (
        Rejected(
            row=int(block.rows[index]),
            offset=int(block.offsets[index]),
            length=int(block.lengths[index]),
            raw=raw_text(block, index, layout, contract),
            reasons=reasons,
        )
        for index, reasons in judged.rejected
    )
    torn = (
        Rejected(one.row, one.offset, one.length, torn_raw(one, contract), torn_reasons(one, contract))
        for one in block.torn
    )
    found = heapq.merge(told, torn, key=lambda one: one.row)
    while some := list(itertools.islice(found, _AT_ONCE)):
        yield some


def reject_repeats(judged: Judged, rows: NDArray[np.int64], repeats: Mapping[int, int]) -> Judged:
    """Reject accepted records, of the numbers `rows`, whose key an earlier row has: `repeats` names both."""
    repeated = np.isin(rows, list(repeats))
    if not repeated.any():
        return judged
    added = [
        (int(index), [_repeats(repeats[int(row)])])
        for index, row in zip(judged.accepted_index[repeated], rows[repeated], strict=True)
    ]
    return Judged(
        accepted=judged.accepted.filter(pa.array(~repeated)),
        accepted_index=judged.accepted_index[~repeated],
        rejected=sorted([*judged.rejected, *added], key=lambda one: one[0]),
        found={rule: mask[~repeated] for rule, mask in judged.found.items()},
    )


def _repeats(first: int) -> Reason:
    return Reason(DUPLICATE_KEY, detail=f"expected each key once in a file, found that of row {first} again")
