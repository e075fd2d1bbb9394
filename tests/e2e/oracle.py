"""What trusted must hold, computed from the dropped files alone, by another engine than the pipeline's."""

import csv
import json
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
DUCKDB_TYPES = {
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "STRING": "VARCHAR",
}


def _pipeline(dataset: str) -> dict[str, list[dict[str, object]]]:
    path = ROOT / "bigquery" / "datasets" / dataset / "pipeline.json"
    loaded: dict[str, list[dict[str, object]]] = json.loads(path.read_text())
    return loaded


def _sql_type(column: dict[str, object]) -> str:
    if column["type"] in ("NUMERIC", "BIGNUMERIC"):
        return f"DECIMAL({column['precision']}, {column['scale']})"
    return DUCKDB_TYPES[str(column["type"])]


def differences(dataset: str, oldest_first: list[Path], trusted_csv: str, scratch: Path) -> dict[str, int]:
    """Compare trusted, as `landfall query --csv` prints it, with the files: the last one to name a key wins.

    Returns the number of rows on either side, and of those that stand on one side only.
    """
    pipeline = _pipeline(dataset)
    columns = pipeline["columns"]
    names = [str(column["name"]) for column in columns]
    key = ", ".join(str(name) for name in pipeline["key"])
    rows = [
        (order, number, *(None if row[name] in ("", "NA") else row[name] for name in names))
        for order, path in enumerate(oldest_first)
        for number, row in enumerate(csv.DictReader(path.open(newline="")))
    ]
    database = duckdb.connect()
    declared = ", ".join(f"{name} VARCHAR" for name in names)
    database.execute(f"CREATE TABLE dropped (file_order INT, row_order INT, {declared})")
    text = scratch / f"{dataset}.dropped.csv"
    with text.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    database.execute(f"COPY dropped FROM '{text}' (FORMAT csv, HEADER false, NULLSTR '')")
    found = scratch / f"{dataset}.trusted.csv"
    found.write_text(trusted_csv)
    typed = ", ".join(
        f"CAST({column['name']} AS {_sql_type(column)}) AS {column['name']}" for column in columns
    )
    database.execute(
        f"CREATE TABLE expected AS SELECT {typed} FROM (SELECT * FROM dropped "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY file_order DESC, row_order DESC) = 1)"
    )
    database.execute(
        f"CREATE TABLE trusted AS SELECT {typed} "
        f"FROM read_csv('{found}', all_varchar = true, header = true, nullstr = '')"
    )

    def count(sql: str) -> int:
        (number,) = database.execute(f"SELECT COUNT(*) FROM ({sql})").fetchall()[0]
        return int(number)

    return {
        "expected": count("FROM expected"),
        "trusted": count("FROM trusted"),
        "missing": count("FROM expected EXCEPT ALL FROM trusted"),
        "unexpected": count("FROM trusted EXCEPT ALL FROM expected"),
    }
