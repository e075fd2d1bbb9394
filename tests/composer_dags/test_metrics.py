import json
from collections.abc import Callable
from typing import Any

import pytest

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.journal import Manifest, open_entry, settle
from landfall_dags.metrics import Rows, check_metrics, refuse_above

FILES = tuple(
    SourceFile(f"gs://landing/price_quote/{name}.csv", 7, 10, "AAAAAA==", None, "2025-11-21T01:26:02.123456Z")
    for name in "ab"
)


def manifest() -> Manifest:
    entry = open_entry("price_quote", FILES, "run", "1.0.0", "2025-11-21T01:26:03.000000Z")
    return settle(entry, "1.0.0", "archive", set())


def document() -> dict[str, Any]:
    counts = {"rows_read": 5, "rows_accepted": 3, "rows_rejected": 2}
    nothing = dict.fromkeys(counts, 0)
    return {
        "version": 1,
        "dataset": "price_quote",
        "batch_id": manifest().entry.batch_id,
        **counts,
        "rejected_rows_by_reason": {"bad_type": 2},
        "files": [
            {
                "uri": FILES[0].uri,
                "generation": 7,
                "state": "loaded",
                "reason": None,
                "detail": None,
                **counts,
            },
            {
                "uri": FILES[1].uri,
                "generation": 7,
                "state": "rejected",
                "reason": "not_text",
                "detail": "x",
                **nothing,
            },
        ],
    }


def test_metrics_that_agree_are_understood() -> None:
    metrics = check_metrics(json.dumps(document()), manifest(), "gs://lake/metrics.json")
    assert metrics.rows == Rows(5, 3, 2)
    assert [file.uri for file in metrics.rejected_files] == [FILES[1].uri]


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


def leave_out_a_count(metrics: dict[str, Any]) -> None:
    del metrics["rows_read"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
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
    ],
)
def test_metrics_that_break_a_law_are_terminal(spoil: Callable[[dict[str, Any]], None], message: str) -> None:
    metrics = document()
    spoil(metrics)
    with pytest.raises(TerminalError, match=message.replace("+", r"\+")) as raised:
        check_metrics(json.dumps(metrics), manifest(), "gs://lake/x/metrics.json")
    assert "gs://lake/x/metrics.json" in str(raised.value)


def test_what_is_no_json_is_terminal() -> None:
    with pytest.raises(TerminalError, match=r"gs://lake/x/metrics\.json: expected the Spark job's metrics"):
        check_metrics("{", manifest(), "gs://lake/x/metrics.json")


@pytest.mark.parametrize(
    ("read", "rejected", "most", "refused"),
    [
        (10, 1, 0.1, False),
        (30, 3, 0.1, False),
        (1000, 101, 0.1, True),
        (5, 1, 0.0, True),
        (5, 0, 0.0, False),
        (0, 0, 0.0, False),
        (5, 5, 1.0, False),
    ],
)
def test_a_batch_is_refused_above_its_limit_and_not_at_it(
    read: int, rejected: int, most: float, refused: bool
) -> None:
    counts = {"rows_read": read, "rows_accepted": read - rejected, "rows_rejected": rejected}
    found = document() | counts
    found["files"][0].update(counts)
    metrics = check_metrics(json.dumps(found), manifest(), "gs://lake/metrics.json")
    judged = refuse_above(metrics, most, "gs://lake/metrics.json")
    assert (judged.refusal is not None) is refused
    assert judged.rows_to_load == (0 if refused else read - rejected)
    assert judged.rows == metrics.rows
    assert judged.refusal is not None or judged == metrics


def test_a_refusal_rejects_every_file_and_says_what_to_do() -> None:
    metrics = check_metrics(json.dumps(document()), manifest(), "gs://lake/metrics.json")
    judged = refuse_above(metrics, 0.25, "gs://lake/x/metrics.json")
    assert judged.refusal is not None
    for part in ("gs://lake/x/metrics.json", "at most 0.25", "found 2 of 5", "drop them again"):
        assert part in judged.refusal
    good, bad = judged.files
    assert (good.state, good.reason, good.rows) == ("rejected", "too_many_rejected_rows", Rows(5, 3, 2))
    assert good.detail == (
        "2 of 5 rows of the batch were rejected, of this file 2 of 5; the contract allows a share of 0.25."
    )
    assert bad == metrics.files[1]
