"""Find the structure of CSV text: which delimiters end fields, and which line ends end records.

Every delimiter, line end and quote that is not escaped is a token. NumPy finds them; what lies between them
is never looked at byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from landfall_spark.automaton import (
    CLOSED,
    DELIMITER,
    LINE_END,
    PLAIN,
    QUOTE,
    QUOTED,
    START,
    TORN,
    Codes,
    follow,
)
from landfall_spark.pipeline import Format

Bytes = NDArray[np.uint8]
Places = NDArray[np.int32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

RETURN, LINE = 13, 10
_NOWHERE = np.empty(0, np.int32)
# Stands for any text: no delimiter, quote or escape is outside ASCII.
_OTHER = b"\xff"


@dataclass(frozen=True)
class Dialect:
    """The bytes that give text its structure. `escape` is None where quotes are doubled only."""

    delimiter: int
    quote: int
    escape: int | None

    @property
    def codes(self) -> Codes:
        """The codes of tokens, by byte."""
        codes = np.zeros(256, np.uint8)
        codes[[self.delimiter, LINE, self.quote]] = 2 * DELIMITER, 2 * LINE_END, 2 * QUOTE
        return codes

    @classmethod
    def of(cls, format: Format) -> Dialect:
        """Take the dialect from a contract's format."""
        escape = None if format.escape in (None, "", format.quote) else ord(str(format.escape))
        return cls(ord(format.delimiter), ord(format.quote), escape)


@dataclass(frozen=True)
class Marks:
    """The structure of a text that begins with a record, up to the end of its last whole record.

    Places are bytes from its beginning, in order.
    """

    stop: int  # where the last whole record ends, line end included; 0: there is none
    ends: Places  # delimiters and line ends that end a field
    lines: Places  # those of `ends`, by index, that end a record
    returns: Flags  # whether the \r before each of `lines` belongs to it
    broken: Places  # where text after a closing quote ends, one in each torn record
    cuts: Places  # bytes that are no data: the second of two quotes, an escape before what it escapes
    quoted: bool  # there are quotes at all
    inside: bool  # the text ends within quotes
    rest: bytes  # a short text that leads to the same state as all after `stop`


@dataclass(frozen=True)
class Lines:
    """The lines of a text, empty ones too."""

    starts: Places
    lengths: Places  # without line end
    first: Places  # index in `Marks.ends` of the line's first field
    counts: Places  # of fields

    @classmethod
    def of(cls, marks: Marks) -> Lines:
        """Measure the lines that `marks` ends."""
        stops = marks.ends[marks.lines]
        starts, first = np.zeros_like(stops), np.zeros_like(stops)
        starts[1:], first[1:] = stops[:-1] + 1, marks.lines[:-1] + 1
        return cls(starts, stops - marks.returns - starts, first, marks.lines - first + 1)

    def holding(self, places: Places) -> Indices:
        """Return the index of the line that holds each place."""
        return np.searchsorted(self.starts, places, "right") - 1


def scan(text: bytes, dialect: Dialect, ended: bool = False) -> Marks:
    """Find the structure of `text`. `ended`: its last byte is a line end put there to end the whole."""
    data = np.frombuffer(text, np.uint8)
    quoted = dialect.quote in text
    escapes = _find_escapes(data[:-1] if ended else data, text, dialect)
    tokens = _find_tokens(data, dialect, quoted, escapes)
    states = follow(tokens.codes) if quoted else np.zeros(len(tokens.codes), np.uint8)
    last, state = (int(tokens.places[-1]), int(states[-1])) if len(states) else (-1, START)
    rest = _shorten(text, last, state, dialect, escapes)
    if quoted:
        return _mark_quoted(tokens, states, escapes, rest)
    return _mark(tokens, slice(None), _NOWHERE, escapes, rest)


@dataclass(frozen=True)
class _Tokens:
    """Delimiters, line ends and quotes that are not escaped."""

    places: Places
    codes: Codes
    returns: Flags  # whether a \r before it belongs to it


