import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from localcloud.command.query import write_csv, write_json, write_table

COLUMNS = [
    ("name", "STRING"),
    ("cost", "BIGNUMERIC"),
    ("on", "DATE"),
    ("at", "TIMESTAMP"),
    ("tags", "RECORD"),
]
ROWS: list[list[Any]] = [
    [
        'a, "b"',
        Decimal("405860.816111877671902"),
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, tzinfo=UTC),
        [{"k": True}],
    ],
    ["", Decimal("1E-18"), None, None, []],
]


def written(
    writer: Callable[[Sequence[tuple[str, str]], Iterable[Sequence[Any]], io.StringIO], None],
    rows: Iterable[Sequence[Any]],
    columns: Sequence[tuple[str, str]] = COLUMNS,
) -> str:
    out = io.StringIO()
    writer(columns, rows, out)
    return out.getvalue()


def test_csv_has_its_header_first_and_decimals_in_full() -> None:
    assert written(write_csv, ROWS).splitlines() == [
        "name,cost,on,at,tags",
        '"a, ""b""",405860.816111877671902,2026-01-02,2026-01-02T03:00:00+00:00,"[{""k"": true}]"',
        '"",0.000000000000000001,,,[]',
    ]


def test_csv_tells_an_empty_string_from_null_and_keeps_line_ends() -> None:
    columns = [("a", "STRING"), ("b, c", "STRING")]
    text = written(write_csv, [["", None], [None, ""], ["x\ry", "1\n2"]], columns)
    assert text == 'a,"b, c"\n"",\n,""\n"x\ry","1\n2"\n'
    with duckdb.connect() as database:
        read = database.read_csv(io.StringIO(text), header=True, all_varchar=True, allow_quoted_nulls=False)
        assert read.fetchall() == [("", None), (None, ""), ("x\ry", "1\n2")]


def test_json_is_an_array_of_objects_with_decimals_as_text() -> None:
    rows = json.loads(written(write_json, ROWS))
    assert rows[0]["cost"] == "405860.816111877671902"
    assert rows[0]["tags"] == [{"k": True}]
    assert rows[1] == {"name": "", "cost": "0.000000000000000001", "on": None, "at": None, "tags": []}


def test_json_of_no_rows_is_an_empty_array() -> None:
    assert json.loads(written(write_json, [])) == []


def test_a_table_aligns_and_counts() -> None:
    columns = [("name", "STRING"), ("n", "INTEGER")]
    assert written(write_table, [["ab", 1], [None, 200]], columns) == (
        "name    n\n----  ---\nab      1\nNULL  200\n(2 rows)\n"
    )


def test_a_statement_without_rows_says_so() -> None:
    assert written(write_table, [], []) == "done; no rows to show\n"


def test_rows_are_written_as_they_come() -> None:
    """A million rows must not be held: the source is never asked far ahead of what is written."""
    out, asked = io.StringIO(), 0

    def source() -> Iterable[list[int]]:
        nonlocal asked
        for number in range(5000):
            asked += 1
            assert asked <= out.getvalue().count("\n") + 1001
            yield [number]

    write_table([("n", "INTEGER")], source(), out)
    assert out.getvalue().endswith("(5000 rows)\n")


def test_what_takes_two_places_on_a_terminal_keeps_the_columns_in_line() -> None:
    rows: list[list[Any]] = [["日本", 1], ["ab", 20]]
    text = written(write_table, rows, [("name", "STRING"), ("rows", "INT64")])
    assert text.splitlines()[2:4] == ["日本     1", "ab      20"]
