"""Rejected rows: which are shown, what is told of them, and that the export is the ledger."""

import csv
import io
import re
import sys
import unicodedata
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient

from room import export, rejected_questions, withheld
from room.visible import visible
from tests.bigquery.world import NOON
from tests.functions.control_room.hostile import assert_inert, read_html, unspelt
from tests.functions.control_room.world import (
    LANDING,
    World,
    batch,
    batch_id,
    file,
    open_batch,
    rejected_row,
)

URI = f"gs://{LANDING}/price_quote/a.csv"


def _reason(code: str = "bad_type", column: str | None = "cost", value: str | None = "x") -> dict[str, Any]:
    return {"code": code, "column": column, "value": value, "detail": "expected a number"}


def _rows(page: str) -> list[str]:
    """The texts of the rows that a page shows, in its order."""
    found = re.findall(r'<td class="text">(?:<code class="raw">(.*?)</code>)?', page, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", one)) for one in found]


def _lines(client: FlaskClient, query: str = "") -> list[dict[str, str]]:
    """The lines of an export."""
    answer = client.get(f"/rejected.csv{query}")
    assert answer.status_code == 200
    csv.field_size_limit(2_000_000)
    text = answer.data.decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline=""), strict=True))


@pytest.fixture
def some_rows(world: World) -> World:
    """Rows of two datasets, four files and five batches: the second a replay of the first, the fifth open."""
    both = [_reason(), _reason("null_in_required", "supplier", None)]
    world.record(
        batch("price_quote", 1, minutes_ago=60),
        batch("price_quote", 2, replay=f"{URI}#1"),
        batch("comp_boss", 3),
        batch("price_quote", 4, minutes_ago=5),
    )
    world.record_files(
        file("price_quote", 4, minutes_ago=5),
        file("price_quote", 6, minutes_ago=2, source_generation=4, state="superseded"),
        file("price_quote", 1, minutes_ago=60),
        file("price_quote", 2, source_generation=1),
        file("comp_boss", 3, "c.csv"),
    )
    world.reject(
        rejected_row("price_quote", 1, 1, minutes_ago=60, raw="gone", reasons=[_reason()]),
        rejected_row("price_quote", 2, 2, source_generation=1, raw="both", reasons=both),
        rejected_row("price_quote", 2, 3, source_generation=1, raw="one", reasons=[_reason()]),
        rejected_row(
            "price_quote", 4, 4, minutes_ago=5, raw="late", reasons=[_reason("ragged_row", None, None)]
        ),
        # A batch that has not ended reads the file of the first two again, and another for the first time.
        rejected_row("price_quote", 5, 2, minutes_ago=1, source_generation=1, raw="open"),
        rejected_row("price_quote", 5, 1, minutes_ago=1, raw="open too"),
        rejected_row("comp_boss", 3, 5, source_uri=f"gs://{LANDING}/comp_boss/c.csv", raw="boss"),
    )
    return world


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["late", "boss", "both", "one"]),
        ({"dataset": "price_quote"}, ["late", "both", "one"]),
        ({"batch": batch_id(1)}, ["gone"]),
        ({"dataset": "price_quote", "batch": batch_id(2)}, ["both", "one"]),
        ({"file": f"gs://{LANDING}/comp_boss/c.csv"}, ["boss"]),
        ({"file": URI}, ["late", "both", "one"]),
        ({"file": URI, "generation": 4}, ["late"]),
        ({"file": URI, "generation": 1}, ["both", "one"]),
        ({"file": URI, "generation": 5}, []),
        ({"batch": batch_id(5)}, ["open", "open too"]),
        ({"batch": batch_id(5), "file": URI, "generation": 1}, ["open"]),
        ({"reason": "null_in_required"}, ["both"]),
        ({"reason": "bad_type", "column": "cost"}, ["both", "one"]),
        ({"reason": "null_in_required", "column": "cost"}, []),
        ({"column": "quantity"}, ["boss"]),
        ({"column": "' OR TRUE --"}, []),
        ({"dataset": "bank_statement"}, []),
    ],
)
def test_a_page_and_its_export_have_the_rows_that_are_chosen(
    some_rows: World, query: dict[str, Any], found: list[str]
) -> None:
    address = f"?{urlencode(query)}"
    assert _rows(some_rows.show(f"/rejected{address}")) == found
    lines = _lines(some_rows.client(), address)
    assert list(dict.fromkeys(line["raw"] for line in lines)) == found


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("dataset=nothing", 404),
        ("reason=nothing", 404),
        ("batch=1234", 400),
        (f"batch={'G' * 32}", 400),
        ("generation=-1", 400),
        ("page=0", 400),
        (f"column={'x' * 301}", 400),
    ],
)
def test_what_is_not_expected_is_refused(world: World, query: str, status: int) -> None:
    for page in ("rejected", "rejected.csv"):
        if (page, query) != ("rejected.csv", "page=0"):
            world.show(f"/{page}?{query}", status=status)


