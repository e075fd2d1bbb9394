import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.journal import Manifest, open_entry, settle
from landfall_dags.metrics import Metrics, Rows, check_metrics
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.quality import WARN
from tests.composer_dags.conftest import pipeline_document

FILES = tuple(
    SourceFile(f"gs://landing/price_quote/{name}.csv", 7, 10, "AAAAAA==", None, "2025-11-21T01:26:02.123456Z")
    for name in "ab"
)


KEY = "projects/p/secrets/s/versions/3"


def manifest() -> Manifest:
    entry = open_entry("price_quote", FILES, "run", "1.0.0", "2025-11-21T01:26:03.000000Z")
    return settle(entry, "1.0.0", "archive", set(), KEY)


def rule(name: str, severity: str, passed: bool) -> dict[str, Any]:
    return {
        "rule": name,
        "metric": "nullValues",
        "columns": ["cost"],
        "severity": severity,
        "operator": "mustBeLessThan",
        "threshold": [20],
        "unit": "percent",
        "found": 0 if passed else 100 / 3,
        "total": 3,
        "passed": passed,
    }


@pytest.fixture
def contract(pipeline: Pipeline) -> Pipeline:
    return replace(pipeline, quality=("plausible", "filled"))


def check(metrics: dict[str, Any], contract: Pipeline) -> Metrics:
    return check_metrics(json.dumps(metrics), manifest(), contract, "gs://lake/x/metrics.json")


def document() -> dict[str, Any]:
    counts = {"rows_read": 5, "rows_accepted": 3, "rows_rejected": 2}
    nothing = dict.fromkeys(counts, 0)
    return {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": manifest().entry.batch_id,
        "output": "gs://lake/x/attempts/job-1",
        **counts,
        "rejected_rows_by_reason": {"bad_type": 2},
        "quality": [rule("filled", "fail", True), rule("plausible", "warn", False)],
        "new_columns": [],
        "token_key": KEY,
        "files": [
            {
                "uri": FILES[0].uri,
                "generation": 7,
                "state": "loaded",
                "reason": None,
                "detail": None,
                "missing_columns": ["weight"],
                "unknown_columns": ["Weight (kg)"],
                **counts,
            },
            {
                "uri": FILES[1].uri,
                "generation": 7,
                "state": "rejected",
                "reason": "not_text",
                "detail": "x",
                "missing_columns": [],
                "unknown_columns": [],
                **nothing,
            },
        ],
    }


def test_metrics_that_agree_are_understood(contract: Pipeline) -> None:
    metrics = check(document(), contract)
    assert metrics.rows == Rows(5, 3, 2)
    assert [file.uri for file in metrics.rejected_files] == [FILES[1].uri]
    assert (metrics.files[0].missing_columns, metrics.files[0].unknown_columns) == (
        ("weight",),
        ("Weight (kg)",),
    )
    (broken,) = metrics.broken_rules(WARN)
    assert broken.sentence == (
        "rule plausible: expected nullValues of cost mustBeLessThan 20 percent, "
        "found 33.3333 percent in 3 accepted rows"
    )


def test_columns_are_added_where_the_contract_says_so(contract: Pipeline) -> None:
    found = document() | {"new_columns": ["Weight__kg_"]}
    assert check(found, replace(contract, evolves=True)).new_columns == ("Weight__kg_",)


@pytest.mark.parametrize("where", ["gs://lake/x/metrics.json", "gs://lake/x/attempts/job-1/metrics.json"])
def test_metrics_name_their_output_wherever_they_lie(contract: Pipeline, where: str) -> None:
    found = check_metrics(json.dumps(document()), manifest(), contract, where)
    assert found.output == "gs://lake/x/attempts/job-1"


def write_elsewhere(metrics: dict[str, Any]) -> None:
    metrics["output"] = "gs://lake/y/attempts/job-1"


def lose_a_row(metrics: dict[str, Any]) -> None:
    metrics["rows_accepted"] = metrics["files"][0]["rows_accepted"] = 2


def miscount_the_total(metrics: dict[str, Any]) -> None:
    metrics["rows_read"], metrics["rows_accepted"] = 6, 4


def forget_a_file(metrics: dict[str, Any]) -> None:
    del metrics["files"][1]


def count_a_file_twice(metrics: dict[str, Any]) -> None:
    metrics["files"].append(metrics["files"][1])


def read_another_generation(metrics: dict[str, Any]) -> None:
    metrics["files"][1]["generation"] = 8


def count_rows_of_a_rejected_file(metrics: dict[str, Any]) -> None:
    metrics["files"][1].update(rows_read=1, rows_rejected=1)
    metrics.update(rows_read=6, rows_rejected=3)


def invent_a_state(metrics: dict[str, Any]) -> None:
    metrics["files"][1]["state"] = "lost"


def answer_for_another_batch(metrics: dict[str, Any]) -> None:
    metrics["batch_id"] = "00" * 16


