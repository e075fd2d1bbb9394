"""The report: what its figures, tables and exports say of the quotes that are trusted."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from room.report import Whole, add_up, rank, spread
from tests.bigquery.world import quote, source
from tests.functions.control_room.world import World

VENDOR = Path(__file__).parents[3] / "functions/control_room/room/static/vendor"
HOSTILE = "=1+1<script>alert(1)</script>"

QUOTES = [
    ("S-1", "TA-1", date(2012, 12, 31), "1000.000000000000000001"),
    ("S-1", "TA-2", date(2013, 1, 1), "200.02"),
    ("S-2", "TA-1", date(2013, 7, 4), "30.3"),
    ("S-2", "TA-3", date(2013, 12, 31), "4.004999999999999999"),
    ("S-3", "TA-1", date(2017, 1, 1), "0.5"),
]


@pytest.fixture
def quoted(world: World) -> Iterator[World]:
    """The world with `QUOTES` in trusted."""
    write(world, QUOTES)
    yield world
    world.ask("DELETE FROM trusted.price_quote WHERE TRUE")


def write(world: World, quotes: list[tuple[str, str, date, str]]) -> None:
    rows = [
        quote(cost, source("ab" * 16, row=row), supplier=supplier, tube_assembly_id=assembly, quote_date=day)
        for row, (supplier, assembly, day, cost) in enumerate(quotes)
    ]
    world.write("trusted.price_quote", rows)


def figures(page: str) -> list[str]:
    """What stands in the row of figures."""
    return re.findall(r"<dd[^>]*>([^<]*)</dd>", page)


def tables(page: str) -> list[list[list[str]]]:
    """The cells of the body and foot of each table."""
    found = []
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        rows = re.findall(r"<tr.*?</tr>", table.partition("</thead>")[2], re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
        found.append([[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells])
    return found


def exported(world: World, by: str, arguments: str = "") -> list[list[str]]:
    text = world.client().get(f"/report.csv?by={by}{arguments}").data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


CASES = {
    "": ["1,234.82", "5", "3", "3", "Dec 31, 2012", "Jan 1, 2017"],
    "supplier=S-2": ["34.30", "2", "1", "2", "Jul 4, 2013", "Dec 31, 2013"],
    "from=2013-01-01&to=2013-12-31": ["234.32", "3", "2", "3", "Jan 1, 2013", "Dec 31, 2013"],
    "from=2013-07-04&to=2013-07-04": ["30.30", "1", "1", "1", "Jul 4, 2013", "Jul 4, 2013"],
    "supplier=S-1&from=2013-01-01": ["200.02", "1", "1", "1", "Jan 1, 2013", "Jan 1, 2013"],
    "supplier=&from=&to=": ["1,234.82", "5", "3", "3", "Dec 31, 2012", "Jan 1, 2017"],
}


def test_the_figures_are_of_the_quotes_that_are_asked_for(quoted: World) -> None:
    shown = {arguments: figures(quoted.show(f"/report?{arguments}")) for arguments in CASES}
    assert shown == CASES


def test_without_filters_the_report_says_what_the_report_marts_say(quoted: World) -> None:
    (total,) = quoted.ask("SELECT total_cost, quotes FROM marts.report_total")
    sums = [
        (sum(Decimal(row[1]) for row in rows), sum(int(row[2]) for row in rows))
        for by in ("supplier", "tube_assembly", "month")
        for rows in [exported(quoted, by)[1:]]
    ]
    assert sums == [(total["total_cost"], total["quotes"])] * 3
    assert sums[0][0] == Decimal("1234.825000000000000000")
    for by, column in (("supplier", "supplier"), ("tube_assembly", "tube_assembly_id")):
        mart = quoted.ask(f"SELECT * FROM marts.report_cost_by_{by} ORDER BY total_cost DESC, {column}")
        assert [(name, Decimal(cost), int(count)) for name, cost, count in exported(quoted, by)[1:]] == [
            (row[column], row["total_cost"], row["quotes"]) for row in mart
        ]


def test_an_export_keeps_every_digit_and_the_filters(quoted: World) -> None:
    assert exported(quoted, "supplier") == [
        ["supplier", "total_cost", "quotes"],
        ["S-1", "1200.020000000000000001", "2"],
        ["S-2", "34.304999999999999999", "2"],
        ["S-3", "0.5", "1"],
    ]
    assert exported(quoted, "month", "&supplier=S-2") == [
        ["month", "total_cost", "quotes"],
        ["2013-07-01", "30.3", "1"],
        ["2013-12-01", "4.004999999999999999", "1"],
    ]


def test_the_tables_have_what_the_charts_draw(quoted: World) -> None:
    by_year, by_supplier, by_assembly = tables(quoted.show("/report"))
    assert by_year == [
        ["2012", "1,000.00", "1"],
        ["2013", "234.32", "3"],
        ["2014", "0.00", "0"],
        ["2015", "0.00", "0"],
        ["2016", "0.00", "0"],
        ["2017", "0.50", "1"],
        ["All together", "1,234.82", "5"],
    ]
    assert by_supplier == [
        ["S-1", "1,200.02", "97.2%", "2"],
        ["S-2", "34.30", "2.8%", "2"],
        ["S-3", "0.50", "0.0%", "1"],
        ["All together", "1,234.82", "100.0%", "5"],
    ]
    assert by_assembly[0] == ["TA-1", "1,030.80", "83.5%", "3"]
    by_month, *_ = tables(quoted.show("/report?from=2013-01-01&to=2013-12-31", language="pt"))
    assert by_month[0] == ["jan. de 2013", "200,02", "1"]
    assert (len(by_month), by_month[-1]) == (13, ["Total", "234,32", "3"])


def test_what_is_beyond_the_largest_is_one_row_of_the_rest(world: World) -> None:
    write(world, [(f"S-{i}", f"TA-{i}", date(2020, 1, 1), str(100 - i)) for i in range(18)])
    page = world.show("/report")
    world.ask("DELETE FROM trusted.price_quote WHERE TRUE")
    _, by_supplier, _ = tables(page)
    assert len(by_supplier) == 17
    assert by_supplier[-2:] == [
        ["The other 3", "252.00", "15.3%", "3"],
        ["All together", "1,647.00", "100.0%", "18"],
    ]
    assert "The 15 largest of 18" in page


def test_a_suppliers_name_is_shown_as_text_and_exported_as_text(world: World) -> None:
    write(world, [(HOSTILE, HOSTILE, date(2013, 5, 1), "1")])
    page = world.show("/report")
    exports = [exported(world, by)[1][0] for by in ("supplier", "tube_assembly")]
    world.ask("DELETE FROM trusted.price_quote WHERE TRUE")
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert exports == [f"'{HOSTILE}"] * 2


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/report?from=yesterday", "Expected a day such as 2013-07-31"),
        ("/report?to=2013-13-01", "Expected a day such as 2013-07-31"),
        ("/report?from=2013-02-02&to=2013-02-01", "a first day that is not after the last"),
        (f"/report?supplier={'S' * 2049}", "expected at most 2,048 characters"),
        ("/report.csv?by=cost", "supplier, tube_assembly, month"),
        ("/report.csv", "supplier, tube_assembly, month"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(world: World, address: str, said: str) -> None:
    assert said in world.show(address, status=400)


def test_a_report_of_nothing_says_what_to_do(world: World) -> None:
    none, filtered = world.show("/report"), world.show("/report?supplier=S-%3Cb%3E9")
    assert "There are no trusted quotes yet" in none
    assert "No trusted quote is of this supplier" in filtered
    assert '<option value="S-&lt;b&gt;9" selected>' in filtered
    assert "data-chart" not in none + filtered


MAY = ("2013-05-01", "2013-05-31", 1)
JANUARY, MARCH = ("2012-01-01", "2012-01-31", 1), ("2012-03-01", "2012-03-31", 1)
LEAP = ("2012-02-01", "2012-02-29", 0)


def year(number: int, quotes: int) -> tuple[str, str, int]:
    return f"{number}-01-01", f"{number}-12-31", quotes


@pytest.mark.parametrize(
    ("days", "grain", "periods"),
    [
        ([], "year", []),
        ([(2013, 5)], "month", [MAY]),
        ([(2012, 1), (2012, 3)], "month", [JANUARY, LEAP, MARCH]),
        ([(2010, 1), (2012, 12)], "month", 36),
        ([(2010, 1), (2013, 1)], "year", [year(2010, 1), year(2011, 0), year(2012, 0), year(2013, 1)]),
        ([(2013, 1), (2013, 6), (9999, 12)], "year", [year(2013, 2), year(9999, 1)]),
    ],
)
def test_time_has_no_gaps_and_few_columns(days: list[tuple[int, int]], grain: str, periods: Any) -> None:
    rows = [{"name": date(*month, 1), "total_cost": Decimal(1), "quotes": 1} for month in days]
    found_grain, found = spread(rows)
    assert found_grain == grain
    if isinstance(periods, int):
        assert len(found) == periods
    else:
        assert [(str(one.first), str(one.last), one.quotes) for one in found] == periods
    assert sum(one.total for one in found) == len(days)


def test_quotes_that_come_to_nothing_have_no_share() -> None:
    # Counts that were added come back as NUMERIC from some engines.
    row = {"name": "S-1", "total_cost": Decimal(0), "quotes": Decimal(2), "all_names": Decimal(1)}
    days = {"first_quote_date": date(2013, 1, 1), "last_quote_date": date(2013, 1, 2)}
    whole = add_up([row | days])
    ranking = rank([row], whole)
    assert whole == Whole(Decimal(0), 2, date(2013, 1, 1), date(2013, 1, 2))
    assert (ranking.bars[0].share, ranking.names, ranking.rest) == (Decimal(0), 1, None)


def test_vendored_files_are_what_was_published() -> None:
    """The changed file is, with its one change undone, the published one."""
    vendored = json.loads((VENDOR / "vendor.json").read_text())
    for one in vendored:
        content = (VENDOR / one["file"]).read_bytes().decode()
        change = one.get("changed")
        if change:
            assert content.count(change["here"]) == 1
            content = content.replace(change["here"], change["published"])
        assert hashlib.sha256(content.encode()).hexdigest() == one["sha256"], one["file"]
        assert one["version"] in one["file"]
        assert "Redistribution and use" in (VENDOR / one["licence_file"]).read_text()
    known = {name for one in vendored for name in (one["file"], one["licence_file"])} | {"vendor.json"}
    assert {path.name for path in VENDOR.iterdir()} == known
