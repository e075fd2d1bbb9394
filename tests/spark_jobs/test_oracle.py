"""Valid tables, written by Python's csv module in several dialects, come back exactly."""

from __future__ import annotations

import csv
import gzip
import io
import random
import string
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.spark_jobs.batches import Place, stage

ROWS, FILES = 400, 12
PIPELINE: dict[str, Any] = {
    "version": 2,
    "dataset": "quotes",
    "format": {
        "type": "csv",
        "delimiter": ",",
        "quote": '"',
        "encoding": "UTF-8",
        "header": True,
        "null_tokens": ["", "NA"],
        "unknown_columns": "reject",
        "max_text_bytes": 1 << 30,
    },
    "columns": [
        {"name": "id", "type": "STRING", "required": True},
        {"name": "note", "type": "STRING", "required": False},
        {"name": "day", "type": "DATE", "required": False, "formats": ["%d/%m/%Y"]},
        {"name": "quantity", "type": "INT64", "required": True},
        {"name": "cost", "type": "BIGNUMERIC", "precision": 38, "scale": 18, "required": True},
        {"name": "paid", "type": "BOOL", "required": False, "true_tokens": ["Y"], "false_tokens": ["N"]},
    ],
    "duplicate_keys": "keep_last",
}
# Whatever a note may hold and a CSV writer has to protect.
ALPHABET = string.ascii_letters + " ,;'\"\n\t|\\" + "áß漢😀" + "\r"


def _row(rnd: random.Random, number: int) -> list[str]:
    note = "".join(rnd.choice(ALPHABET) for _ in range(rnd.randrange(12)))
    day = date(1900, 1, 1) + timedelta(days=rnd.randrange(60000))
    cost = f"{rnd.randrange(-(10**9), 10**9)}.{rnd.randrange(10**15)}"
    return [
        f"id-{number}",
        rnd.choice([note, "NA", ""]),
        rnd.choice([day.strftime("%d/%m/%Y"), "NA"]),
        str(rnd.randrange(-(2**63), 2**63)),
        cost,
        rnd.choice(["Y", "N", ""]),
    ]


def _write(rows: list[list[str]], line_end: str, quoting: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=quoting)
    writer.writerow([column["name"] for column in PIPELINE["columns"]])
    writer.writerows(rows)
    return text.getvalue().encode()


def _typed(rows: list[list[str]]) -> list[list[Any]]:
    """Type the rows by the contract, independently of the job."""
    return [
        [
            identity,
            None if note in ("", "NA") else note,
            None if day == "NA" else date(*(int(part) for part in reversed(day.split("/")))),
            int(quantity),
            Decimal(cost),
            {"Y": True, "N": False, "": None}[paid],
        ]
        for identity, note, day, quantity, cost, paid in rows
    ]


def test_every_valid_row_comes_out_as_it_was_written(place: Place) -> None:
    rnd = random.Random(20240229)  # noqa: S311 - a seed makes the same tables every time
    files: dict[str, bytes] = {}
    expected: dict[str, list[list[Any]]] = {}
    for index in range(FILES):
        rows = [_row(rnd, number) for number in range(ROWS)]
        content = _write(
            rows, "\r\n" if index % 2 else "\n", csv.QUOTE_ALL if index % 3 else csv.QUOTE_MINIMAL
        )
        name = f"{index:02}.csv.gz" if index % 4 == 0 else f"{index:02}.csv"
        files[name] = gzip.compress(content, mtime=0) if name.endswith("gz") else content
        expected[name] = _typed(rows)

    outcome = stage(place, PIPELINE, files, "oracle").run()

    found: dict[str, list[list[Any]]] = {name: [] for name in files}
    for row in outcome.accepted():
        rows_of_file = found[row["_source_uri"].rpartition("/")[2]]
        rows_of_file.append(list(row.values())[: len(PIPELINE["columns"])])
        assert row["_source_row"] == len(rows_of_file)
    assert outcome.rejected() == []
    assert found == expected
    assert outcome.metrics["rows_accepted"] == ROWS * FILES