def test_reasons_are_counted_and_lead_to_their_rows(some_rows: World) -> None:
    page = some_rows.show("/rejected?dataset=price_quote&reason=ragged_row")
    panel = page.split('<ul class="reasons">')[1].split("</ul>")[0]
    shown = re.findall(
        r'<a href="([^"]*)"[^>]*>\s*<span>(.*?)</span>\s*<span class="n">(\d+)', panel, re.DOTALL
    )
    told = [(unescape(re.sub("<[^>]*>", "", text)), int(count)) for _, text, count in shown]
    assert told == [
        ("not of the column's type · cost", 2),
        ("empty, but required · supplier", 1),
        ("another number of fields than the header", 1),
    ]
    arguments = [parse_qs(urlsplit(unescape(address)).query) for address, _, _ in shown]
    assert [(one["reason"], one.get("column")) for one in arguments] == [
        (["bad_type"], ["cost"]),
        (["null_in_required"], ["supplier"]),
        (["ragged_row"], None),
    ]
    assert 'aria-current="true"' in panel.split("</li>")[2]


def test_pages_have_every_row_once(world: World) -> None:
    world.record_rejected(*(rejected_row("price_quote", 1, row, raw=str(row)) for row in range(1, 104)))
    pages = [_rows(world.show(f"/rejected?page={page}")) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 50, 3]
    assert [row for page in pages for row in page] == [str(row) for row in range(1, 104)]
    assert "103 rows" in world.show("/rejected")
    assert "103 linhas" in world.show("/rejected", "pt")


def test_rows_of_a_file_in_a_divided_batch_count_once(world: World) -> None:
    """The parts have the parent's time of claim, and the parent has no files in the ledger."""
    names = {"a.csv": 2, "b.csv": 3}
    world.record(batch("price_quote", 1, state="divided"), *(batch("price_quote", n) for n in names.values()))
    for name, part in names.items():
        fields = {"source_uri": f"gs://{LANDING}/price_quote/{name}", "source_generation": 7}
        world.record_files(file("price_quote", part, name, source_generation=7))
        world.reject(*(rejected_row("price_quote", n, raw=f"{name} {n}", **fields) for n in (1, part)))
    assert _rows(world.show("/rejected")) == ["a.csv 2", "b.csv 3"]
    assert _rows(world.show(f"/rejected?batch={batch_id(1)}")) == ["a.csv 1", "b.csv 1"]


def test_a_replay_that_was_given_up_changes_nothing(world: World) -> None:
    world.record(
        batch("price_quote", 1, minutes_ago=60),
        batch("price_quote", 2, state="failed", replay=f"{URI}#1"),
    )
    world.record_files(file("price_quote", 1, minutes_ago=60))
    world.reject(
        rejected_row("price_quote", 1, minutes_ago=60, raw="stands"),
        rejected_row("price_quote", 2, source_generation=1, raw="given up"),
    )
    assert _rows(world.show("/rejected")) == ["stands"]


_OLD = 100 * 24 * 60  # minutes


@pytest.mark.parametrize(
    ("known", "minutes_ago", "found"),
    [
        ("ledger", _OLD, True),
        ("journal", _OLD, True),
        ("ledger", 10, True),
        ("nowhere", 10, True),
        ("nowhere", _OLD, False),
    ],
)
def test_of_a_batch_the_days_around_its_claim_are_read(
    world: World, known: str, minutes_ago: int, found: bool
) -> None:
    if known == "ledger":
        world.record(batch("price_quote", 1, minutes_ago=minutes_ago))
    elif known == "journal":
        world.open_journal("price_quote", open_batch("price_quote", 1, minutes_ago))
    world.reject(rejected_row("price_quote", 1, minutes_ago=minutes_ago, raw="one"))
    if known != "nowhere":
        # No batch has rows of other days: that they are not found shows that those were not read.
        days = (minutes_ago + number * 24 * 60 for number in (-3, 3))
        world.reject(*(rejected_row("price_quote", 1, 2, minutes_ago=minutes) for minutes in days))
    rows = ["one"] if found else []
    address = f"?batch={batch_id(1)}"
    page = world.show(f"/rejected{address}")
    assert _rows(page) == rows
    assert [line["raw"] for line in _lines(world.client(), address)] == rows


