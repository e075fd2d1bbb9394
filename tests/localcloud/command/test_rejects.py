import csv
import io
from pathlib import Path
from typing import Any

import pytest

from localcloud.command import rejects as subject
from localcloud.command.datasets import Dialect, read_dialect
from localcloud.launcher.errors import UsageError

ROOT = Path(__file__).parents[3]
DIALECT = Dialect(("id", "note"), ";", "UTF-8", header=True)
BATCHES = ["ab12" + "0" * 28, "ab34" + "0" * 28, "cd56" + "0" * 28]


def row(raw: str, *reasons: tuple[str, str | None, str | None, str | None]) -> dict[str, Any]:
    return {
        "source_uri": "gs://landing/orders/a b.csv",
        "source_generation": 1763688362123456,
        "source_row": 41,
        "raw": raw,
        "reasons": [dict(zip(("code", "column", "value", "detail"), one, strict=True)) for one in reasons],
    }


RAGGED = row("7", ("ragged_row", None, None, "expected 2 fields, found 1"))
TYPED = row(
    '=1+1;"a\r\nb"',
    ("bad_type", "id", "=1+1", "expected a whole number"),
    ("null_in_required", "note", "", "expected a value, found none"),
)


@pytest.mark.parametrize(
    ("raws", "expected"),
    [
        (["1;a"], b"id;note\n1;a\n"),
        (["7", '1;"a\r\nb;c"', "1;2;3"], b'id;note\n7\n1;"a\r\nb;c"\n1;2;3\n'),
        (['1;"never closed', "=1+1;é"], 'id;note\n1;"never closed\n=1+1;é\n'.encode()),
    ],
)
def test_rows_are_the_contracts_header_and_the_raw_texts_as_they_came(
    raws: list[str], expected: bytes
) -> None:
    out = io.BytesIO()
    subject.write_rows([row(raw) for raw in raws], DIALECT, out)
    assert out.getvalue() == expected


def test_a_dataset_without_header_and_in_another_encoding_is_written_so() -> None:
    out = io.BytesIO()
    subject.write_rows([row("1;é")], Dialect(("id", "note"), ";", "ISO-8859-1", header=False), out)
    assert out.getvalue() == b"1;\xe9\n"


def test_the_reasons_lie_beside_the_rows_one_a_line_and_no_formula(tmp_path: Path) -> None:
    target = tmp_path / "orders.csv"
    assert subject._export([RAGGED, TYPED], DIALECT, target) == 2
    assert target.read_bytes() == b'id;note\n7\n=1+1;"a\r\nb"\n'
    with (tmp_path / "orders.csv.reasons.csv").open(newline="") as stream:
        head, *lines = csv.reader(stream)
    assert head == list(subject.REASON_COLUMNS)
    where = ["gs://landing/orders/a b.csv", "1763688362123456", "41"]
    assert lines == [
        ["1", *where, "ragged_row", "", "", "expected 2 fields, found 1"],
        ["2", *where, "bad_type", "id", "'=1+1", "expected a whole number"],
        ["2", *where, "null_in_required", "note", "", "expected a value, found none"],
    ]


@pytest.mark.parametrize(
    ("text", "disarmed"),
    [
        (None, ""),
        ("", ""),
        ("plain = text", "plain = text"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
    ],
)
def test_what_a_spreadsheet_would_compute_is_disarmed(text: str | None, disarmed: str) -> None:
    assert subject.disarm(text) == disarmed


def test_a_raw_text_stays_on_its_line_and_steers_no_terminal() -> None:
    assert subject.readable("a\r\nb\nc\x1b[31m\u202e[red]é") == "a⏎b⏎c\\x1b[31m\\u202e[red]é"


def test_rows_are_shown_with_every_reason_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    subject._show(
        iter([RAGGED, TYPED, row("[bold]x" + "y" * 500, ("bad_encoding", None, None, None))]), "orders"
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "row", "reasons", "raw"]
    assert lines[1].startswith("orders/a b.csv   41  ragged_row: expected 2 fields, found 1")
    assert lines[1].endswith("  7")
    assert "bad_type id: expected a whole number" in lines[2]
    assert lines[2].endswith('=1+1;"a⏎b"')
    assert lines[3].strip() == "null_in_required note: expected a value, found none"
    assert "[bold]xyyy" in lines[4]
    assert lines[4].endswith("y…")


@pytest.mark.parametrize("given", [BATCHES[1], "ab3", "ab34"])
def test_a_batch_is_its_id_or_how_it_begins(given: str) -> None:
    assert subject.choose_batch(given, "orders", BATCHES) == BATCHES[1]


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        ("ab", BATCHES, "2 batches begin with 'ab' in orders; the newest are ab1200000000, ab3400000000"),
        ("ff", BATCHES, "no batch 'ff' in orders; the newest are ab1200000000, ab3400000000, cd5600000000"),
        ("", BATCHES, "no batch '' in orders; the newest are"),
        ("ab", [], "no batch 'ab' in orders; it has had none yet"),
    ],
)
def test_a_batch_that_is_none_or_many_is_refused_with_the_newest(
    given: str, known: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        subject.choose_batch(given, "orders", known)


def test_a_target_is_a_new_file_that_can_be_dropped(tmp_path: Path) -> None:
    subject.check_target(tmp_path / "new.csv")
    (tmp_path / "there.csv").touch()
    (tmp_path / "half.csv.reasons.csv").touch()
    for name, message in [
        ("there.csv", r"there\.csv: expected nothing there, found a file"),
        ("half.csv", r"half\.csv\.reasons\.csv: expected nothing there"),
        ("rows.csv.gz", r"expected a name ending in \.csv"),
        ("absent/rows.csv", r"expected the folder .*absent to exist"),
    ]:
        with pytest.raises(UsageError, match=message):
            subject.check_target(tmp_path / name)


@pytest.mark.parametrize("dataset", ["bill_of_materials", "comp_boss", "price_quote"])
def test_the_dialect_is_the_rendered_contracts(dataset: str) -> None:
    dialect = read_dialect(ROOT / "bigquery" / "datasets", dataset)
    assert (dialect.delimiter, dialect.encoding, dialect.header) == (",", "UTF-8", True)
    assert len(dialect.columns) > 5
