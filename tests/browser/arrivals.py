"""Files of the datasets, brought into trusted as the pipeline does: Parquet, a load job, the procedure."""

import csv
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.bigquery.world import ROOT, Row, Warehouse, arrow_schema, source

#: The real files, which are no part of the project.
REAL = ROOT.parent / "shared" / "data" / "bvs"
_CASTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...] = (
    (pa.types.is_int64, int),
    (pa.types.is_boolean, lambda text: text == "Yes"),
    (pa.types.is_date32, date.fromisoformat),
    (pa.types.is_decimal, Decimal),
)


def load(warehouse: Warehouse, dataset: str, file: Path, batch: str, claimed: datetime) -> int:
    """Make every row of the file trusted; how many there were. The file must have no row to reject."""
    lineage = source(batch, claimed=claimed)
    rows = [{**row, **lineage, "_source_row": number} for number, row in enumerate(_read(dataset, file), 2)]
    warehouse.load(dataset, rows)
    warehouse.call(dataset, batch, len(rows), claimed.date())
    return len(rows)


def make_sample(folder: Path, dataset: str, rows: int, seed: int) -> Path:
    """A seeded sample file."""
    path = folder / f"{dataset}_{seed}.csv"
    command = ["-m", "samples", dataset, "--rows", str(rows), "--seed", str(seed), "--output", str(path)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    return path


def _read(dataset: str, file: Path) -> Iterator[Row]:
    fields = [field for field in arrow_schema(dataset) if not field.name.startswith("_")]
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield {field.name: _cast(row[field.name], field.type) for field in fields}


def _cast(text: str, kind: pa.DataType) -> Any:
    if text in ("", "NA"):
        return None
    return next((cast(text) for fits, cast in _CASTS if fits(kind)), text)