def test_old_rows_are_those_of_a_batch_alone(world: World) -> None:
    world.record(batch("price_quote", 1, minutes_ago=_OLD))
    world.reject(rejected_row("price_quote", 1, minutes_ago=_OLD, raw="old"))
    assert _rows(world.show("/rejected")) == []
    assert _rows(world.show(f"/rejected?batch={batch_id(1)}")) == ["old"]
    assert "Of the last 90 days" in world.show("/rejected")


def test_what_to_do_has_the_very_command(some_rows: World) -> None:
    page = some_rows.show(f"/rejected?dataset=price_quote&batch={batch_id(2)}")
    assert f"landfall --env test rejects price_quote --batch {batch_id(2)[:12]} --csv rows.csv" in page
    assert "landfall --env test drop --wait --dataset price_quote rows.csv" in page
    some_rows.open(environment="local")
    assert ">landfall rejects price_quote --csv rows.csv<" in some_rows.show("/rejected?dataset=price_quote")


def test_a_refused_batch_is_corrected_as_a_whole(world: World) -> None:
    world.record(batch("price_quote", 1, state="rejected"), batch("price_quote", 2))
    world.reject(rejected_row("price_quote", 1), rejected_row("price_quote", 2))
    refused = "This batch was refused as a whole"
    assert refused in world.show(f"/rejected?batch={batch_id(1)}")
    assert refused not in world.show(f"/rejected?batch={batch_id(2)}")


@pytest.mark.parametrize(
    ("state", "counts"),
    [("succeeded", True), ("rejected", True), (None, False), ("failed", False), ("divided", False)],
)
def test_of_a_batch_is_said_that_its_rows_do_not_count(world: World, state: str | None, counts: bool) -> None:
    if state:
        world.record(batch("price_quote", 1, state=state))
    world.reject(rejected_row("price_quote", 1, raw="one"))
    for language, words in (("en", "These rows do not count"), ("pt", "Estas linhas não contam")):
        page = world.show(f"/rejected?batch={batch_id(1)}", language)
        assert _rows(page) == ["one"]
        assert (words not in page) is counts


def test_nothing_rejected_is_good_news_and_a_filter_is_not(world: World) -> None:
    assert "Nothing was rejected" in world.show("/rejected")
    assert "No rejected row matches" in world.show("/rejected?dataset=price_quote")
    assert _lines(world.client()) == []


HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "javascript:alert(1)",
    "{{7*7}}{% raw %}",
    "=1+1",
    "+1",
    "-5,abc",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\n=1",
    "＝1",
    "'=already",
    "''-twice",
    "'quoted'",
    'a,"b",c',
    "two\r\nlines\nand three",
    "\x00nul\x1b[31mred\x07",
    "\u202egnp\u2066x\u2069",
    "\ufeffmark",
    "ção \U0001f600 مرحبا",
    " spaces ",
    "",
)


