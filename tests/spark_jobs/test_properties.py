"""What holds for every table and for any garbage: rows come back exactly; none is lost, none told twice."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from landfall_spark.header import Layout, match
from landfall_spark.judge import judge
from landfall_spark.pipeline import Pipeline, parse_pipeline
from landfall_spark.records import Block, read_blocks
from tests.spark_jobs.batches import Place, stage

QUOTINGS = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE)
CODECS = {
    "UTF-8": ("utf-8", "utf-8-sig"),
    "UTF-16": ("utf-16",),
    "ISO-8859-1": ("latin-1",),
    "windows-1252": ("cp1252",),
}
Table = list[list[str]]


@dataclass(frozen=True)
class Dialect:
    """A dialect of Python's csv module, and of the contract."""

    delimiter: str
    quote: str
    escape: str | None
    line_end: str
    quoting: int

    def write(self, table: Sequence[Sequence[str]]) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            lineterminator=self.line_end,
            quoting=self.quoting,  # type: ignore[arg-type]
        )
        writer.writerows(table)
        return text.getvalue()


def _contract(dialect: Dialect, width: int, encoding: str = "UTF-8", header: bool = True) -> dict[str, Any]:
    escape = {} if dialect.escape is None else {"escape": dialect.escape}
    return {
        "version": 2,
        "dataset": "tables",
        "format": {
            "type": "csv",
            "delimiter": dialect.delimiter,
            "quote": dialect.quote,
            **escape,
            "encoding": encoding,
            "header": header,
            "null_tokens": [],
            "unknown_columns": "reject",
            "max_text_bytes": 1 << 30,
        },
        "columns": [{"name": f"c{n}", "type": "STRING", "required": False} for n in range(width)],
        "duplicate_keys": "keep_last",
    }


@st.composite
def _dialects(draw: st.DrawFn) -> Dialect:
    delimiter = draw(st.sampled_from(",;\t|:~ "))
    quote = draw(st.sampled_from("\"'`"))
    escape = draw(st.sampled_from([None, None, "\\", "^"]))
    # Nothing but an escape could say that a delimiter is data where nothing is quoted.
    quoting = draw(st.sampled_from(QUOTINGS if escape else QUOTINGS[:3]))
    return Dialect(delimiter, quote, escape, draw(st.sampled_from(["\n", "\r\n"])), quoting)


def _fields(dialect: Dialect, codec: str) -> st.SearchStrategy[str]:
    special = [dialect.delimiter, dialect.quote, dialect.escape or "", '"', "\\", "\n", "\r", "\r\n", " ", ""]
    usual = st.characters(codec=codec, exclude_characters="\0\ufeff", exclude_categories=["Cs"])
    text = st.lists(st.one_of(st.sampled_from(special), usual), max_size=8).map("".join)
    if dialect.quoting in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC) or dialect.line_end == "\r\n":
        return text
    # Python's csv leaves \r bare where lines end in \n: before the \n, nobody could tell whose it is.
    return text.map(lambda value: value.replace("\r", "R"))


@st.composite
def _tables(draw: st.DrawFn, dialect: Dialect, codec: str = "utf-8") -> Table:
    width = draw(st.integers(2 if dialect.quoting == csv.QUOTE_NONE else 1, 5))
    row = st.lists(_fields(dialect, codec), min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=12))


def _cut(content: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """The content in pieces, however they fall."""
    edges = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    for start, stop in itertools.pairwise(edges):
        yield content[start:stop]


def _parse(contract: dict[str, Any]) -> Pipeline:
    return parse_pipeline(json.dumps(contract), "pipeline.json")


def _layout(contract: Pipeline, header: Sequence[str]) -> Layout:
    layout = match(header, contract)
    assert isinstance(layout, Layout)
    return layout


def _rows(blocks: Sequence[Block], layout: Layout) -> Table:
    """The rows of the blocks, in the order of the contract."""
    rows: Table = []
    for block in blocks:
        assert block.torn == ()
        columns = [block.fields[place] for place in layout.positions if place is not None]
        rows += map(list, zip(*(column.to_pylist() for column in columns if column is not None), strict=True))
    return rows


@settings(max_examples=600)
@given(st.data())
def test_what_pythons_csv_writes_comes_back_exactly(data: st.DataObject) -> None:
    dialect = data.draw(_dialects())
    table = data.draw(_tables(dialect))
    contract = _parse(_contract(dialect, len(table[0])))
    order = data.draw(st.permutations(range(len(table[0]))))
    layout = _layout(contract, [f"c{n}" for n in order])
    content = dialect.write([[row[n] for n in order] for row in table]).encode()
    pieces = _cut(content, data.draw(st.lists(st.integers(0, 1 << 16), max_size=4)))

    size = data.draw(st.sampled_from([1, 2, 7, 64, 1 << 20]))
    blocks = list(read_blocks(pieces, layout, contract.format, block_bytes=size))

    assert _rows(blocks, layout) == table
    judged = [judge(block, layout, contract, None) for block in blocks]
    assert [list(row.values()) for one in judged for row in one.accepted.to_pylist()] == table
    assert not any(one.rejected for one in judged)


PIECES = [
    *(b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"\\", b'\\"', b"\0", b"\xff"),
    *(b"a,1\n", b"1", b"1.5", b"-1", "é".encode(), "漢".encode()),
]
GARBAGE = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=60).map(b"".join)
PLAIN = {
    **_contract(Dialect(",", '"', None, "\n", csv.QUOTE_MINIMAL), 0),
    "columns": [
        {"name": "text", "type": "STRING", "required": True, "max_length": 3},
        {"name": "n", "type": "INT64", "required": False, "minimum": "0"},
    ],
}
CONTRACTS = {
    "plain": PLAIN,
    "escapes": {**PLAIN, "format": {**PLAIN["format"], "escape": "\\"}},
    "personal": {
        **PLAIN,
        "columns": [
            {**PLAIN["columns"][0], "protection": {"method": "mask", "keep_last": 1}},
            PLAIN["columns"][1],
        ],
    },
    "one column": {**PLAIN, "columns": PLAIN["columns"][:1]},
}


