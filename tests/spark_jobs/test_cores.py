"""The pure cores: heads of files, formats, pipelines, and the law of conservation."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from landfall_spark.errors import ConservationError, PipelineError
from landfall_spark.inspection import Refusal, head_length, inspect
from landfall_spark.manifest import SourceFile
from landfall_spark.metrics import FileCounts, check_conservation, collect_counts
from landfall_spark.pipeline import Pipeline, parse_pipeline
from landfall_spark.temporal import translate

FORMAT = {
    "type": "csv",
    "delimiter": ",",
    "quote": '"',
    "escape": '"',
    "encoding": "UTF-8",
    "header": True,
    "null_tokens": [""],
}


def _pipeline(*columns: dict[str, Any], **format_: Any) -> Pipeline:
    document = {"version": 1, "dataset": "d", "format": {**FORMAT, **format_}, "columns": list(columns)}
    return parse_pipeline(json.dumps(document), "gs://lake/d/0/pipeline.json")


def _strings(*names: str) -> Pipeline:
    return _pipeline(*({"name": name, "type": "STRING"} for name in names))


def _inspect(content: bytes, pipeline: Pipeline, name: str = "gs://archive/a.csv") -> Refusal | None:
    return inspect(name, len(content), content[: head_length(pipeline)], pipeline)


def test_the_detail_of_a_header_tells_the_difference() -> None:
    contract = _strings("id", "name", "cost")
    refusal = _inspect(b"id,name,prize\n1,2,3\n", contract)
    assert refusal is not None
    assert refusal.detail == (
        "found 3 columns: missing cost; unknown prize; expected 3 columns in this order: id, name, cost"
    )
    swapped = _inspect(b"name,id,cost\n", contract)
    assert swapped is not None
    assert swapped.detail.startswith("found 3 columns: the same ones in another order; expected 3")


def test_a_first_line_that_may_be_data_is_not_repeated() -> None:
    refusal = _inspect(b"Jane Doe,4111 1111,12.50\n", _strings("id", "name", "cost"))
    assert refusal is not None
    assert "Jane" not in refusal.detail
    assert "4111" not in refusal.detail
    assert refusal.detail.startswith(
        "found 3 fields, 0 of them columns of the contract: is the header missing?"
    )


def test_the_detail_is_bounded() -> None:
    refusal = _inspect(b"x\n", _strings(*(f"column_{index}" for index in range(1000))))
    assert refusal is not None
    assert len(refusal.detail) == 1000


def test_a_header_longer_than_a_usual_head_is_seen_whole() -> None:
    contract = _strings(*(f"a_rather_long_name_of_a_column_{index}" for index in range(3000)))
    content = ",".join(contract.header).encode() + b"\n"
    assert len(content) > 64 * 1024
    assert _inspect(content, contract) is None
    assert _inspect(gzip.compress(content), contract, "gs://archive/a.csv.gz") is None


def test_a_character_cut_by_the_end_of_the_head_is_no_damage() -> None:
    contract = _strings("id")
    for shift in range(4):
        content = b"id\n" + b"x" * shift + "😀".encode() * 40000
        assert _inspect(content, contract) is None


def test_a_large_gzip_file_is_judged_by_its_head() -> None:
    contract = _strings("id")
    content = gzip.compress(b"id\n" + bytes(range(65, 91)) * 400_000)
    assert inspect("gs://archive/a.csv.gz", len(content), content[:1000], contract) is None


def test_formats_become_patterns_and_shapes() -> None:
    assert [(one.pattern, one.shape) for one in translate("%Y-%m-%d", "DATE")] == [
        ("yyyy'-'MM'-'dd", r"^(?!0000)[0-9]{4}\-[0-9]{2}\-[0-9]{2}\z")
    ]
    assert [one.pattern for one in translate("%d o'clock%% %m%Y", "DATE")] == ["dd' o''clock% 'MMyyyy"]
    assert [one.pattern for one in translate("%Y%m%dT%H%M%S%z", "TIMESTAMP")] == [
        "yyyyMMdd'T'HHmmssXXX",
        "yyyyMMdd'T'HHmmssXX",
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("%Y-%m", "DATE"),
        ("%Y-%m-%d %H", "DATE"),
        ("%Y-%m-%d%z", "DATETIME"),
        ("%y-%m-%d", "DATE"),
        ("%Y-%m-%d-%d", "DATE"),
        ("%Y-%m-%d%", "DATE"),
        ("%B %d %Y", "DATE"),
    ],
)
def test_formats_that_are_not_taken(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"a {kind} format with %Y, %m and %d"):
        translate(text, kind)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"name": "_id", "type": "STRING"}, "name: expected a letter, then"),
        ({"name": "a", "type": "DATE"}, "formats: expected at least one format"),
        ({"name": "a", "type": "DATE", "formats": ["%x"]}, "formats: expected a DATE format with"),
        (
            {"name": "a", "type": "BOOL", "true_tokens": ["Y"]},
            "true_tokens, false_tokens: expected at least one",
        ),
        (
            {"name": "a", "type": "BOOL", "true_tokens": ["Y"], "false_tokens": ["N", "Y"]},
            "expected no token in both",
        ),
        ({"name": "a", "type": "NUMERIC", "precision": 76, "scale": 38}, "precision <= 38, found 76, 38"),
        ({"name": "a", "type": "STRING", "required": "yes"}, "required: expected bool, found"),
    ],
)
def test_columns_that_are_not_taken(column: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        _pipeline(column)
    assert str(caught.value).startswith("gs://lake/d/0/pipeline.json: columns[0]: ")


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ({"delimiter": ",,"}, "delimiter: expected one ASCII character"),
        ({"delimiter": '"'}, "delimiter: expected another character than the quote"),
        ({"escape": "\\"}, "escape: expected the quote"),
        ({"encoding": "latin-1"}, "encoding: expected UTF-8, found latin-1"),
        ({"header": False}, "header: expected true, found false"),
        ({"null_tokens": ["", 1]}, "null_tokens: expected a list of strings"),
    ],
)
def test_dialects_that_are_not_taken(format_: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        _pipeline({"name": "a", "type": "STRING"}, **format_)


def test_column_names_that_differ_in_case_only_are_not_taken() -> None:
    with pytest.raises(PipelineError, match="columns: expected names that differ"):
        _strings("a", "A")


FILE = SourceFile("gs://landing/d/a.csv", 1, 10, "2026-11-21T01:26:00Z", "gs://archive/d/a.csv")


@pytest.mark.parametrize(
    ("count", "read", "message"),
    [
        (
            FileCounts(accepted=2, rejected=0, last_row=3),
            2,
            "expected 3 rows, its last row's number, found 2",
        ),
        (
            FileCounts(accepted=2, rejected=2, last_row=3),
            4,
            "expected 3 rows, its last row's number, found 2",
        ),
        (FileCounts(accepted=2, rejected=1, last_row=3), 4, "expected the 4 rows that were read, found 3"),
        (FileCounts(accepted=2, rejected=1, last_row=3), 2, "expected the 2 rows that were read, found 3"),
    ],
)
def test_rows_that_do_not_add_up_stop_the_batch(count: FileCounts, read: int, message: str) -> None:
    with pytest.raises(ConservationError, match=message):
        check_conservation([FILE], {(FILE.uri, 1): count}, read, "gs://lake/d/0")


def test_rows_of_a_file_that_is_not_of_the_batch_stop_it() -> None:
    counts = {(FILE.uri, 2): FileCounts(accepted=1, last_row=1)}
    with pytest.raises(ConservationError, match="rows of the batch's files only"):
        check_conservation([FILE], counts, 1, "gs://lake/d/0")


def test_counts_are_gathered_by_file() -> None:
    rows = [("a", 1, True, None, 3, 5), ("a", 1, False, None, 2, 4), ("a", 1, False, "bad_type", 2, 4)]
    counts = collect_counts(rows)
    assert counts == {("a", 1): FileCounts(accepted=3, rejected=2, last_row=5, reasons={"bad_type": 2})}
    check_conservation([SourceFile("a", 1, 0, "", "")], counts, 5, "gs://lake/d/0")
