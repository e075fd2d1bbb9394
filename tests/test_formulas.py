"""No export of rejected rows holds a formula: the control room's and the command's follow one rule.

The two are deployed apart and share no code, so they share these cases.
"""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localcloud.command import export as command
from localcloud.command.datasets import Dialect
from room import export as room

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

# A text of a rejected row, and what the exports hold in its place.
CASES = [
    (None, ""),
    ("", ""),
    ("plain = text", "plain = text"),
    ("=1", "'=1"),
    ("+1", "'+1"),
    ("-1", "'-1"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("＝1", "'＝1"),
    ("＋1", "'＋1"),
    ("－1", "'－1"),
    ("＠A1", "'＠A1"),
    ("\tx", "'\tx"),
    ("\rx", "'\rx"),
    ("\nx", "'\nx"),
    # One that is guarded already, or looks so, gets one more: taking one away restores it.
    ("'=1", "''=1"),
    ("'quoted'", "'quoted'"),
    ('"=1"', '"\'=1"'),
    # Where a program that parts cells at semicolons or tabs would begin one.
    ("a;=1", "a;'=1"),
    ("a;'=1", "a;''=1"),
    ('a;"=1+1;b"', 'a;"\'=1+1;b"'),
    ("a\t@x", "a\t'@x"),
    ("a\n-1", "a\n'-1"),
    ("a\r\n+1", "a\r\n'+1"),
    ("a;b=1;-", "a;b=1;'-"),
    ("a,=1", "a,=1"),
    ("a; =1", "a; =1"),
]


def of_the_room(text: str | None) -> str:
    """The file that a browser downloads, of one row with this text wherever there is one."""
    row = _row(text) | {"dataset": "d", "ingested_at": NOON, "raw": text}
    return b"".join(room.write_csv([row])).decode("utf-8-sig")


def of_the_command(text: str | None) -> str:
    """The file of reasons beside the rows that are to be corrected."""
    row = _row(text)
    form = command.Form(Dialect(",", '"', None, "UTF-8", header=False), b"")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        originals = {command.key_of(row): command.Original("gs://archive/d/a.csv", False, form)}
        command.write_files([row], originals, Archive(), [path])
        return command.reasons_of(path).read_bytes().decode()


class Archive:
    """Of rows whose text the ledger has whole nothing is read here."""

    def open(self, uri: str) -> BinaryIO:
        return io.BytesIO()


def _row(text: str | None) -> dict[str, Any]:
    numbers = {"source_generation": 7, "source_row": 7, "text_offset": None, "text_bytes": None}
    reason = dict.fromkeys(("code", "column", "value", "detail"), text)
    return {"batch_id": "b", "source_uri": text or "", "raw": "", "reasons": [reason], **numbers}


DISARMS = {"room": room.disarm, "command": command.disarm}
EXPORTS = {"room": of_the_room, "command": of_the_command}


@pytest.mark.parametrize("disarm", DISARMS.values(), ids=DISARMS)
@pytest.mark.parametrize(("text", "disarmed"), CASES)
def test_what_would_be_computed_has_an_apostrophe_before_it(
    disarm: Callable[[str | None], str], text: str | None, disarmed: str
) -> None:
    assert disarm(text) == disarmed
    assert room.restore(disarmed) == (text or "")


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
@given(text=st.text("'\";=-@\t\r\n, aé＝", max_size=12))
@example('a;"=1+1;b')
@example("\r=1")
@example("a\t=1")
def test_no_program_finds_a_formula_in_an_export(export: Callable[[str], str], text: str) -> None:
    whole = export(text)
    for separator in ",;\t":
        lines = list(csv.reader(io.StringIO(whole, newline=""), delimiter=separator))
        assert [cell for line in lines for cell in line if cell.startswith(FORMULA)] == []
    (line,) = list(csv.DictReader(io.StringIO(whole, newline=""), strict=True))
    assert room.restore(line["value"]) == text


@given(text=st.text("'\";=+-@\t\r\n, aé＝＋－＠", max_size=12))
def test_both_exports_write_a_text_alike(text: str) -> None:
    assert command.disarm(text) == room.disarm(text)
