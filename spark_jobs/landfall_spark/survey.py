"""Divide a big file into splits that begin with a record, although nobody has read what comes before them.

The file is cut behind line ends. A cut is either between two records or within quotes, so each range between
two cuts is surveyed for both; put together in order, the surveys tell where records begin and their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from landfall_spark import text
from landfall_spark.inspection import Readable
from landfall_spark.pipeline import Format
from landfall_spark.tokens import Dialect, Lines, scan

# A second of a core.
RANGE_BYTES = 64 * 1024 * 1024
# Where no line ends within so many bytes of the place for a cut, there is none.
_PEEK_BYTES = 64 * 1024
# Peeks are one request each: the time is the network's, not the driver's.
_PARALLEL_READS = 16
_LINE_FEED, _RETURN = b"\n\r"

Read = Callable[[int, int | None], Iterable[bytes]]


@dataclass(frozen=True)
class Split:
    """A part of a file that begins with a record: bytes from `start` to `stop`.

    Where `stop` is None it is the whole file, and its first record begins at byte `offset` of its text.
    """

    file: int  # index of the file
    start: int
    stop: int | None
    first_row: int
    offset: int  # of its first record in the file's text


@dataclass(frozen=True)
class Course:
    """What a range holds if it begins in one way. `first` is None where no record begins in it."""

    first: int | None  # where the first record begins, in bytes of the range
    first_text: int  # the same in bytes of its text
    rows: int  # records that end in it
    inside: bool  # it ends within quotes


@dataclass(frozen=True)
class Survey:
    """What a range holds if it begins with a record, and if it begins within quotes."""

    text: int  # length in bytes of text
    plain: Course
    quoted: Course


def take_whole(file: int, readable: Readable) -> Split:
    """Return a file as one split."""
    return Split(file, 0, None, 1, readable.offset)


def open_split(read: Read, split: Split, name: str, format: Format) -> Iterator[bytes]:
    """Return the text of a split; `read` yields the file's bytes from one place to another, None: its end."""
    if split.stop is None:
        return text.skip(text.decode(read(0, None), name, format), split.offset)
    return text.decode_range(read(split.start, split.stop), format)


def find_cuts(
    read: Read, readable: Readable, size: int, format: Format, range_bytes: int = RANGE_BYTES
) -> list[int]:
    """Return where a divisible file of `size` bytes is cut, from its first record to its end."""
    escape = Dialect.of(format).escape
    places = range(readable.start + range_bytes, size, range_bytes)
    cuts = [readable.start]
    with ThreadPoolExecutor(_PARALLEL_READS) as threads:
        peeks = threads.map(lambda place: b"".join(read(place, min(size, place + _PEEK_BYTES))), places)
        for place, peek in zip(places, peeks, strict=True):
            length = _find_line_end(peek, escape)
            if length and cuts[-1] < place + length < size:
                cuts.append(place + length)
    return [*cuts, size]


def _find_line_end(peek: bytes, escape: int | None) -> int:
    """Return the length up to the first line end that is surely not escaped; 0: there is none."""
    place = peek.find(b"\n")
    if escape is None:
        return place + 1
    while place >= 0:
        run = place - len(peek[:place].rstrip(bytes([escape])))
        # A run of escapes from the very beginning may have begun before it.
        if run < place and run % 2 == 0:
            return place + 1
        place = peek.find(b"\n", place + 1)
    return 0


def survey(chunks: Iterable[bytes], format: Format) -> Survey:
    """Survey the range between two cuts."""
    dialect = Dialect.of(format)
    plain, quoted = _Walk(dialect, inside=False), _Walk(dialect, inside=True)
    size = length = 0
    for chunk in chunks:
        for walk in (plain, quoted):
            found = walk.step(chunk)
            if found is not None:
                walk.first, walk.first_text = size + found, length + _measure(chunk[:found], format)
        size, length = size + len(chunk), length + _measure(chunk, format)
    return Survey(length, plain.course, quoted.course)


class _Walk:
    """A walk through a range in one of the two ways in which it may begin."""

    def __init__(self, dialect: Dialect, inside: bool) -> None:
        self._dialect = dialect
        self._quote = bytes([dialect.quote])
        # What the range goes on from: a short text that stands for all before.
        self._lead = self._quote if inside else b""
        self.first, self.first_text = (None if inside else 0), 0
        self._rows = 0

    @property
    def course(self) -> Course:
        """What was found so far."""
        return Course(self.first, self.first_text, self._rows, self._lead == self._quote)

    def step(self, chunk: bytes) -> int | None:
        """Walk on; return where in the chunk the first record begins, if it is the first one known."""
        if self._lead == self._quote and not self._may_close(chunk):
            return None
        first, last = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        if first == last or not self._is_plain(chunk):
            return self._scan(chunk)
        found = self._scan(chunk[:first])
        if self._lead:
            later = self._scan(chunk[first:])
            return found if found is not None or later is None else first + later
        # Between two line ends, without a quote or an escape, lines are records: counting them is enough.
        self._rows += _count_lines(chunk[first:last])
        self._scan(chunk[last:])
        return found

    def _scan(self, chunk: bytes) -> int | None:
        marks = scan(self._lead + chunk, self._dialect)
        before, self._lead = len(self._lead), marks.rest
        self._rows += int(np.count_nonzero(Lines.of(marks).lengths))
        if self.first is not None or not len(marks.lines):
            return None
        return int(marks.ends[marks.lines[0]]) + 1 - before

    def _is_plain(self, chunk: bytes) -> bool:
        escape = self._dialect.escape
        return self._quote not in chunk and (escape is None or escape not in chunk)

    def _may_close(self, chunk: bytes) -> bool:
        return self._dialect.quote in chunk or chunk[-1:] == bytes([self._dialect.escape or 0])


def _count_lines(text: bytes) -> int:
    """Count the lines of `text`, which ends with a line end, but for empty ones."""
    codes = np.frombuffer(text, np.uint8)
    ends = codes == _LINE_FEED
    empty = int(ends[0]) + np.count_nonzero(ends[1:] & ends[:-1])
    if b"\r" in text:
        returns = codes == _RETURN
        empty += int(text.startswith(b"\r\n")) + np.count_nonzero(ends[2:] & returns[1:-1] & ends[:-2])
    return int(np.count_nonzero(ends) - empty)


def compose(file: int, readable: Readable, cuts: Sequence[int], surveys: Sequence[Survey]) -> list[Split]:
    """Return the splits of a file, of which `surveys` describes each range between two cuts."""
    splits: list[Split] = []
    rows, offset, inside = 0, readable.offset, False
    for place, found in zip(cuts, surveys, strict=False):
        course = found.quoted if inside else found.plain
        if course.first is not None:
            start, first_row = place + course.first, rows + 1 + inside
            splits.append(Split(file, start, cuts[-1], first_row, offset + course.first_text))
        rows, offset, inside = rows + course.rows, offset + found.text, course.inside
    stops = [*(split.start for split in splits[1:]), cuts[-1]]
    ended = [replace(split, stop=stop) for split, stop in zip(splits, stops, strict=True)]
    return [split for split, stop in zip(ended, stops, strict=True) if split.start < stop]


def _measure(chunk: bytes, format: Format) -> int:
    return sum(len(piece) for piece in text.decode_range([chunk], format))
