"""The export of rejected rows: what stood in the files, in files that can be dropped again."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from localcloud.command import export as subject
from localcloud.command.datasets import Dialect
from localcloud.command.export import Form, Original
from localcloud.command.rejects import _print
from localcloud.launcher.errors import CommandError, UsageError

DIALECT = Dialect(";", '"', None, "UTF-8", header=True)
FORM = Form(DIALECT, b"id;note")
URI = "gs://archive/orders/a.csv"


class Files:
    """An archive of files by URI."""

    def __init__(self, **contents: bytes) -> None:
        self._contents = {f"gs://archive/orders/{name}.csv": content for name, content in contents.items()}

    def open(self, uri: str) -> BinaryIO:
        return io.BytesIO(self._contents[uri])


def original(name: str = "a", form: Form = FORM, zipped: bool = False) -> Original:
    return Original(f"gs://archive/orders/{name}.csv", zipped, form)


def row(
    offset: int | None, length: int | None, name: str = "a", number: int = 41, **more: Any
) -> dict[str, Any]:
    reason = {"code": "bad_type", "column": "id", "value": "=1+1", "detail": "expected a whole number"}
    return {
        "batch_id": "b1",
        "source_uri": f"gs://landing/orders/{name}.csv",
        "source_generation": 7,
        "source_row": number,
        "text_offset": offset,
        "text_bytes": length,
        "raw": None,
        "reasons": [reason],
        **more,
    }


def keys(**originals: Original) -> dict[subject.Key, Original]:
    return {("b1", f"gs://landing/orders/{name}.csv", 7): one for name, one in originals.items()}


def written(rows: list[dict[str, Any]], one: Original, content: bytes, folder: Path) -> bytes:
    path = folder / "rows.csv"
    subject.write_files(rows, keys(a=one), Files(a=content), [path])
    return path.read_bytes()


def test_rows_are_the_files_header_and_what_stood_in_the_file(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfid;note\r\n1;ok\r\n=1+1;"a\r\nb"\r\n7;\xff;\x00\r\n'
    rows = [row(15, 11, number=2), row(28, 5, number=3)]
    assert written(rows, original(), content, tmp_path) == b'id;note\n=1+1;"a\r\nb"\n7;\xff;\x00\n'


@pytest.mark.parametrize(
    ("encoding", "content", "length", "expected"),
    [
        ("windows-1252", b"n;\xe9\n\x80;\x81\nx;y\n", 5, b"n;\xe9\n\x80;\x81\n"),
        ("ISO-8859-1", b"n;\xe9\n\x80x;\x81\nx;y\n", 6, b"n;\xe9\n\x80x;\x81\n"),
        ("UTF-16", "\ufeffn;é\n€;\ud800\nx;y\n".encode("utf-16-le", "surrogatepass"), 5, None),
        ("UTF-16", "\ufeffn;é\n€;\ud800\nx;y\n".encode("utf-16-be", "surrogatepass"), 5, None),
    ],
)
def test_the_encoding_stays_and_what_it_lacks_comes_back(
    encoding: str, content: bytes, length: int, expected: bytes | None, tmp_path: Path
) -> None:
    form = Form(Dialect(";", '"', None, encoding, header=True), "n;é".encode())
    found = written([row(5, length)], original(form=form), content, tmp_path)
    assert found == (expected or "\ufeffn;é\n€;\ufffd\n".encode("utf-16-le"))


def test_a_zipped_file_without_header_is_written_plain(tmp_path: Path) -> None:
    content = gzip.compress(b"1;a\n") + gzip.compress(b"x;b\n")
    form = Form(Dialect(";", '"', None, "UTF-8", header=False), b"")
    assert written([row(4, 3)], original(form=form, zipped=True), content, tmp_path) == b"x;b\n"


def test_a_row_from_before_rows_had_a_place_is_the_ledgers(tmp_path: Path) -> None:
    rows = [row(None, None, raw="x;é"), row(8, 3)]
    assert written(rows, original(), b"id;note\n1;a\n", tmp_path) == "id;note\nx;é\n1;a\n".encode()


def test_the_reasons_lie_beside_the_rows_one_a_line_and_no_formula(tmp_path: Path) -> None:
    ragged = {"code": "ragged_row", "column": None, "value": None, "detail": "expected 2 fields, found 1"}
    rows = [row(8, 1), row(10, 1, number=42)]
    rows[1]["reasons"] = [ragged, *rows[1]["reasons"]]
    written(rows, original(), b"id;note\n7\n8\n", tmp_path)
    with (tmp_path / "rows.csv.reasons.csv").open(newline="") as stream:
        head, *lines = csv.reader(stream)
    assert head == list(subject.REASON_COLUMNS)
    where = ["gs://landing/orders/a.csv", "7"]
    assert lines == [
        ["1", *where, "41", "8", "1", "bad_type", "id", "'=1+1", "expected a whole number"],
        ["2", *where, "42", "10", "1", "ragged_row", "", "", "expected 2 fields, found 1"],
        ["2", *where, "42", "10", "1", "bad_type", "id", "'=1+1", "expected a whole number"],
    ]
    modes = [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()]
    assert modes == [0o600, 0o600]


OTHER = Form(DIALECT, b"note;id")
MIXED = keys(a=original("a"), b=original("b", OTHER), c=original("c"))
CONTENTS = Files(a=b"id;note\n1;a\n", b=b"note;id\nb;2\n", c=b"id;note\n3;c\n")
ROWS = [row(8, 3, name) for name in "abc"]


def test_files_with_other_headers_make_outputs_of_their_own(tmp_path: Path) -> None:
    paths = subject.name_outputs(tmp_path / "rows.csv", len(subject.list_forms(MIXED.values())))
    assert [path.name for path in paths] == ["rows.csv", "rows-2.csv"]
    assert subject.write_files(ROWS, MIXED, CONTENTS, paths) == [2, 1]
    assert [path.read_bytes() for path in paths] == [b"id;note\n1;a\n3;c\n", b"note;id\nb;2\n"]
    assert (tmp_path / "rows-2.csv.reasons.csv").read_text().count("\n") == 2
    with pytest.raises(UsageError, match=r"rows-2\.csv: expected nothing there"):
        paths[0].unlink()
        subject.reasons_of(paths[0]).unlink()
        subject.name_outputs(tmp_path / "rows.csv", 2)


def test_standard_output_takes_one_form_only(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    archive: Any = CONTENTS
    with pytest.raises(UsageError, match=r"2 different headers.*--csv FILE\.csv"):
        _print(ROWS, MIXED, archive)
    _print([ROWS[0], ROWS[2]], {key: MIXED[key] for key in MIXED if "b.csv" not in key[1]}, archive)
    shown = capfdbinary.readouterr()
    assert shown.out == b"id;note\n1;a\n3;c\n"
    assert shown.err.count(b"\n") == 1
    assert b"personal data" in shown.err


@pytest.mark.parametrize("rows", [[row(8, 3), row(12, 30)], [row(400, 3)]])
def test_an_original_that_is_another_leaves_no_half_export(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=r"archive/orders/a\.csv: expected row 41 at byte .* 14 bytes"):
        written(rows, original(), b"id;note\n1;a\n2;", tmp_path)
    assert list(tmp_path.iterdir()) == []