def count_below_zero(metrics: dict[str, Any]) -> None:
    for counts in (metrics, metrics["files"][0]):
        counts.update(rows_read=1, rows_accepted=3, rows_rejected=-2)


def leave_a_rule_unanswered(metrics: dict[str, Any]) -> None:
    del metrics["quality"][0]


def weigh_a_rule_in_a_way_of_its_own(metrics: dict[str, Any]) -> None:
    metrics["quality"][0]["severity"] = "perhaps"


def make_tokens_with_another_key(metrics: dict[str, Any]) -> None:
    metrics["token_key"] = "projects/p/secrets/s/versions/2"


def add_a_column(metrics: dict[str, Any]) -> None:
    metrics["new_columns"] = ["x"]


def leave_out_a_count(metrics: dict[str, Any]) -> None:
    del metrics["rows_read"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (write_elsewhere, "expected output to be gs://lake/x or an attempt's below it"),
        (lose_a_row, "expected rows read = accepted + rejected, found 5 = 2 + 2"),
        (miscount_the_total, "expected totals as the sum over the files to be"),
        (forget_a_file, "expected exactly the 2 files of the manifest, found 1: missing"),
        (count_a_file_twice, "expected exactly the 2 files of the manifest, found 3"),
        (read_another_generation, "not in the manifest"),
        (count_rows_of_a_rejected_file, "expected rows of a rejected file to be"),
        (invent_a_state, "expected state loaded or rejected, found 'lost'"),
        (answer_for_another_batch, "expected version, dataset and batch_id to be"),
        (count_below_zero, "found 1 = 3 . -2"),
        (leave_out_a_count, "expected the Spark job's metrics, found KeyError"),
        (leave_a_rule_unanswered, "expected the quality rules that are answered to be"),
        (weigh_a_rule_in_a_way_of_its_own, "severity 'perhaps'"),
        (make_tokens_with_another_key, "expected token_key to be projects/p/secrets/s/versions/3"),
        (add_a_column, "under a contract that adds none"),
    ],
)
def test_metrics_that_break_a_law_are_terminal(
    spoil: Callable[[dict[str, Any]], None], message: str, contract: Pipeline
) -> None:
    metrics = document()
    spoil(metrics)
    with pytest.raises(TerminalError, match=message.replace("+", r"\+")) as raised:
        check(metrics, contract)
    assert "gs://lake/x/metrics.json" in str(raised.value)


def test_what_is_no_json_is_terminal(contract: Pipeline) -> None:
    with pytest.raises(TerminalError, match=r"gs://lake/x/metrics\.json: expected the Spark job's metrics"):
        check_metrics("{", manifest(), contract, "gs://lake/x/metrics.json")


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=6),
    st.integers(0, 100),
    st.sampled_from(["rows_read", "rows_accepted", "rows_rejected"]),
    st.sampled_from([-1, 1]),
)
def test_one_row_too_many_or_too_few_anywhere_is_found(
    counts: list[tuple[int, int]], place: int, count: str, lost: int
) -> None:
    """Files with these rows accepted and rejected; then one count, of a file or the total, is off by one."""
    sources = [
        replace(FILES[0], uri=f"gs://landing/price_quote/{number}.csv") for number in range(len(counts))
    ]
    entry = open_entry("price_quote", sources, "run", "1.0.0", "2025-11-21T01:26:03.000000Z")
    claimed = settle(entry, "1.0.0", "archive", set(), None)
    contract = parse_pipeline(json.dumps(pipeline_document()), "here")
    total = tuple(map(sum, zip(*counts, strict=True)))
    found = document() | rows_of(*total) | {"batch_id": entry.batch_id, "quality": [], "token_key": None}
    loaded = found["files"][0]
    found["files"] = [
        loaded | rows_of(*rows) | {"uri": source.uri} for source, rows in zip(sources, counts, strict=True)
    ]
    assert check_metrics(json.dumps(found), claimed, contract, "gs://lake/x/metrics.json").rows == Rows(
        sum(total), *total
    )
    spoilt = [found, *found["files"]][place % (len(counts) + 1)]
    spoilt[count] += lost
    with pytest.raises(TerminalError, match="expected rows read"):
        check_metrics(json.dumps(found), claimed, contract, "gs://lake/x/metrics.json")
    # Made to add up again in its own place, it is still not the sum over the files.
    other = "rows_accepted" if count == "rows_read" else "rows_read"
    spoilt[other] += lost
    with pytest.raises(TerminalError, match=r"expected (totals as the sum over the files|rows read)"):
        check_metrics(json.dumps(found), claimed, contract, "gs://lake/x/metrics.json")


def rows_of(accepted: int, rejected: int) -> dict[str, int]:
    return {"rows_read": accepted + rejected, "rows_accepted": accepted, "rows_rejected": rejected}
