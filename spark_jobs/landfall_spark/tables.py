"""The rows of the two outputs, as `raw.<dataset>` and `ops.rejected_rows` have them. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landfall_spark.manifest import Manifest, SourceFile
from landfall_spark.rejects import Rejected

INSTANT = pa.timestamp("us", tz="UTC")

LINEAGE = (
    "_batch_id",
    "_source_uri",
    "_source_generation",
    "_source_row",
    "_source_created_at",
    "_ingested_at",
)
_REASON = ("code", "column", "value", "detail")


def accepted_rows(
    columns: Mapping[str, pa.Array], numbers: NDArray[np.int64], manifest: Manifest, file: SourceFile
) -> pa.RecordBatch:
    """Return accepted rows: `columns`, then lineage."""
    rows = len(numbers)
    lineage = (
        constant(manifest.batch_id, pa.string(), rows),
        constant(file.uri, pa.string(), rows),
        constant(file.generation, pa.int64(), rows),
        pa.array(numbers, pa.int64()),
        constant(file.created_at, INSTANT, rows),
        constant(manifest.claimed_at, INSTANT, rows),
    )
    return pa.RecordBatch.from_pydict({**columns, **dict(zip(LINEAGE, lineage, strict=True))})


def rejected_rows(found: Sequence[Rejected], manifest: Manifest, file: SourceFile) -> pa.RecordBatch:
    """Return rejected rows, each with all its reasons."""
    rows = len(found)
    return pa.RecordBatch.from_pydict(
        {
            "dataset": constant(manifest.dataset, pa.string(), rows),
            "batch_id": constant(manifest.batch_id, pa.string(), rows),
            "source_uri": constant(file.uri, pa.string(), rows),
            "source_generation": constant(file.generation, pa.int64(), rows),
            "source_row": pa.array([one.row for one in found], pa.int64()),
            "raw": pa.array([one.raw for one in found], pa.string()),
            "reasons": _list_reasons(found),
            "ingested_at": constant(manifest.claimed_at, INSTANT, rows),
            "text_offset": pa.array([one.offset for one in found], pa.int64()),
            "text_bytes": pa.array([one.length for one in found], pa.int64()),
        }
    )


def constant(value: object, kind: pa.DataType, rows: int) -> pa.Array:
    """Return a column of one value; a text is held once."""
    if not pa.types.is_string(kind):
        return pa.repeat(pa.scalar(value, kind), rows)
    indices = pa.array(np.zeros(rows, np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], kind))


def _list_reasons(found: Sequence[Rejected]) -> pa.ListArray:
    reasons = [reason for one in found for reason in one.reasons]
    ends = list(itertools.accumulate((len(one.reasons) for one in found), initial=0))
    fields = [pa.array([getattr(reason, name) for reason in reasons], pa.string()) for name in _REASON]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.StructArray.from_arrays(fields, _REASON))
