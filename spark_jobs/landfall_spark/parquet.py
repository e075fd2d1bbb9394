"""Write a task's Parquet, and read back what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from landfall_spark import storage

# Of Arrow's memory: what a writer holds back before it encodes it. Larger groups compress little better.
ROW_GROUP_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class FileRows:
    """Rows of one source file, as found in Parquet: how many, and the sum of their numbers."""

    rows: int = 0
    numbers: int = 0

    def __add__(self, other: FileRows) -> FileRows:
        return FileRows(self.rows + other.rows, self.numbers + other.numbers)


@dataclass
class Writer:
    """One Parquet file, made when its first row comes; the same batches make the same bytes."""

    uri: str
    _held: list[pa.RecordBatch] = field(default_factory=list)
    _held_bytes: int = 0
    _sink: pa.NativeFile | None = None
    _file: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; they are encoded when enough of them are together."""
        if batch.num_rows == 0:
            return
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> bool:
        """Complete the file; tells whether there is one, for without rows there is none."""
        self._flush()
        if self._file is None or self._sink is None:
            return False
        self._file.close()
        self._sink.close()
        return True

    def count_rows(self, prefix: str) -> dict[tuple[str, int], FileRows]:
        """Read the complete file again, and count its rows by source; `prefix` is that of lineage's names."""
        uri, generation, number = (f"{prefix}_{name}" for name in ("uri", "generation", "row"))
        found: dict[tuple[str, int], FileRows] = {}
        for table in self._read_groups([uri, generation, number]):
            grouped = table.group_by([uri, generation]).aggregate([(number, "count"), (number, "sum")])
            for row in grouped.to_pylist():
                identity = row[uri], row[generation]
                rows = FileRows(row[f"{number}_count"], row[f"{number}_sum"])
                found[identity] = found.get(identity, FileRows()) + rows
        return found

    def _read_groups(self, columns: list[str]) -> Iterator[pa.Table]:
        if self._file is None:
            return
        with storage.open_input(self.uri) as source, pq.ParquetFile(source) as file:
            for index in range(file.num_row_groups):
                yield file.read_row_group(index, columns=columns, use_threads=False)

    def _flush(self) -> None:
        if not self._held:
            return
        table = pa.Table.from_batches(self._held).unify_dictionaries()
        self._held, self._held_bytes = [], 0
        if self._file is None:
            self._sink = storage.open_output(self.uri)
            # Without Arrow's own schema a reader sees strings, not the dictionaries that lineage comes in.
            self._file = pq.ParquetWriter(
                self._sink,
                table.schema,
                compression="zstd",
                use_dictionary=[column.name for column in table.schema if _repeats(column)],
                # Nobody looks for a few rows in these files: they are loaded whole.
                write_statistics=False,
                store_schema=False,
            )
        self._file.write_table(table, row_group_size=table.num_rows)


def _repeats(column: pa.Field) -> bool:
    """Tell whether a column's values may come again: a dictionary of what does not is built for nothing."""
    return not (pa.types.is_decimal(column.type) or column.name.endswith("source_row"))