def test_the_export_is_the_ledger_cell_by_cell(world: World) -> None:
    names = ("code", "column", "value", "detail")
    for number, text in enumerate(HOSTILE, 1):
        reasons = [dict.fromkeys(names, text), _reason(value=None)]
        name = f"gs://{LANDING}/price_quote/{text}.csv"
        world.record_rejected(
            rejected_row("price_quote", number, number, source_uri=name, raw=text, reasons=reasons)
        )
    world.record_rejected(rejected_row("price_quote", 99, 99, raw=None, text_offset=None, text_bytes=None))
    expected = [
        (
            row["dataset"],
            row["batch_id"],
            row["ingested_at"],
            f"{row['source_uri']}#{row['source_generation']}",
            *(row[name] for name in ("source_row", "text_offset", "text_bytes")),
            *(reason[name] or "" for name in names),
            row["raw"] or "",
        )
        for row in world.ask("SELECT * FROM ops.rejected_rows")
        for reason in row["reasons"]
    ]
    lines = _lines(world.client())
    numbers = ("source_row", "text_offset", "text_bytes")
    found = [
        (
            line["dataset"],
            line["batch_id"],
            datetime.fromisoformat(line["ingested_at"]),
            export.restore(line["file"]),
            *(int(line[name]) if line[name] else None for name in numbers),
            *(export.restore(line[name]) for name in (*names, "raw")),
        )
        for line in lines
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert len(found) == 2 * len(HOSTILE) + 1
    cells = [cell for line in lines for name, cell in line.items() if name not in numbers]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_row_is_shown_whole_and_inert(world: World, text: str) -> None:
    reasons = [{"code": text, "column": text, "value": text, "detail": text}]
    world.record_rejected(rejected_row("price_quote", 1, raw=text, reasons=reasons))
    seen = read_html(world.show("/rejected"))
    assert_inert(seen)
    assert text.replace("\r", "") in unspelt(seen.text).replace("\r", "")


def test_every_character_that_cannot_be_seen_is_spelt_out() -> None:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    missed = []
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        is_blank = unicodedata.category(character) == "Zs" and character != " "
        if (unicodedata.category(character) in hidden or is_blank) and "odd" not in visible(character):
            missed.append(f"U+{code:04X}")
    assert missed == []
    assert visible("a<b") == "<bdi>a&lt;b</bdi>"
    assert visible(None) == ""


def test_a_long_row_is_cut_on_the_page_and_whole_in_the_export(world: World) -> None:
    text = "x" * 1_000_000
    world.record_rejected(rejected_row("price_quote", 1, raw=text))
    page = world.show("/rejected")
    assert _rows(page) == ["x" * rejected_questions.SHOWN]
    assert "The first 2,000 of 1,000,000 characters" in page
    assert len(page) < 20_000
    assert _lines(world.client())[0]["raw"] == text


def test_a_row_without_a_text_says_why(world: World) -> None:
    world.record_rejected(rejected_row("price_quote", 1, raw=None))
    assert "Not kept" in world.show("/rejected")


SECRET = "a secret of the treasury"


@pytest.mark.parametrize("query", ["", "?dataset=bank_statement", f"?batch={batch_id(1)}"])
def test_what_only_some_may_read_is_withheld(world: World, query: str) -> None:
    reason = {"code": "out_of_range", "column": "canal", "value": SECRET, "detail": "expected at most 1"}
    world.record_rejected(rejected_row("bank_statement", 1, raw=f"1;{SECRET}", reasons=[reason]))
    world.record_rejected(rejected_row("price_quote", 2, raw="for all"))
    for language, words in (("en", "Withheld: "), ("pt", "Não exibido: ")):
        page = world.show(f"/rejected{query}", language)
        assert SECRET not in page
        assert page.count(words) == 1
        assert "expected at most 1" in page and ">canal<" in re.sub("</?bdi>", "", page)
    lines = {line["dataset"]: line for line in _lines(world.client(), query)}
    told = lines["bank_statement"]
    assert (told["code"], told["column"], told["detail"]) == ("out_of_range", "canal", "expected at most 1")
    assert SECRET not in "".join(told.values())
    if not query:
        assert "for all" in page and lines["price_quote"]["raw"] == "for all"


@pytest.mark.parametrize(
    ("classification", "row_filter", "expected"),
    [
        ("internal", None, False),
        ("confidential", None, False),
        ("personal", None, False),
        ("restricted", None, True),
        ("internal", "canal IS NOT NULL", True),
    ],
)
def test_a_dataset_is_fenced_by_its_columns_or_its_roles(
    classification: str, row_filter: str | None, expected: bool
) -> None:
    columns = [{"classification": "public"}, {"classification": classification}]
    document = {"columns": columns, "roles": [{"row_filter": None}, {"row_filter": row_filter}]}
    assert withheld.is_fenced(document) is expected
    row = {"dataset": "d", "raw": "text", "reasons": []}
    assert [one["is_withheld"] for one in withheld.withhold([row], {"d": document})] == [expected]
    assert [one["raw"] for one in withheld.withhold([row], {})] == [None]
    assert row["raw"] == "text"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "rejected.csv"),
        (f"?dataset=price_quote&batch={batch_id(1)}", f"rejected_price_quote_{batch_id(1)[:12]}.csv"),
        ("?reason=bad_type&column=%22%0d%0aX:%20y&file=%22", "rejected_bad_type.csv"),
    ],
)
def test_the_name_of_an_export_is_made_of_harmless_parts(world: World, query: str, name: str) -> None:
    answer = world.client().get(f"/rejected.csv{query}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_export_ends_where_the_page_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("room.rejected_questions", "room.pages.rejected"):
        monkeypatch.setattr(f"{module}.MOST_EXPORTED", 3)
    world.record_rejected(*(rejected_row("price_quote", 1, row) for row in range(1, 6)))
    assert "ends after the newest 3 rows" in world.show("/rejected")
    assert [line["source_row"] for line in _lines(world.client())] == ["1", "2", "3"]


def test_an_export_is_made_while_it_is_sent() -> None:
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for number in range(1000):
            taken = number
            yield rejected_row("price_quote", 1, number, raw="x" * 10_000, ingested_at=NOON)

    pieces = export.write_csv(rows())
    assert len(next(pieces)) < 200_000
    assert taken < 20
    assert sum(len(piece) for piece in pieces) > 9_000_000


def test_rows_of_the_day_of_a_cached_page_stay_the_same_question() -> None:
    first, later = (rejected_questions.recent(NOON + timedelta(minutes=minutes)) for minutes in (0, 7))
    assert first == later
