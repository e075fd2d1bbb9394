"""A file's head tells how its fields map to the contract, or why it is refused."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from landfall_spark.header import Layout, match
from landfall_spark.inspection import Readable, Refusal, head_length, inspect
from landfall_spark.pipeline import Column, Pipeline
from tests.spark_jobs.test_records import make_format


def make_contract(**format: Any) -> Pipeline:
    columns = (
        Column("id", "STRING", required=True, header="id"),
        Column("valor", "STRING", header="Valor (R$)"),
        Column("descricao", "STRING", required=True, header="Descrição"),
    )
    return Pipeline("orders", make_format(**format), columns)


def _inspect(content: bytes, name: str = "a.csv", **format: Any) -> Readable | Refusal:
    return inspect(name, len(content), content, make_contract(**format))


def _describe(header: list[str], **format: Any) -> str:
    found = match(header, make_contract(**format))
    assert isinstance(found, Refusal)
    assert found.reason == "header_mismatch"
    return found.detail.partition("; expected")[0]


def test_columns_are_found_by_name() -> None:
    contract = make_contract(unknown_columns="rescue")
    assert match(["x", "DESCRIC\u0327A\u0303O", " id\t"], contract) == Layout(
        3, (2, None, 1), ((0, "x"),), ("valor",)
    )


def test_a_refusal_names_what_differs() -> None:
    assert _describe(["id", "valor (r$)"]) == "found 2 columns: missing Descrição"
    assert _describe(["id", "Descrição", "x"]) == "found 3 columns: unknown x"
    assert _describe(["id", "Descrição", "ID"]) == "found 3 columns: repeated ID, id"
    assert (
        _describe(["id", "Descrição", "x", "X"], unknown_columns="ignore") == "found 4 columns: repeated X, x"
    )


def test_a_refusal_repeats_no_line_that_may_be_data() -> None:
    missing = "is the header missing?"
    assert _describe(["7", "Ana", "9"]) == f"found 3 fields, 0 of them columns of the contract: {missing}"
    assert _describe(["id", "Ana", "9"]) == f"found 3 fields, 1 of them columns of the contract: {missing}"
    assert _describe(["7"], unknown_columns="ignore").endswith(missing)


def test_the_first_record_begins_after_directive_and_header() -> None:
    layout = Layout(3, (0, 2, 1), (), ())
    header = 'id,"Descrição",Valor (R$)'
    for text in (f"{header}\n1,2,3", f"\n\r\n{header}\r\n1,2,3", f"sep=,\r\n{header}\n1,2,3", f"{header}\n"):
        offset = len(text.encode().removesuffix(b"1,2,3"))
        assert _inspect(text.encode()) == Readable(layout, offset, offset)
        assert _inspect(text.encode("utf-8-sig")) == Readable(layout, offset, offset + 3)
        packed = _inspect(gzip.compress(text.encode()), "a.csv.gz")
        assert isinstance(packed, Readable)
        assert packed.offset == offset
        wide = _inspect(text.encode("utf-16"), encoding="UTF-16")
        assert isinstance(wide, Readable)
        assert (wide.layout, wide.offset) == (layout, offset)
        stored = text.encode("cp1252")
        start = len(stored.removesuffix(b"1,2,3"))
        assert _inspect(stored, encoding="windows-1252") == Readable(layout, offset, start)


def test_a_file_without_header_maps_by_position() -> None:
    layout = Layout(3, (0, 1, 2), (), ())
    assert _inspect(b"1,2,3\n", header=False) == Readable(layout, 0, 0)
    assert _inspect(b"\xef\xbb\xbfsep=,\n1,2,3\n", header=False) == Readable(layout, 6, 9)


def test_a_long_head_is_cut_without_damage() -> None:
    contract = make_contract()
    text = "id,Descrição\n" + "1,漢字\n" * 30_000
    for extra in range(4):
        length = head_length(contract) + extra
        assert isinstance(inspect("a.csv", len(text.encode()), text.encode()[:length], contract), Readable)
        packed = gzip.compress(text.encode(), mtime=0)
        assert isinstance(inspect("a.csv.gz", len(packed), packed[: 200 + extra], contract), Readable)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.csv", "empty_file"),
        (gzip.compress(b""), "a.csv.gz", "empty_file"),
        (gzip.compress(b"id,x"), "a.csv", "not_text"),
        (b"\xef\xbb\xbf", "a.csv", "header_mismatch"),
        (b"\n\n", "a.csv", "header_mismatch"),
        (b'id,"Descri\xc3\xa7\xc3\xa3o\n1,2\n', "a.csv", "header_mismatch"),
        (b'"id"x,y\n', "a.csv", "header_mismatch"),
        ("id,Descrição\n".encode("cp1252"), "a.csv", "not_text"),
        (b"i\0d,x,y,z,u,v,w\n", "a.csv", "not_text"),
        ("id,Descrição\n1,2\n".encode("utf-16"), "a.csv", "not_text"),
        (gzip.compress(b"id,x")[:-3], "a.csv.gz", "unreadable"),
        (b"id,x", "a.csv.gz", "unreadable"),
    ],
)
def test_a_file_is_refused(content: bytes, name: str, reason: str) -> None:
    found = _inspect(content, name)
    assert isinstance(found, Refusal)
    assert found.reason == reason
