from typing import Any

import pytest

from localcloud.command.datasets import Dataset
from localcloud.command.follow import Result, judge_loaded

DATASET = Dataset("price_quote", ("id",), "raw.price_quote", "trusted.price_quote")
KEY = ("gs://l/price_quote/a.csv", 7)


def ledger_row(accepted: int, reason: str | None = None) -> dict[str, Any]:
    return {
        "source_uri": KEY[0],
        "source_generation": KEY[1],
        "reason": reason,
        "detail": None,
        "rows_read": accepted + 1,
        "rows_accepted": accepted,
        "rows_rejected": 1,
    }


def test_a_file_is_loaded_when_all_its_rows_are_in_raw_and_their_keys_in_trusted() -> None:
    verdict, succeeded = judge_loaded(ledger_row(5), Result({}, {KEY: (5, 0)}, 40), DATASET)
    assert succeeded
    assert verdict == "loaded: 6 rows read, 5 accepted, 1 rejected; trusted.price_quote has 40 rows"


@pytest.mark.parametrize("counted", [{}, {KEY: (4, 0)}, {KEY: (10, 0)}, {KEY: (5, 1)}])
def test_the_ledger_alone_is_not_believed(counted: dict[tuple[str, int], tuple[int, int]]) -> None:
    verdict, succeeded = judge_loaded(ledger_row(5), Result({}, counted, 40), DATASET)
    assert not succeeded
    assert "the ledger says loaded, but" in verdict


def test_a_file_without_rows_is_loaded_with_the_reason() -> None:
    verdict, succeeded = judge_loaded(ledger_row(0, "no_rows"), Result({}, {}, 0), DATASET)
    assert succeeded
    assert verdict.startswith("loaded (no_rows): ")
