from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import ServiceUnavailable

from localcloud.command import follow
from localcloud.command.datasets import Dataset
from localcloud.command.follow import Follower, Result, judge_loaded
from localcloud.command.way import Way
from localcloud.launcher.cloud import SERVERS, Cloud
from localcloud.launcher.errors import CommandError
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.web import WebError

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


@pytest.mark.parametrize(
    "error",
    [
        WebError("busy"),
        CommandError("BigQuery says: busy"),
        ServiceUnavailable("busy"),  # type: ignore[no-untyped-call]
        requests.ReadTimeout("busy"),
    ],
)
@pytest.mark.parametrize(("timeout", "succeeded"), [(60, True), (-1, False)])
def test_a_failing_round_is_followed_by_another_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, timeout: float, succeeded: bool
) -> None:
    class Troubled(Follower):
        rounds = 0

        def _look(self, ways: Sequence[Way]) -> None:
            self.rounds += 1
            if self.rounds == 1:
                raise error
            for one in ways:
                one.end("loaded", succeeded=True)

    monkeypatch.setattr(follow, "_PAUSE", 0)
    cloud = Cloud(Place(ROOT, tmp_path), dict.fromkeys(SERVERS, 1))
    way = Way("a.csv", "price_quote", *KEY, datetime.now(UTC))
    Troubled(cloud, {}).follow([way], timeout, lambda: None)
    assert way.succeeded is succeeded
    if not succeeded:
        assert "not done after" in way.verdict
        assert "busy" in way.verdict
