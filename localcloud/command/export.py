"""Rejected rows as files to correct and drop again: their original text, and the reasons beside it."""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import groupby
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

from localcloud.command.datasets import Dialect
from localcloud.command.originals import Cutter, ShortTextError, mark_of, read_text, to_original
from localcloud.launcher.errors import CommandError, UsageError

REASON_COLUMNS = (
    "record",
    "source_uri",
    "source_generation",
    "source_row",
    "text_offset",
    "text_bytes",
    "code",
    "column",
    "value",
    "detail",
)
# The rule of the control room's export (functions/control_room/room/export.py), which is deployed apart:
# tests/test_formulas.py holds the two together.
_FORMULA = "-=+@\uff1d\uff0b\uff0d\uff20"
_ARMED = re.compile(f"\\A[\"']*(?=[{_FORMULA}\t\r\n])|[;\t\r\n][\"']*(?=[{_FORMULA}])")

Row = Mapping[str, Any]
#: A file as one batch read it: batch id, URI, generation.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Form:
    """What the rows of one output have in common: a dialect and a header, empty where it has none."""

    dialect: Dialect
    header: bytes


@dataclass(frozen=True)
class Original:
    """An archived file and the form of its rows."""

    uri: str
    zipped: bool
    form: Form


class Archive(Protocol):
    """Where the originals are read."""

    def open(self, uri: str) -> BinaryIO: ...


def key_of(row: Row) -> Key:
    """The file that a row of the ledger tells of."""
    return row["batch_id"], row["source_uri"], row["source_generation"]


def list_forms(originals: Iterable[Original]) -> list[Form]:
    """The forms that occur, in the order of their files: one output each."""
    return list(dict.fromkeys(original.form for original in originals))


def name_outputs(path: Path, count: int) -> list[Path]:
    """FILE, FILE-2, FILE-3 and so on; raises UsageError where one of them, or its reasons, lies already."""
    names = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, count + 1))]
    for file in (part for name in names for part in (name, reasons_of(name))):
        if file.exists():
            raise UsageError(
                f"{file}: expected nothing there, found a file. Give another name, or move it away."
            )
    return names


def reasons_of(path: Path) -> Path:
    """Where the reasons lie, beside the rows in `path`."""
    return path.with_name(f"{path.name}.reasons.csv")


def write_files(
    rows: Iterable[Row], originals: Mapping[Key, Original], archive: Archive, paths: Sequence[Path]
) -> list[int]:
    """Write an output for each form, and its reasons, for their owner alone; returns the rows in each.

    Nothing is left of them after a failure.
    """
    forms = list_forms(originals.values())
    outputs: dict[Form, _Output] = {}
    with ExitStack() as files:
        try:
            for form, path in zip(forms, paths, strict=True):
                outputs[form] = _Output(path, form, files)
            for row, original, pieces in cut_rows(rows, originals, archive):
                outputs[original.form].write(row, pieces)
        except BaseException:
            for output in outputs.values():
                output.remove()
            raise
    return [outputs[form].count for form in forms]


class _Output:
    """A file of rows and the reasons beside it, open as long as `files` are."""

    def __init__(self, path: Path, form: Form, files: ExitStack) -> None:
        self.count = 0
        self._path = path
        self._dialect = form.dialect
        self._rows = files.enter_context(_create(path))
        beside = TextIOWrapper(_create(reasons_of(path)), encoding="utf-8", newline="")
        # As RFC 4180 ends lines: with another end a carriage return in a text would have no quotes.
        self._reasons = csv.writer(files.enter_context(beside), lineterminator="\r\n")
        self._reasons.writerow(REASON_COLUMNS)
        write_head(form, self._rows)

    def write(self, row: Row, pieces: Iterable[bytes]) -> None:
        self.count += 1
        write_row(pieces, self._dialect, self._rows)
        self._reasons.writerows(reason_lines(self.count, row))

    def remove(self) -> None:
        self._path.unlink()
        reasons_of(self._path).unlink()


def cut_rows(
    rows: Iterable[Row], originals: Mapping[Key, Original], archive: Archive
) -> Iterator[tuple[Row, Original, Iterator[bytes]]]:
    """Each row with its original and its text, in pieces; the rows of a file come together, in its order."""
    for key, members in groupby(rows, key_of):
        original = originals[key]
        with archive.open(original.uri) as stream:
            cutter = Cutter(read_text(stream, original.form.dialect.encoding, original.zipped))
            for row in members:
                yield row, original, _cut(cutter, row, original)


def _cut(cutter: Cutter, row: Row, original: Original) -> Iterator[bytes]:
    if row["text_offset"] is None:
        # Recorded before rows had a place in the archived file; their whole text is in the ledger.
        yield row["raw"].encode()
        return
    try:
        yield from cutter.cut(row["text_offset"], row["text_bytes"])
    except ShortTextError as error:
        raise CommandError(
            f"{original.uri}: expected row {row['source_row']} at byte {row['text_offset']} of its text, "
            f"found that {error}. Find out who else writes to the archive bucket."
        ) from error


def write_head(form: Form, out: IO[bytes]) -> None:
    """What an output begins with: the mark of its encoding, and the header if it has one."""
    out.write(mark_of(form.dialect.encoding))
    if form.header:
        write_row([form.header], form.dialect, out)


def write_row(pieces: Iterable[bytes], dialect: Dialect, out: IO[bytes]) -> None:
    """A record as it came, not one byte of it changed, and a line end."""
    for piece in pieces:
        out.write(to_original(piece, dialect.encoding))
    out.write(to_original(b"\n", dialect.encoding))


def reason_lines(record: int, row: Row) -> Iterator[list[object]]:
    """REASON_COLUMNS, once for each reason; `record` counts the records of the file of rows from 1.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    for reason in row["reasons"]:
        texts = (reason[name] for name in ("code", "column", "value", "detail"))
        yield [
            record,
            disarm(row["source_uri"]),
            *(row[name] for name in ("source_generation", "source_row", "text_offset", "text_bytes")),
            *(disarm(text) for text in texts),
        ]


def disarm(text: str | None) -> str:
    """A text of which no spreadsheet computes anything; null is empty.

    Guarded is what a text begins with, and what stands where a program that parts cells at semicolons or tabs
    would begin one, as Excel does in Portuguese; behind apostrophes and quotes too. What has an apostrophe
    already gets one more, so that taking one away restores it.
    """
    return _ARMED.sub(lambda beginning: f"{beginning[0]}'", text or "")


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
