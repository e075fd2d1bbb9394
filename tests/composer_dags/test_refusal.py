"""Which batches are refused, and what is then said of their files."""

from dataclasses import replace

import pytest

from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.quality import RuleResult
from landfall_dags.refusal import refuse

WHERE = "gs://lake/x/metrics.json"
FILLED = RuleResult(
    "filled", "nullValues", ("cost",), "fail", "mustBeLessThan", (20.0,), "percent", 50.0, 10, passed=False
)


def metrics_of(rows: Rows, *quality: RuleResult) -> Metrics:
    good = FileResult("gs://landing/d/a.csv", 7, "loaded", None, None, rows)
    bad = FileResult("gs://landing/d/b.csv", 7, "rejected", "not_text", "x", Rows(0, 0, 0))
    return Metrics(rows, (good, bad), quality)


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
    metrics = metrics_of(Rows(read, read - rejected, rejected))
    judged = refuse(metrics, most, WHERE)
    assert (judged.refusal is not None) is refused
    assert judged.rows_to_load == (0 if refused else read - rejected)
    assert judged.rows == metrics.rows
    assert judged.refusal is not None or judged == metrics


def test_a_refusal_rejects_every_file_and_says_what_to_do() -> None:
    metrics = metrics_of(Rows(5, 3, 2))
    judged = refuse(metrics, 0.25, WHERE)
    assert judged.refusal is not None
    for part in (WHERE, "at most 0.25", "found 2 of 5", "drop them again"):
        assert part in judged.refusal
    good, bad = judged.files
    assert (good.state, good.reason, good.rows) == ("rejected", "too_many_rejected_rows", Rows(5, 3, 2))
    assert good.detail == (
        "2 of 5 rows of the batch were rejected, of this file 2 of 5; the contract allows a share of 0.25."
    )
    assert bad == metrics.files[1]


def test_a_broken_rule_refuses_the_batch_and_names_itself_what_it_found_and_its_threshold() -> None:
    metrics = metrics_of(Rows(10, 10, 0), FILLED)
    judged = refuse(metrics, 1.0, WHERE)
    sentence = (
        "rule filled: expected nullValues of cost mustBeLessThan 20 percent, "
        "found 50 percent in 10 accepted rows"
    )
    assert judged.refusal is not None
    assert judged.refusal.startswith(f"{WHERE}: {sentence}. No row of the batch was loaded")
    assert judged.rows_to_load == 0
    good, bad = judged.files
    assert (good.state, good.reason, good.detail) == ("rejected", "quality_failed", f"{sentence}.")
    assert bad == metrics.files[1]
    assert judged.quality == metrics.quality


@pytest.mark.parametrize("rule", [replace(FILLED, passed=True), replace(FILLED, severity="warn")])
def test_what_passes_or_only_warns_refuses_nothing(rule: RuleResult) -> None:
    metrics = metrics_of(Rows(10, 10, 0), rule)
    assert refuse(metrics, 1.0, WHERE) == metrics


def test_a_refusal_gives_every_ground() -> None:
    judged = refuse(metrics_of(Rows(10, 5, 5), FILLED), 0.25, WHERE)
    assert judged.refusal is not None
    assert "found 5 of 10; rule filled: expected" in judged.refusal
    assert judged.files[0].reason == "too_many_rejected_rows"
