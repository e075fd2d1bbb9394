"""Records are what the grammar says, wherever the text is cut into blocks."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from landfall_spark import automaton
from landfall_spark.header import Layout
from landfall_spark.pipeline import Format
from landfall_spark.records import read_blocks
from tests.spark_jobs.grammar import Record, parse

PIECES = [
    b",",
    b'"',
    b"\\",
    b"\r",
    b"\n",
    b"\r\n",
    b"a",
    b"bc",
    b'""',
    b'","',
    b'"\n',
    b"\\\\",
    b'\\"',
    b"\0",
]
PIECES += ["é".encode(), "😀".encode(), b"\xff", b"\xe2\x82", b"\xf0\x9f", b"\x80", b'"x"', b"\n\n", b"b,c\n"]
texts = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


def make_format(escape: str | None = None, **values: Any) -> Format:
    return Format(delimiter=",", quote='"', null_tokens=("",), escape=escape, **values)


def make_layout(width: int) -> Layout:
    return Layout(width, tuple(range(width)), (), ())


def collect(blocks: Any) -> list[Record]:
    """Flatten blocks into records as the oracle has them."""
    found = []
    for block in blocks:
        columns = [column.to_pylist() for column in block.fields]
        for column in block.fields:
            column.validate(full=True)
        for index, row in enumerate(block.rows.tolist()):
            fields = tuple(column[index] for column in columns)
            place, length = int(block.offsets[index]), int(block.lengths[index])
            found.append(Record(row, place, length, None, fields, bool(block.damaged[index])))
        found += [Record(t.row, t.offset, t.length, t.code, (), t.damaged) for t in block.torn]
    return sorted(found, key=lambda record: record.row)


def chop(text: bytes, sizes: list[int]) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(text[place : place + size])
        place += size
    return [*pieces, text[place:]]


@settings(max_examples=1500)
@given(
    text=texts,
    escape=st.sampled_from([None, "\\"]),
    width=st.integers(1, 3),
    block=st.integers(1, 50),
    longest=st.sampled_from([5, 12, 1000]),
    sizes=st.lists(st.integers(0, 20), max_size=6),
)
def test_records_are_what_the_grammar_says(
    text: bytes, escape: str | None, width: int, block: int, longest: int, sizes: list[int]
) -> None:
    expected = parse(text, ",", '"', escape, width, longest)
    blocks = list(
        read_blocks(
            chop(text, sizes), make_layout(width), make_format(escape), block_bytes=block, max_record=longest
        )
    )
    assert collect(blocks) == expected
    for found in blocks:
        for index, (place, length) in enumerate(
            zip(found.offsets.tolist(), found.lengths.tolist(), strict=True)
        ):
            assert found.raw(index) == text[place : place + length].decode("utf-8", "replace")
        for torn in found.torn:
            kept = text[torn.offset : torn.offset + min(torn.length, longest)]
            assert torn.raw.rstrip("\ufffd") == kept.decode("utf-8", "replace").rstrip("\ufffd")


def read(text: bytes, width: int, **format: Any) -> list[Record]:
    return collect(read_blocks([text], make_layout(width), make_format(**format)))


tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(
            st.text(st.sampled_from(list("ab,;\"'\\\r\n\t é😀")), max_size=6), min_size=width, max_size=width
        ),
        max_size=8,
    )
)


@settings(max_examples=500)
@given(
    table=tables,
    delimiter=st.sampled_from(",;|\t"),
    quote=st.sampled_from("\"'"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    escape=st.sampled_from([None, "\\"]),
    block=st.integers(1, 40),
)
def test_what_python_writes_comes_back(
    table: list[list[str]],
    delimiter: str,
    quote: str,
    line_end: str,
    quoting: Any,
    escape: str | None,
    block: int,
) -> None:
    # Python leaves a lone \r without quotes, also where a line end follows.
    assume(quoting == csv.QUOTE_ALL or not any(row[-1].endswith("\r") for row in table))
    assume(all(any(row) or quoting == csv.QUOTE_ALL or len(row) > 1 for row in table))
    text = io.StringIO(newline="")
    csv.writer(
        text,
        delimiter=delimiter,
        quotechar=quote,
        lineterminator=line_end,
        quoting=quoting,
        escapechar=escape,
        doublequote=escape is None,
    ).writerows(table)
    format = Format(delimiter, quote, ("",), escape)
    layout = make_layout(len(table[0]) if table else 1)
    blocks = read_blocks([text.getvalue().encode()], layout, format, block_bytes=block)
    assert [list(record.fields) for record in collect(blocks)] == table


@given(st.lists(st.integers(0, 5), max_size=80))
def test_both_ways_to_follow_quotes_agree(codes: list[int]) -> None:
    tokens = np.array(codes, np.uint8)
    paired = automaton._pair_quotes(tokens)
    if paired is not None:
        assert paired.tolist() == automaton._run(tokens).tolist()


def test_places_numbers_and_wanted_fields() -> None:
    format = make_format(unknown_columns="rescue")
    layout = Layout(4, (2, None, 0), ((3, "extra"),), ("b",))
    (block,) = read_blocks([b'1,x,3,4\n\n"5",y,7,8\r\n9\n'], layout, format, first_row=11, offset=100)
    assert [None if field is None else field.to_pylist() for field in block.fields] == [
        ["1", "5"],
        None,
        ["3", "7"],
        ["4", "8"],
    ]
    assert (block.rows.tolist(), block.offsets.tolist(), block.lengths.tolist()) == (
        [11, 12],
        [100, 109],
        [7, 9],
    )
    assert [block.raw(index) for index in range(2)] == ["1,x,3,4", '"5",y,7,8']
    assert [(torn.row, torn.offset, torn.raw) for torn in block.torn] == [(13, 120, "9")]
    assert block.read == 3


def test_unknown_fields_are_not_taken_where_nobody_keeps_them() -> None:
    (block,) = read_blocks(
        [b"1,2\n"], Layout(2, (0,), ((1, "x"),), ()), make_format(unknown_columns="ignore")
    )
    assert block.fields[1] is None


@pytest.mark.parametrize(
    ("text", "code", "detail"),
    [
        (b"1\n", "ragged_row", "expected 2 fields, found 1"),
        (b'1,"a"b\n', "bad_quote", "expected a delimiter or a line end after field 2, found text"),
        (
            b'1,"a\n',
            "unterminated_quote",
            "expected a quote that opens a field to be closed at its end, found none",
        ),
        (b"123456,89\n", "record_too_long", "expected at most 8 bytes in a record, found 9"),
    ],
)
def test_a_torn_record_says_why(text: bytes, code: str, detail: str) -> None:
    (block,) = read_blocks([text], make_layout(2), make_format(), max_record=8)
    assert [(torn.code, torn.detail) for torn in block.torn] == [(code, detail)]


def test_raw_text_is_bounded() -> None:
    (block,) = read_blocks(["é".encode() * 1_500_000 + b"\n"], make_layout(2), make_format())
    assert block.torn[0].raw == "é" * 1_000_000
    (block,) = read_blocks([b"," + b"a" * 1_500_000], make_layout(2), make_format())
    assert block.raw(0) == "," + "a" * 999_999
    assert len(block.fields[1][0].as_py()) == 1_500_000


@pytest.mark.parametrize("piece", [b"aaaaaaaaaaaaaa\n,", b'""aaaaaaaaaaa\r\n,', b"aaaaaaaaaaaaaaaa"])
def test_memory_does_not_grow_with_a_record(piece: bytes) -> None:
    def stream() -> Iterator[bytes]:
        yield b'1,2\n"'
        for _ in range(1000):
            yield piece * 1024

    tracemalloc.start()
    blocks = read_blocks(stream(), make_layout(2), make_format(), block_bytes=2**16, max_record=2**17)
    found = collect(blocks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(record.row, record.code) for record in found] == [(1, None), (2, "unterminated_quote")]
    assert found[1].length == len(piece) * 1024 * 1000 + 1
    assert peak < 4 * 2**20
