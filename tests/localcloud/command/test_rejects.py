import io
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from localcloud.command import rejects as subject
from localcloud.launcher.errors import UsageError

BATCHES = ["ab12" + "0" * 28, "ab34" + "0" * 28, "cd56" + "0" * 28]


def row(raw: str | None, *reasons: tuple[str, str | None, str | None, str | None]) -> dict[str, Any]:
    return {
        "source_uri": "gs://landing/orders/a b.csv",
        "source_generation": 1763688362123456,
        "source_row": 41,
        "text_offset": 1024,
        "text_bytes": 7,
        "raw": raw,
        "reasons": [dict(zip(("code", "column", "value", "detail"), one, strict=True)) for one in reasons],
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


RAGGED = row("7", ("ragged_row", None, None, "expected 2 fields, found 1"))
TYPED = row(
    '=1+1;"a\r\nb"',
    ("bad_type", "id", "=1+1", "expected a whole number"),
    ("null_in_required", "note", "", "expected a value, found none"),
)


def test_a_raw_text_stays_on_its_line_and_steers_no_terminal() -> None:
    assert subject.readable("a\r\nb\nc\x1b[31m\u202e[red]é") == "a⏎b⏎c\\x1b[31m\\u202e[red]é"


def test_rows_are_shown_with_every_reason_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    withheld = row(None, ("bad_quote", None, None, "text after a closing quote")) | {"text_offset": None}
    rows = [RAGGED, TYPED, row("[bold]x" + "y" * 500, ("bad_encoding", None, None, None)), withheld]
    subject._show(iter(rows), 7, "landfall rejects orders --csv FILE.csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "row", "offset", "bytes", "reasons", "raw"]
    assert lines[1].startswith("orders/a b.csv   41    1024      7  ragged_row: expected 2 fields, found 1")
    assert lines[1].endswith("  7")
    assert "bad_type id: expected a whole number" in lines[2]
    assert lines[2].endswith('=1+1;"a⏎b"')
    assert lines[3].strip() == "null_in_required note: expected a value, found none"
    assert "[bold]xyyy" in lines[4]
    assert lines[4].endswith("y…")
    assert lines[5].split()[3:6] == ["–", "7", "bad_quote:"]
    assert lines[5].endswith("  (withheld)")
    assert lines[6] == "… and 3 more: landfall rejects orders --csv FILE.csv"


def test_a_narrow_terminal_has_the_number_of_a_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = {}
    for width in (80, 200):
        out = Terminal()
        monkeypatch.setattr("sys.stdout", out)
        for name, value in {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(width)}.items():
            monkeypatch.setenv(name, value)
        subject._show(iter([RAGGED, TYPED]), 2, "landfall rejects orders --csv FILE.csv")
        lines = [Text.from_ansi(line).plain for line in out.getvalue().splitlines()]
        assert max(map(len, lines)) <= width
        heads[width] = lines[0].split()
    assert heads[80] == ["file", "row", "reasons", "raw"]
    assert heads[200] == ["file", "row", "offset", "bytes", "reasons", "raw"]


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
