"""Rejected rows as CSV, a line for each reason, made while it is sent.

RFC 4180 in UTF-8, behind a byte order mark, for without it Excel takes the text for another encoding. A row
with three reasons is three lines, each with the row's text, so that a line says everything however they are
sorted. Nothing is cut; null is an empty cell.

What a spreadsheet would compute has an apostrophe before it: =, +, -, @ or a full-width form of these where a
text begins, and where one would begin to a program that parts cells at semicolons or tabs and not at commas,
as Excel does in Portuguese; also behind apostrophes and quotes of its own. A text that begins with a tab or a
line break has one too. So `restore` is exact: it takes the apostrophes away. A generation is longer than the
15 digits that a spreadsheet keeps of a number, so it stands behind the object's name, as `landfall where` and
`landfall replay` take it.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

COLUMNS = (
    "dataset",
    "batch_id",
    "ingested_at",
    "file",
    "source_row",
    "text_offset",
    "text_bytes",
    "code",
    "column",
    "value",
    "detail",
    "raw",
)
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_FORMULA = "-=+@\uff1d\uff0b\uff0d\uff20"
# Where a cell begins or may begin, up to what would be computed. With its {guard} or without.
_BEGINNING = f"\\A[\"']*{{guard}}(?=[{_FORMULA}\t\r\n])|[;\t\r\n][\"']*{{guard}}(?=[{_FORMULA}])"
_ARMED = re.compile(_BEGINNING.format(guard=""))
_GUARDED = re.compile(_BEGINNING.format(guard="'"))
_NO_REASON = ({"code": None, "column": None, "value": None, "detail": None},)
_AT_ONCE = 1 << 16  # characters


def write_csv(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """The file, in pieces, of rows as `ops.rejected_rows` has them."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\r\n")
    lines.write(MARK)
    writer.writerow(COLUMNS)
    for row in rows:
        for reason in row["reasons"] or _NO_REASON:
            writer.writerow(_cells(row, reason))
            if lines.size >= _AT_ONCE:
                yield lines.take()
    yield lines.take()


def disarm(text: str | None) -> str:
    """A text of which no spreadsheet computes anything; null is empty."""
    return _ARMED.sub(lambda beginning: f"{beginning[0]}'", text or "")


def restore(cell: str) -> str:
    """What `disarm` was given."""
    return _GUARDED.sub(lambda beginning: beginning[0][:-1], cell)


def _cells(row: dict[str, Any], reason: dict[str, Any]) -> list[object]:
    return [
        disarm(row["dataset"]),
        disarm(row["batch_id"]),
        row["ingested_at"].isoformat() if row["ingested_at"] else "",
        disarm(f"{row['source_uri']}#{row['source_generation']}"),
        row["source_row"],
        row["text_offset"],
        row["text_bytes"],
        *(disarm(reason[name]) for name in ("code", "column", "value", "detail")),
        disarm(row["raw"]),
    ]


class _Lines:
    """What a csv.writer writes, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.size = 0

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.size += len(text)

    def take(self) -> bytes:
        # Half a surrogate pair has no UTF-8; nothing that BigQuery holds has one.
        text = "".join(self._pieces).encode("utf-8", "replace")
        self._pieces, self.size = [], 0
        return text
