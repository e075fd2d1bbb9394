"""What the warehouse must hold, computed by DuckDB from the bytes that were sent and from nothing else.

It shares no code with the pipeline: Python's csv module reads the files, DuckDB types them by the contract.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from tests.chaos import datasets
from tests.chaos.driver import Stored
from tests.chaos.scenario import LOADED, Put

Texts = Mapping[str, str | None]
LINEAGE = ("_source_uri", "_source_generation", "_source_row")
_SQL_TYPES = {"STRING": "VARCHAR", "INT64": "BIGINT", "BOOL": "BOOLEAN", "DATE": "DATE"}


@dataclass(frozen=True)
class Sent:
    """One generation that a sender uploaded; `gone` when it was overwritten or deleted by the sender."""

    stored: Stored
    put: Put
    gone: bool = False

    @property
    def dataset(self) -> str:
        return self.put.name.partition("/")[0]


@dataclass(frozen=True)
class Counts:
    """The records of a file: read, and how many of them fulfil the contract."""

    read: int
    accepted: int

    @property
    def rejected(self) -> int:
        return self.read - self.accepted


class Oracle:
    """A DuckDB with, for each dataset, the view `<dataset>_accepted`: every sound row of every file, typed.

    Its columns are the contract's and `LINEAGE`, and `created_at` of the file's generation.
    """

    def __init__(self, names: Iterable[str], sent: Sequence[Sent]) -> None:
        self.database = duckdb.connect()
        self.columns = {name: tuple(datasets.read(name)["columns"]) for name in names}
        self.keys = {name: tuple(datasets.read(name)["key"]) for name in names}
        for name, columns in self.columns.items():
            files = [one for one in sent if one.dataset == name and one.put.fate == LOADED]
            self._judge(name, columns, files, datasets.read(name)["format"]["null_tokens"])

    def counts(self, dataset: str) -> dict[str, Counts]:
        """By the identity of each readable file that has records, how many."""
        rows = self.database.execute(
            f"SELECT _source_uri || '#' || _source_generation, COUNT(*), COUNT(*) FILTER (sound) "
            f"FROM {dataset}_judged GROUP BY ALL"
        ).fetchall()
        return {identity: Counts(read, accepted) for identity, read, accepted in rows}

    def tell(self, table: str, rows: Sequence[Texts], types: Mapping[str, str]) -> None:
        """Make a table of what was found: rows of texts, cast to DuckDB's types by column."""
        self._texts(f"{table}_texts", rows, tuple(types))
        cast = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in types.items())
        self.database.execute(f"CREATE TABLE {table} AS SELECT {cast} FROM {table}_texts")

    def types(self, dataset: str) -> dict[str, str]:
        """The columns of `<dataset>_accepted` but for `created_at`, each with its type."""
        contract = {str(column["name"]): _sql_type(column) for column in self.columns[dataset]}
        return contract | dict(zip(LINEAGE, ("VARCHAR", "BIGINT", "BIGINT"), strict=True))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.execute(sql).fetchall()

    def _judge(
        self, dataset: str, columns: Sequence[Mapping[str, Any]], files: Sequence[Sent], nulls: Sequence[str]
    ) -> None:
        names = [str(column["name"]) for column in columns]
        records = [record for file in files for record in _records(file, names)]
        self._texts(f"{dataset}_sent", records, (*LINEAGE, "created_at", "torn", *names))
        null = ", ".join(f"'{token}'" for token in nulls)
        filled = ", ".join(
            f"CASE WHEN {name} IN ({null}) THEN NULL ELSE {name} END AS {name}" for name in names
        )
        typed = ", ".join(f"{_typed(column)} AS {column['name']}" for column in columns)
        sound = " AND ".join(["torn = 'no'", *(_sound(column) for column in columns)])
        self.database.execute(
            f"CREATE TABLE {dataset}_judged AS SELECT * EXCLUDE (torn), ({sound}) AS sound "
            f"FROM (SELECT * REPLACE ({filled}) FROM {dataset}_sent)"
        )
        self.database.execute(
            f"CREATE VIEW {dataset}_accepted AS SELECT {typed}, _source_uri, "
            "CAST(_source_generation AS BIGINT) AS _source_generation, "
            "CAST(_source_row AS BIGINT) AS _source_row, CAST(created_at AS TIMESTAMPTZ) AS created_at "
            f"FROM {dataset}_judged WHERE sound"
        )

    def _texts(self, table: str, rows: Sequence[Texts], names: Sequence[str]) -> None:
        schema = pa.schema([(name, pa.string()) for name in names])
        arrow = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema)
        self.database.register("given", arrow)
        self.database.execute(f"CREATE TABLE {table} AS SELECT * FROM given")
        self.database.unregister("given")


def _records(sent: Sent, names: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """The records of a file by column, all values as text; of a torn one nothing but its place."""
    content = gzip.decompress(sent.put.content) if sent.put.name.endswith(".gz") else sent.put.content
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = [name.strip().casefold() for name in next(reader)]
    for number, record in enumerate((record for record in reader if record), start=1):
        torn = len(record) != len(header)
        values: Mapping[str, str | None] = {} if torn else dict(zip(header, record, strict=True))
        yield {
            "_source_uri": sent.stored.uri,
            "_source_generation": str(sent.stored.generation),
            "_source_row": str(number),
            "created_at": sent.stored.created_at,
            "torn": "yes" if torn else "no",
            **{name: values.get(name) for name in names},
        }


def _sql_type(column: Mapping[str, Any]) -> str:
    if column["type"] in ("NUMERIC", "BIGNUMERIC"):
        return f"DECIMAL({column['precision']}, {column['scale']})"
    return _SQL_TYPES[column["type"]]


def _typed(column: Mapping[str, Any]) -> str:
    """The SQL of a value in its type, null where it is not of that type."""
    name = column["name"]
    match column["type"]:
        case "STRING":
            return str(name)
        case "BOOL":
            yes, no = ([f"'{token}'" for token in column[key]] for key in ("true_tokens", "false_tokens"))
            return (
                f"CASE WHEN {name} IN ({', '.join(yes)}) THEN true "
                f"WHEN {name} IN ({', '.join(no)}) THEN false END"
            )
        case "DATE":
            return f"CAST(TRY_STRPTIME({name}, '{column['formats'][0]}') AS DATE)"
        case "INT64":
            return f"CASE WHEN REGEXP_FULL_MATCH({name}, '-?[0-9]+') THEN TRY_CAST({name} AS BIGINT) END"
        case _:
            exact = f"-?[0-9]+([.][0-9]{{1,{column['scale']}}})?"
            decimal = f"TRY_CAST({name} AS {_sql_type(column)})"
            return f"CASE WHEN REGEXP_FULL_MATCH({name}, '{exact}') THEN {decimal} END"


def _sound(column: Mapping[str, Any]) -> str:
    """The SQL of whether the contract takes the value."""
    name = column["name"]
    typed = f"({_typed(column)}) IS NOT NULL"
    return typed if column["required"] else f"({name} IS NULL OR {typed})"
