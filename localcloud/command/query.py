"""`landfall query`: SQL to BigQuery, rows to standard output as they come."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from typing import Any, TextIO

from rich.cells import cell_len

from localcloud.command.terminal import harmless
from localcloud.deployment.bigquery import in_its_words
from localcloud.deployment.deployment import Deployment

_MEASURED = 1000  # rows that decide the widths of a table's columns
_WIDEST = 60
_TO_QUOTE = re.compile(r'[",\r\n]')


def query(deployment: Deployment, sql: str, form: str) -> int:
    """Run one statement or script and print its rows; an error of the SQL is a CommandError."""
    with in_its_words():
        result = deployment.bigquery().run(sql)
        columns = [(field.name, field.field_type) for field in result.schema]
        rows = (list(row.values()) for row in result)
        writers = {"table": write_table, "csv": write_csv, "json": write_json}
        writers[form](columns, rows, sys.stdout)
    return 0


Columns = Sequence[tuple[str, str]]  # name and type


def write_csv(columns: Columns, rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Header first; NULL is an empty field, an empty string is quoted. A terminal gets no control code."""
    # By hand: `csv` of Python 3.11 cannot tell an empty string from NULL.
    for row in chain([[name for name, _ in columns]], rows):
        out.write(",".join(_field(value, out.isatty()) for value in row) + "\n")


def _field(value: Any, for_terminal: bool) -> str:
    if value is None:
        return ""
    text = harmless(render(value)) if for_terminal else render(value)
    return '"' + text.replace('"', '""') + '"' if not text or _TO_QUOTE.search(text) else text


def write_json(columns: Columns, rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """One array of objects, a row a line; decimals are strings, so that no reader rounds them."""
    separator = "["
    for row in rows:
        record = {name: to_json(value) for (name, _), value in zip(columns, row, strict=True)}
        out.write(separator + json.dumps(record, ensure_ascii=out.isatty()))
        separator = ",\n "
    out.write("[]\n" if separator == "[" else "]\n")


def write_table(columns: Columns, rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Aligned columns; numbers to the right, NULL in words. Later rows may be wider than the first 1000."""
    if not columns:
        out.write("done; no rows to show\n")
        return
    texts: Iterator[list[str]] = (
        ["NULL" if value is None else harmless(render(value)).replace("\n", "⏎") for value in row]
        for row in rows
    )
    head = list(islice(texts, _MEASURED))
    widths = [
        max([len(name), *(min(cell_len(row[index]), _WIDEST) for row in head)])
        for index, (name, _) in enumerate(columns)
    ]
    numbers = [
        kind in ("INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC") for _, kind in columns
    ]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, number in zip(cells, widths, numbers, strict=True):
            # A terminal gives some characters two places.
            blank = " " * (width - cell_len(cell))
            padded.append(blank + cell if number else cell + blank)
        return "  ".join(padded).rstrip() + "\n"

    out.write(line([name for name, _ in columns]))
    out.write(line(["-" * width for width in widths]))
    count = 0
    for row in chain(head, texts):
        out.write(line(row))
        count += 1
    out.write(f"({count} row{'' if count == 1 else 's'})\n")


def render(value: Any) -> str:
    """One value as text: decimals in full digits, never in scientific notation."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    plain = to_json(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, (dict, list)) else str(plain)


def to_json(value: Any) -> Any:
    """One value as JSON has it."""
    match value:
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case dict():
            return {name: to_json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [to_json(inner) for inner in value]
        case _:
            return value
