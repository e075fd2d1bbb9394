"""A file that is divided gives the records that it has whole, wherever it is cut."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from landfall_spark.inspection import Readable
from landfall_spark.records import read_blocks
from landfall_spark.survey import Split, compose, find_cuts, open_split, survey
from landfall_spark.text import decode_range
from tests.spark_jobs.grammar import Record, parse
from tests.spark_jobs.test_records import collect, make_format, make_layout, texts

NOBODY = 10**9


def make_read(content: bytes, size: int) -> Callable[[int, int | None], Iterator[bytes]]:
    """Return a reader of `content` in chunks of `size` bytes."""

    def read(start: int, stop: int | None) -> Iterator[bytes]:
        stop = len(content) if stop is None else stop
        yield from (content[place : min(stop, place + size)] for place in range(start, stop, size))

    return read


def divide(
    content: bytes, start: int, size: int, chunk: int, **dialect: str | None
) -> tuple[list[Split], list[Record]]:
    """Survey `content` in ranges of `size` bytes; return its splits and the records read from them."""
    contract, layout, read = make_format(**dialect), make_layout(2), make_read(content, chunk)
    readable = Readable(layout, start, start)
    cuts = find_cuts(read, readable, len(content), contract, size)
    surveys = [survey(read(*pair), contract) for pair in itertools.pairwise(cuts)]
    splits = compose(0, readable, cuts, surveys)
    found: list[Record] = []
    for split in splits:
        blocks = read_blocks(
            open_split(read, split, "x.csv", contract),
            layout,
            contract,
            split.first_row,
            split.offset,
            64,
            NOBODY,
        )
        found += collect(blocks)
    return splits, found


@settings(max_examples=800)
@given(
    content=texts,
    escape=st.sampled_from([None, "\\"]),
    encoding=st.sampled_from(["UTF-8", "windows-1252", "ISO-8859-1"]),
    size=st.integers(1, 30),
    chunk=st.integers(1, 30),
)
@example(b"\n\r\na,b\nc,d\n", None, "UTF-8", 6, 2)
def test_splits_hold_the_records_of_the_whole(
    content: bytes, escape: str | None, encoding: str, size: int, chunk: int
) -> None:
    text = b"".join(decode_range([content], make_format(encoding=encoding)))
    splits, found = divide(content, 0, size, chunk, escape=escape, encoding=encoding)
    assert found == parse(text, ",", '"', escape, 2, NOBODY)
    places = [0, *(place for split in splits for place in (split.start, split.stop or 0)), len(content)]
    assert places[::2] == places[1::2], "splits have no gap"


LINES = st.sampled_from(
    [b"", b"\r", b"\r\r", b"a,b", b"a,b\r", b" ", b'"a\n",b', b"a\\", b"\\\\", b'"', b'a"']
)


@settings(max_examples=1500)
@given(
    lines=st.lists(LINES, max_size=24),
    end=st.sampled_from([b"", b"\n"]),
    escape=st.sampled_from([None, "\\"]),
    size=st.integers(20, 60),
    chunk=st.integers(3, 40),
)
def test_lines_that_are_counted_unread_are_counted_right(
    lines: list[bytes], end: bytes, escape: str | None, size: int, chunk: int
) -> None:
    content = b"\n".join(lines) + end
    _, found = divide(content, 0, size, chunk, escape=escape)
    assert found == parse(content, ",", '"', escape, 2, NOBODY)


def test_a_file_is_cut_at_every_line_end() -> None:
    content = b'a,b\n"c\n\nd",e\n\n"f"g,h\ni"j,k\r\nl,"m""\n"\nn,o'
    for place in range(1, len(content)):
        _, found = divide(content, 0, place, 7)
        assert found == parse(content, ",", '"', None, 2, NOBODY)
    assert len(divide(content, 0, 1, 7)[0]) == 7


def test_a_quote_that_is_never_closed_leaves_one_split() -> None:
    content = b'a,b\n"' + b"c,d\n" * 50
    splits, found = divide(content, 0, 10, 7)
    assert [split.start for split in splits] == [0]
    assert [record.code for record in found] == [None, "unterminated_quote"]


def test_a_cut_within_a_run_of_escapes_is_not_trusted() -> None:
    for run in range(1, 6):
        content = b"a," + b"\\" * run + b"\nb,c\nd,e\n"
        for size in range(1, len(content)):
            assert divide(content, 0, size, 3, escape="\\")[1] == parse(content, ",", '"', "\\", 2, NOBODY)
