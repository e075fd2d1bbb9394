"""Read text into records: every record with its fields, its number and its place; or why it cannot be told
apart."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landfall_spark.fields import cut_fields, find_damage
from landfall_spark.header import Layout
from landfall_spark.pipeline import Format
from landfall_spark.tokens import Dialect, Flags, Indices, Lines, Marks, Places, scan

Longs = NDArray[np.int64]
Reason = tuple[str, str]  # code and detail

RAGGED_ROW = "ragged_row"
BAD_QUOTE = "bad_quote"
UNTERMINATED_QUOTE = "unterminated_quote"
RECORD_TOO_LONG = "record_too_long"

# Large enough that a block's own cost does not count, small enough for a worker of little memory.
BLOCK_BYTES = 8 * 1024 * 1024
MAX_RECORD_BYTES = 32 * 1024 * 1024
# A quote that is never closed swallows the rest of its file, and BigQuery takes no row of 100 MB.
MAX_RAW = 1_000_000
_MAX_RAW_BYTES = 4 * MAX_RAW

_UNTERMINATED = (
    UNTERMINATED_QUOTE,
    "expected a quote that opens a field to be closed at its end, found none",
)

# Some text, and whether it is the last: then it ends with a line end put there to end the last record.
Chunk = tuple[bytes, bool]


class Torn(NamedTuple):
    """A record that cannot be told apart into fields. `offset` and `length` are bytes, without line end."""

    row: int
    offset: int
    length: int
    raw: str
    code: str
    detail: str
    damaged: bool


@dataclass(frozen=True)
class Block:
    """Some records in order: arrays over the whole ones, and the torn ones among them."""

    rows: Longs  # numbers in the file, from 1
    offsets: Longs  # where they begin in the text, in bytes
    lengths: Longs  # in bytes, without line end
    fields: tuple[pa.StringArray | None, ...]  # by position; None where nobody asks for it
    damaged: Flags  # whether the record has undecodable bytes, which are U+FFFD in its fields, or a NUL
    torn: tuple[Torn, ...]
    text: bytes  # what the records were read from
    begin: int  # where that begins in the whole text

    @property
    def read(self) -> int:
        """The number of records."""
        return len(self.rows) + len(self.torn)

    def raw(self, index: int) -> str:
        """Return the text of a whole record, at most MAX_RAW characters."""
        start = int(self.offsets[index]) - self.begin
        return _decode(self.text[start : start + int(self.lengths[index])])


def read_blocks(
    text: Iterable[bytes],
    layout: Layout,
    format: Format,
    first_row: int = 1,
    offset: int = 0,
    block_bytes: int = BLOCK_BYTES,
    max_record: int = MAX_RECORD_BYTES,
) -> Iterator[Block]:
    """Yield the records of `text`, which begins with record `first_row` at byte `offset` of the file's text.

    Empty lines are no records and have no number. A block holds about `block_bytes` of text; memory is bound
    by it and by `max_record`, whatever the text.
    """
    cutter = _Cutter(layout, format, max_record)
    chunks: Iterator[Chunk] = _gather(text, block_bytes)
    data, row = b"", first_row
    while (chunk := next(chunks, None)) is not None:
        data, ended = data + chunk[0], chunk[1]
        marks = scan(data, cutter.dialect, ended)
        block = cutter.cut(data[: marks.stop], marks, row, offset)
        if block.read:
            yield block
        row, offset, data = row + block.read, offset + marks.stop, data[marks.stop :]
        # Its last byte may be a \r that belongs to the line end.
        if marks.inside if ended else len(data) - 1 > max_record:
            passed = _pass_over(data, ended, marks.rest, chunks, cutter.dialect)
            yield cutter.tear_passed(data, passed, row, offset)
            row, offset, data = row + 1, offset + passed.read, b""
            chunks = chain([passed.rest], chunks)


def _gather(text: Iterable[bytes], size: int) -> Iterator[Chunk]:
    """Yield the text in chunks of `size` bytes."""
    held: list[memoryview] = []
    room = size
    for piece in text:
        view = memoryview(piece)
        while len(view) >= room:
            yield b"".join([*held, view[:room]]), False
            held, view, room = [], view[room:], size
        held.append(view)
        room -= len(view)
    yield b"".join([*held, b"\n"]), True


class _Cutter:
    """Cut text into the records of one file."""

    def __init__(self, layout: Layout, format: Format, max_record: int) -> None:
        self.dialect = Dialect.of(format)
        self._width = layout.width
        self._wanted = _list_wanted(layout, format)
        self._max_record = max_record

    def cut(self, text: bytes, marks: Marks, row: int, offset: int) -> Block:
        """Cut `text`, which ends with a record, into records, of which the first has the number `row`."""
        lines = Lines.of(marks)
        damage = find_damage(text)
        there = lines.lengths > 0
        whole = there & (lines.counts == self._width) & (lines.lengths <= self._max_record)
        whole[lines.holding(marks.broken)] = False
        damaged: Flags = np.zeros(len(there), np.bool_)
        for places in (damage.first, _find_nul(text)):
            damaged[lines.holding(places)] = True
        rows = row - 1 + np.cumsum(there, dtype=np.int64)
        fields = cut_fields(text, marks, self.dialect, lines.first[whole], self._wanted, damage)
        return Block(
            rows=rows[whole],
            offsets=offset + lines.starts[whole].astype(np.int64),
            lengths=lines.lengths[whole].astype(np.int64),
            fields=tuple(fields.get(position) for position in range(self._width)),
            damaged=damaged[whole],
            torn=tuple(self._tear(text, marks, lines, rows, np.flatnonzero(there & ~whole), offset)),
            text=text,
            begin=offset,
        )

    def tear_passed(self, data: bytes, passed: _Passed, row: int, offset: int) -> Block:
        """Return the block of the one record that was passed over, of which `data` is the beginning."""
        content = data[: min(passed.length, self._max_record)]
        reason = self._too_long(passed.length) if passed.closed else _UNTERMINATED
        torn = _build_torn(row, offset, passed.length, content, reason)
        return replace(self.cut(b"", scan(b"", self.dialect), row, offset), torn=(torn,))

    def _tear(
        self, text: bytes, marks: Marks, lines: Lines, rows: Longs, torn: Indices, offset: int
    ) -> Iterator[Torn]:
        holding = lines.holding(marks.broken)
        broken = np.zeros(len(rows), np.int64)
        broken[holding] = np.searchsorted(marks.ends, marks.broken) - lines.first[holding] + 1
        numbers = (
            array[torn].tolist() for array in (rows, lines.starts, lines.lengths, lines.counts, broken)
        )
        for row, start, length, count, field in zip(*numbers, strict=True):
            if length > self._max_record:
                reason = self._too_long(length)
            elif field:
                reason = (BAD_QUOTE, f"expected a delimiter or a line end after field {field}, found text")
            else:
                reason = (RAGGED_ROW, f"expected {self._width} fields, found {count}")
            content = text[start : start + min(length, self._max_record)]
            yield _build_torn(row, offset + start, length, content, reason)

    def _too_long(self, length: int) -> Reason:
        return RECORD_TOO_LONG, f"expected at most {self._max_record} bytes in a record, found {length}"


@dataclass(frozen=True)
class _Passed:
    """A record that was too long to be kept, or that never ended."""

    length: int  # without line end
    read: int  # with it
    closed: bool
    rest: Chunk  # the text after it


def _pass_over(data: bytes, ended: bool, lead: bytes, chunks: Iterator[Chunk], dialect: Dialect) -> _Passed:
    """Read on to the end of the record that `data` begins. `lead` leads to the same state as `data`."""
    read, tail = len(data) - ended, data
    while not ended:
        chunk, ended = next(chunks)
        text = lead + chunk
        marks = scan(text, dialect, ended)
        if len(marks.lines):
            stop = int(marks.ends[marks.lines[0]])
            read += stop - len(lead)
            rest = (text[stop + 1 :], ended)
            # The line end of a text's very end was put there.
            return _Passed(read - int(marks.returns[0]), read + bool(not ended or rest[0]), True, rest)
        read, tail, lead = read + len(chunk) - ended, tail[-2:] + chunk, marks.rest
    # The last of these line ends was put there.
    line_end = len(tail) - len(re.sub(rb"\r?\n?\n\Z", b"", tail[-3:])) - max(0, len(tail) - 3)
    return _Passed(read + 1 - line_end, read, False, (b"", True))


def _build_torn(row: int, offset: int, length: int, content: bytes, reason: Reason) -> Torn:
    """Describe a torn record. `content` is as much of it as was kept, at most."""
    try:
        text, _ = codecs.utf_8_decode(content, "strict", len(content) == length)
        damaged = "\0" in text
    except UnicodeDecodeError:
        text, damaged = _decode(content), True
    return Torn(row, offset, length, text[:MAX_RAW], *reason, damaged)


def _decode(content: bytes) -> str:
    return content[:_MAX_RAW_BYTES].decode("utf-8", "replace")[:MAX_RAW]


def _list_wanted(layout: Layout, format: Format) -> list[int]:
    known = [position for position in layout.positions if position is not None]
    kept = layout.unknown if format.unknown_columns in ("rescue", "evolve") else ()
    return known + [position for position, _ in kept]


def _find_nul(text: bytes) -> Places:
    if b"\0" not in text:
        return np.empty(0, np.int32)
    return np.flatnonzero(np.frombuffer(text, np.uint8) == 0).astype(np.int32)
