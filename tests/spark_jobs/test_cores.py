"""The pure cores: pipelines, tasks, counts, quality rules and unknown columns."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from landfall_spark.errors import ConservationError, PipelineError
from landfall_spark.inspection import Readable, head_length, inspect
from landfall_spark.manifest import SourceFile
from landfall_spark.metrics import FileCounts, check_conservation, check_parts, gather
from landfall_spark.packing import MAX_TASKS, TASK_BYTES, Item, pack
from landfall_spark.parquet import FileRows
from landfall_spark.pipeline import Pipeline, Rule, parse_pipeline
from landfall_spark.quality import evaluate
from landfall_spark.refusal import Refusal
from landfall_spark.unknown import name_new_columns, rescue

FORMAT = {
    "type": "csv",
    "delimiter": ",",
    "quote": '"',
    "encoding": "UTF-8",
    "header": True,
    "null_tokens": [""],
    "unknown_columns": "reject",
}


def _pipeline(*columns: dict[str, Any], **format_: Any) -> Pipeline:
    document = {"version": 2, "dataset": "d", "format": {**FORMAT, **format_}, "columns": list(columns)}
    return parse_pipeline(json.dumps(document), "gs://lake/d/0/pipeline.json")


def _strings(*names: str) -> Pipeline:
    return _pipeline(*({"name": name, "type": "STRING", "required": True} for name in names))


def _inspect(content: bytes, pipeline: Pipeline, name: str = "gs://archive/a.csv") -> Readable | Refusal:
    return inspect(name, len(content), content[: head_length(pipeline)], pipeline)


def test_the_detail_of_a_header_tells_the_difference() -> None:
    contract = _strings("id", "name", "cost")
    refusal = _inspect(b"id,name,prize\n1,2,3\n", contract)
    assert isinstance(refusal, Refusal)
    assert refusal.detail == (
        "found 3 columns: missing cost; unknown prize; expected 3 columns: id, name, cost"
    )
    swapped = _inspect(b"name,id,cost\n", contract)
    assert isinstance(swapped, Readable)
    assert swapped.layout.positions == (1, 0, 2)


def test_a_first_line_that_may_be_data_is_not_repeated() -> None:
    refusal = _inspect(b"Jane Doe,4111 1111,12.50\n", _strings("id", "name", "cost"))
    assert isinstance(refusal, Refusal)
    assert "Jane" not in refusal.detail
    assert "4111" not in refusal.detail
    assert refusal.detail.startswith(
        "found 3 fields, 0 of them columns of the contract: is the header missing?"
    )


def test_the_detail_is_bounded() -> None:
    refusal = _inspect(b"x\n", _strings(*(f"column_{index}" for index in range(1000))))
    assert isinstance(refusal, Refusal)
    assert len(refusal.detail) == 1000


def test_a_header_longer_than_a_usual_head_is_seen_whole() -> None:
    contract = _strings(*(f"a_rather_long_name_of_a_column_{index}" for index in range(3000)))
    content = ",".join(contract.header).encode() + b"\n"
    assert len(content) > 64 * 1024
    assert isinstance(_inspect(content, contract), Readable)
    assert isinstance(_inspect(gzip.compress(content), contract, "gs://archive/a.csv.gz"), Readable)


def test_a_character_cut_by_the_end_of_the_head_is_no_damage() -> None:
    contract = _strings("id")
    for shift in range(4):
        content = b"id\n" + b"x" * shift + "😀".encode() * 40000
        assert isinstance(_inspect(content, contract), Readable)


def test_a_large_gzip_file_is_judged_by_its_head() -> None:
    contract = _strings("id")
    content = gzip.compress(b"id\n" + bytes(range(65, 91)) * 400_000)
    found = inspect("gs://archive/a.csv.gz", len(content), content[:1000], contract)
    assert isinstance(found, Readable)


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
        ({"escape": '"'}, "escape: expected another character than delimiter and quote"),
        ({"encoding": "latin-1"}, "encoding: expected one of UTF-8, UTF-16, .*, found latin-1"),
        ({"header": "no"}, "header: expected bool, found"),
        ({"unknown_columns": "keep"}, "unknown_columns: expected one of reject, ignore, rescue, evolve"),
        ({"max_text_bytes": 0}, "max_text_bytes: expected at least 1, found 0"),
        ({"null_tokens": ["", 1]}, "null_tokens: expected a list of strings"),
    ],
)
def test_dialects_that_are_not_taken(format_: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        _pipeline({"name": "a", "type": "STRING"}, **format_)


def test_column_names_that_differ_in_case_only_are_not_taken() -> None:
    with pytest.raises(PipelineError, match="columns: expected names that differ"):
        _strings("a", "A")


INSTANT = datetime(2026, 11, 21, 1, 26, tzinfo=UTC)
FILE = SourceFile("gs://landing/d/a.csv", 1, 10, INSTANT, "gs://archive/d/a.csv")


def test_rows_that_add_up_pass() -> None:
    part = FileCounts(numbered=2, accepted=1, rejected=1, written=FileRows(2, 3), reasons=Counter(bad_type=1))
    rest = FileCounts(numbered=3, accepted=1, written=FileRows(1, 3))
    counts = gather([{0: rest}, {0: part}])
    assert counts == {
        0: FileCounts(numbered=3, accepted=2, rejected=1, written=FileRows(3, 6), reasons=Counter(bad_type=1))
    }
    check_conservation([FILE], counts, "gs://lake/d/0")


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (
            FileCounts(3, 2, 0, FileRows(2, 3)),
            "expected 3 rows, its last row's number, found 2 accepted and 0",
        ),
        (
            FileCounts(3, 2, 2, FileRows(4, 10)),
            "expected 3 rows, its last row's number, found 2 accepted and 2",
        ),
        (
            FileCounts(3, 2, 1, FileRows(2, 3)),
            "expected rows 1 to 3, each once, .* found 2 rows whose numbers",
        ),
        (FileCounts(3, 2, 1, FileRows(3, 5)), "found 3 rows whose numbers add up to 5; run the job again"),
    ],
)
def test_rows_that_do_not_add_up_stop_the_batch(count: FileCounts, message: str) -> None:
    with pytest.raises(ConservationError, match=message) as caught:
        check_conservation([FILE], {0: count}, "gs://lake/d/0")
    assert str(caught.value).startswith("gs://landing/d/a.csv#1: ")


@pytest.mark.parametrize("found", [["a", "b", "c"], ["a"], []])
def test_files_that_this_run_did_not_write_stop_the_batch(found: list[str]) -> None:
    check_parts(["a", "b"], ["b", "a"], "gs://lake/d/0/accepted")
    with pytest.raises(ConservationError, match="gs://lake/d/0/accepted: expected exactly the files"):
        check_parts(["a", "b"], found, "gs://lake/d/0/accepted")


def test_ranges_are_packed_in_order() -> None:
    mebibyte = 1024 * 1024
    weights = [30, 30, 30, 64, 200, 1, 0, 63]
    items = [Item(index, weight * mebibyte) for index, weight in enumerate(weights)]
    assert pack(items) == [(0, 1), (2,), (3,), (4,), (5, 6, 7)]
    assert pack([]) == []


def test_the_number_of_tasks_is_bounded() -> None:
    items = [Item(index, TASK_BYTES) for index in range(3 * MAX_TASKS)]
    tasks = pack(items)
    assert len(tasks) == MAX_TASKS
    assert [index for task in tasks for index in task] == list(range(len(items)))


def test_new_columns_get_valid_names_that_nobody_has() -> None:
    headers = ["Valor (R$)", "valor__r__", "1x", "ID", " valor (r$) ", "", "_PARTITIONTIME", "x" * 400]
    names = name_new_columns(headers, ["id"])
    assert list(names.values()) == [
        "Valor__R__",
        "valor__r___2",
        "_1x",
        "ID_2",
        "_",
        "column_PARTITIONTIME",
        "x" * 300,
    ]
    assert names["valor (r$)"] == "Valor__R__"


def test_unknown_columns_are_rescued_as_json() -> None:
    texts = {' a"b ': ["plain", 'a "quote" \\', ""], "ç": ["line\nbreak", "tab\t", "ü😀"]}
    found = rescue({name: pa.array(values) for name, values in texts.items()}, 3)
    assert [json.loads(text) for text in found.to_pylist()] == [
        {name.strip(): values[index] for name, values in texts.items()} for index in range(3)
    ]
    assert rescue({}, 2).to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("operator", "threshold", "passing"),
    [
        ("mustBe", [2], [2]),
        ("mustNotBe", [2], [1, 3]),
        ("mustBeGreaterThan", [2], [3]),
        ("mustBeGreaterOrEqualTo", [2], [2, 3]),
        ("mustBeLessThan", [2], [1]),
        ("mustBeLessOrEqualTo", [2], [1, 2]),
        ("mustBeBetween", [1, 2], [1, 2]),
        ("mustNotBeBetween", [1, 2], [3]),
    ],
)
def test_operators_hold_what_was_found_against_the_threshold(
    operator: str, threshold: list[float], passing: list[int]
) -> None:
    rule = _rule(operator=operator, threshold=tuple(threshold))
    answers = {found: evaluate([rule], 10, {"r": found}, {})[0] for found in (1, 2, 3)}
    assert [found for found, answer in answers.items() if answer["passed"]] == passing


def test_a_rule_is_answered_in_its_unit() -> None:
    percent = _rule(unit="percent", threshold=(25.0,))
    rows = _rule(metric="rowCount", columns=(), severity="fail")
    assert evaluate([percent, rows], 8, {"r": 2}, {}) == [
        {
            "rule": "r",
            "metric": "nullValues",
            "columns": ["a"],
            "severity": "warn",
            "operator": "mustBe",
            "threshold": [25.0],
            "unit": "percent",
            "found": 25.0,
            "total": 8,
            "passed": True,
        },
        {
            "rule": "r",
            "metric": "rowCount",
            "columns": [],
            "severity": "fail",
            "operator": "mustBe",
            "threshold": [0.0],
            "unit": "rows",
            "found": 8,
            "total": 8,
            "passed": False,
        },
    ]
    assert evaluate([percent], 0, {}, {})[0]["found"] == 0


def _rule(
    metric: str = "nullValues",
    columns: tuple[str, ...] = ("a",),
    operator: str = "mustBe",
    threshold: tuple[float, ...] = (0.0,),
    unit: str = "rows",
    severity: str = "warn",
) -> Rule:
    return Rule("r", metric, columns, operator, threshold, unit, severity)