@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=1000)
@given(content=GARBAGE, size=st.sampled_from([1, 3, 16, 1 << 20]))
def test_every_record_of_any_garbage_is_accepted_or_rejected_once(
    name: str, content: bytes, size: int
) -> None:
    contract = _parse(CONTRACTS[name])
    layout = _layout(contract, [column.name for column in contract.columns])
    blocks = list(read_blocks([content], layout, contract.format, block_bytes=size))

    numbers: list[int] = []
    for block in blocks:
        judged = judge(block, layout, contract, None)
        accepted = block.rows[judged.accepted_index].tolist()
        rejected = [int(block.rows[index]) for index, reasons in judged.rejected if reasons]
        torn = [one.row for one in block.torn]
        assert judged.accepted.num_rows == len(accepted)
        assert len(accepted) + len(rejected) + len(torn) == block.read
        numbers += sorted(accepted + rejected + torn)
    assert numbers == list(range(1, len(numbers) + 1))
    assert bool(numbers) == any(line not in (b"", b"\r") for line in content.split(b"\n"))


@settings(max_examples=600)
@given(content=GARBAGE, places=st.lists(st.integers(0, 1 << 16), max_size=6), size=st.integers(1, 40))
def test_how_the_bytes_arrive_changes_nothing(content: bytes, places: list[int], size: int) -> None:
    contract = _parse(CONTRACTS["escapes"])
    layout = _layout(contract, ["text", "n"])

    def told(pieces: Iterable[bytes], size: int) -> tuple[list[Any], list[Any]]:
        blocks = list(read_blocks(pieces, layout, contract.format, block_bytes=size))
        whole = [
            (row, offset, length, damaged, *values)
            for block in blocks
            for row, offset, length, damaged, *values in zip(
                block.rows.tolist(),
                block.offsets.tolist(),
                block.lengths.tolist(),
                block.damaged.tolist(),
                *(field.to_pylist() for field in block.fields if field is not None),
                strict=True,
            )
        ]
        return whole, [torn for block in blocks for torn in block.torn]

    assert told(_cut(content, places), size) == told([content], 1 << 20)


JOB = settings(
    max_examples=3,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@JOB
@given(contents=st.lists(GARBAGE, min_size=25, max_size=25))
def test_the_whole_job_loses_no_record_of_any_garbage(place: Place, contents: list[bytes]) -> None:
    contract = {**PLAIN, "format": {**PLAIN["format"], "header": False}}
    files = {f"{number:02}.csv": content for number, content in enumerate(contents)}
    outcome = stage(place, contract, files, uuid.uuid4().hex).run()

    numbers: dict[str, list[int]] = {}
    for row in outcome.accepted():
        numbers.setdefault(row["_source_uri"], []).append(row["_source_row"])
    for row in outcome.rejected():
        numbers.setdefault(row["source_uri"], []).append(row["source_row"])
        assert row["reasons"]
    for file in outcome.metrics["files"]:
        found = sorted(numbers.get(file["uri"], []))
        assert found == list(range(1, file["rows_read"] + 1))
        assert file["reason"] in (None, "no_rows", "empty_file", "not_text")


@settings(
    max_examples=3,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_tables_come_back_through_the_whole_job_in_every_encoding(place: Place, data: st.DataObject) -> None:
    """A batch an example: a file for each way to encode it, plain and packed in gzip members."""
    dialect = data.draw(_dialects())
    encoding = data.draw(st.sampled_from(sorted(CODECS)))
    header = data.draw(st.booleans())
    files: dict[str, bytes] = {}
    expected: dict[str, Table] = {}
    for number in range(8):
        codec = data.draw(st.sampled_from(CODECS[encoding]))
        table = data.draw(_tables(dialect, codec).filter(lambda table: len(table[0]) <= 3))
        rows = [[*row, "", ""][:3] for row in table]
        order = data.draw(st.permutations(range(3))) if header else range(3)
        head = [[f"c{n}" for n in order]] if header else []
        content = dialect.write(head + [[row[n] for n in order] for row in rows]).encode(codec)
        assume(b"sep=" not in content[:12])
        name = f"{number}.csv.gz" if number % 2 else f"{number}.csv"
        places = data.draw(st.lists(st.integers(0, 1 << 16), max_size=3))
        files[name] = b"".join(map(gzip.compress, _cut(content, places))) if number % 2 else content
        expected[name] = rows

    outcome = stage(place, _contract(dialect, 3, encoding, header), files, uuid.uuid4().hex).run()

    found: dict[str, Table] = {name: [] for name in files}
    for row in outcome.accepted():
        values = found[row["_source_uri"].rpartition("/")[2]]
        values.append([row[f"c{n}"] for n in range(3)])
        assert row["_source_row"] == len(values)
    assert found == expected
    assert outcome.rejected() == []