def _find_tokens(data: Bytes, dialect: Dialect, quoted: bool, escapes: Places) -> _Tokens:
    found = (data == dialect.delimiter) | (data == LINE)
    if quoted:
        found |= data == dialect.quote
    found[escapes + 1] = False
    indices = np.flatnonzero(found)
    codes = dialect.codes[data[indices]]
    places = indices.astype(np.int32)
    returns = _find_returns(data, places, codes, escapes)
    if quoted:
        gaps = np.diff(places, prepend=np.int32(-1)) - returns
        codes += gaps > 1
    return _Tokens(places, codes, returns)


def _find_returns(data: Bytes, places: Places, codes: Codes, escapes: Places) -> Flags:
    found: Flags = np.zeros(len(places), np.bool_)
    if RETURN in data:
        lines = np.flatnonzero(codes == 2 * LINE_END)
        before = places[lines] - 1
        found[lines] = (data[before] == RETURN) & (before >= 0) & ~np.isin(before, escapes + 1)
    return found


def _mark_quoted(tokens: _Tokens, states: Codes, escapes: Places, rest: bytes) -> Marks:
    closed = np.zeros(len(states), np.bool_)
    np.equal(states[:-1], CLOSED, out=closed[1:])
    apart = (tokens.codes & 1).view(np.bool_)
    cuts = tokens.places[closed & (tokens.codes == 2 * QUOTE)]
    if len(escapes):
        cuts = np.sort(np.concatenate([cuts, escapes]))
    marks = _mark(tokens, np.flatnonzero(states == START), tokens.places[closed & apart], cuts, rest)
    return replace(marks, quoted=True, inside=bool(len(states)) and int(states[-1]) == QUOTED)


def _mark(tokens: _Tokens, kept: Indices | slice, broken: Places, cuts: Places, rest: bytes) -> Marks:
    """Mark the tokens `kept`, up to the end of the last whole record."""
    ends = tokens.places[kept]
    lines = np.flatnonzero(tokens.codes[kept] >> 1 == LINE_END).astype(np.int32)
    count = int(lines[-1]) + 1 if len(lines) else 0
    stop = int(ends[count - 1]) + 1 if count else 0
    broken, cuts = broken[broken < stop], cuts[cuts < stop]
    returns = tokens.returns[kept][lines]
    return Marks(stop, ends[:count], lines, returns, broken, cuts, False, False, rest)


def _find_escapes(data: Bytes, text: bytes, dialect: Dialect) -> Places:
    """Return the places of escapes that escape what follows them: every second one of a run, at most."""
    if dialect.escape is None or dialect.escape not in text:
        return _NOWHERE
    places = np.flatnonzero(data[:-1] == dialect.escape).astype(np.int32)
    index = np.arange(len(places), dtype=np.int32)
    first = np.maximum.accumulate(np.where(np.diff(places, prepend=-2) > 1, index, 0))
    following = data[places + 1]
    escapable = np.zeros(256, np.bool_)
    escapable[[dialect.delimiter, dialect.quote, dialect.escape, RETURN, LINE]] = True
    found: Places = places[((index - first) % 2 == 0) & escapable[following]]
    return found


def _shorten(text: bytes, last: int, state: int, dialect: Dialect, escapes: Places) -> bytes:
    """Return a short text that leads to `state`, then what matters of the text after the last token."""
    quote, delimiter = bytes([dialect.quote]), bytes([dialect.delimiter])
    leads = {
        START: _OTHER + delimiter,
        PLAIN: _OTHER,
        QUOTED: quote,
        CLOSED: quote * 2,
        TORN: quote * 2 + _OTHER,
    }
    begins = last < 0 or (state == START and text[last] == LINE)
    lead = b"" if begins else leads[state]
    tail = text[last + 1 :]
    if not tail:
        return lead
    final, place = tail[-1], len(text) - 1
    free = not len(escapes) or int(escapes[-1]) != place - 1
    telling = free and (final == RETURN or final == dialect.escape)
    return lead + (_OTHER if len(tail) > 1 else b"") + (tail[-1:] if telling else _OTHER)
