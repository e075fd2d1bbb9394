"""Keys that a file repeats, found by Spark SQL in the accepted rows, and kept in files, not in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.window import Window

from landfall_spark import storage

# The first row of each range of a file, ascending, and the number of the task that reads it.
Places = tuple[list[int], list[int]]

_URI, _GENERATION, _ROW, _FIRST = "uri", "generation", "row", "first"


def find(session: SparkSession, accepted: str, key: Sequence[str], folder: str) -> None:
    """Write to `folder` every accepted row whose key stands in an earlier row of its file, and that row."""
    rows = session.read.parquet(accepted)
    same = Window.partitionBy("_source_uri", "_source_generation", *(f"`{name}`" for name in key))
    found = rows.select(
        sf.col("_source_uri").alias(_URI),
        sf.col("_source_generation").alias(_GENERATION),
        sf.col("_source_row").alias(_ROW),
        sf.min("_source_row").over(same).alias(_FIRST),
    )
    later = found.filter(sf.col(_ROW) > sf.col(_FIRST)).sort(_URI, _GENERATION, _ROW)
    later.write.mode("overwrite").parquet(folder)


def affected(folder: str, places: Mapping[tuple[str, int], Places]) -> set[int]:
    """Return the numbers of the tasks that hold a row of `folder`; `places` are those of each file."""
    tasks: set[int] = set()
    columns = [_URI, _GENERATION, _ROW]
    for batch in storage.open_dataset(folder).to_batches(columns=columns, use_threads=False):
        grouped = pa.Table.from_batches([batch]).group_by([_URI, _GENERATION]).aggregate([(_ROW, "distinct")])
        for group in grouped.to_pylist():
            starts, numbers = places[group[_URI], group[_GENERATION]]
            found = np.searchsorted(starts, group[f"{_ROW}_distinct"], side="right") - 1
            tasks |= {numbers[index] for index in np.unique(found)}
    return tasks


def repeated(folder: str, uri: str, generation: int, first_row: int, last_row: int) -> dict[int, int]:
    """Return a file's rows in a range that repeat a key, each with that key's first row."""
    mine = (ds.field(_URI) == uri) & (ds.field(_GENERATION) == generation)
    here = (ds.field(_ROW) >= first_row) & (ds.field(_ROW) <= last_row)
    # The files are sorted, so that their statistics spare all that lies elsewhere.
    table = storage.open_dataset(folder).to_table([_ROW, _FIRST], filter=mine & here, use_threads=False)
    return dict(zip(table[_ROW].to_pylist(), table[_FIRST].to_pylist(), strict=True))
