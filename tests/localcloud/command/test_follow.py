from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import ServiceUnavailable
from google.auth.exceptions import TransportError

from localcloud.command import follow
from localcloud.command.datasets import Dataset
from localcloud.command.follow import Follower, Result, judge_loaded
from localcloud.command.journal import OpenBatch
from localcloud.command.way import Way
from localcloud.deployment.local import LocalDeployment
from localcloud.launcher.cloud import SERVERS, Cloud
from localcloud.launcher.errors import CommandError
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.web import WebError

DATASET = Dataset("price_quote", ("id",), "raw.price_quote", "trusted.price_quote", "ops.rejected")
KEY = ("gs://l/price_quote/a.csv", 7)


class Standing(LocalDeployment):
    """A local cloud that is believed to run, of one dataset, at which no server answers."""

    pause = 0
    datasets = {"price_quote": DATASET}  # noqa: RUF012

    def __init__(self, home: Path) -> None:
        super().__init__(Place(ROOT, home))
        self._whole = Cloud(self._place, dict.fromkeys(SERVERS, 1))


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


def test_where_trusted_hides_rows_the_ledger_and_raw_are_believed() -> None:
    verdict, succeeded = judge_loaded(ledger_row(5), Result({}, {KEY: (5, 0)}, None), DATASET)
    assert succeeded
    assert verdict == (
        "loaded: 6 rows read, 5 accepted, 1 rejected; trusted.price_quote was not looked into, for its "
        "contract keeps some of it for its roles"
    )
    assert not judge_loaded(ledger_row(5), Result({}, {KEY: (4, 0)}, None), DATASET)[1]


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
        TransportError("busy"),  # type: ignore[no-untyped-call]
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

    way = Way("a.csv", "price_quote", *KEY, datetime.now(UTC))
    Troubled(Standing(tmp_path)).follow([way], timeout, lambda: None)
    assert way.succeeded is succeeded
    if not succeeded:
        assert "not done after" in way.verdict
        assert "busy" in way.verdict


def test_what_asking_again_cannot_mend_ends_it_at_once(tmp_path: Path) -> None:
    class Refused(Follower):
        def _look(self, ways: Sequence[Way]) -> None:
            raise WebError("you may not", 403)

    way = Way("a.csv", "price_quote", *KEY, datetime.now(UTC))
    with pytest.raises(WebError, match="you may not"):
        Refused(Standing(tmp_path)).follow([way], 60, lambda: None)
    assert not way.is_over


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Follower:
    """A follower whose ledger has a batch that was divided, its part with the file, and a replay given up."""
    batches = {
        "whole": {"state": "divided", "claimed_at": AT, "detail": None},
        "part": {"state": "succeeded", "claimed_at": AT, "detail": None},
        "replay": {"state": "failed", "claimed_at": AT, "detail": "given up after 3 failed runs"},
    }
    row = ledger_row(5) | {"batch_id": "part", "state": "loaded", "recorded_at": AT, "claimed_at": AT}
    monkeypatch.setattr(follow.ledger, "find_batch", lambda _, batch: batches.get(batch))
    monkeypatch.setattr(follow.ledger, "find_batch_of", lambda *_: "part")
    monkeypatch.setattr(follow.ledger, "find_replay", lambda *_: "replay")
    monkeypatch.setattr(follow.ledger, "list_batch_files", lambda _, name, __: [row] * (name == "part"))
    monkeypatch.setattr(follow.ledger, "count_missing", lambda *_: {KEY: (5, 0)})
    monkeypatch.setattr(follow.ledger, "count_trusted", lambda *_: {"price_quote": 40})
    return Follower(Standing(tmp_path))


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def batch_of(name: str, replay: str | None = None) -> OpenBatch:
    return OpenBatch("price_quote", name, "run", AT, frozenset({KEY}), replay)


def test_a_file_of_a_divided_batch_is_judged_by_the_part_that_had_it(follower: Follower) -> None:
    one = Way("a.csv", "price_quote", *KEY, AT, batch=batch_of("whole"))
    follower._judge(one)
    assert one.succeeded
    assert one.reached["recorded"][1] == "batch part"


def test_rows_that_may_be_hidden_are_not_said_to_be_missing(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Standing, "guards", True)
    monkeypatch.setattr(Standing, "datasets", {"price_quote": replace(DATASET, guarded=True)})
    monkeypatch.setattr(follow.ledger, "count_in_raw", lambda *_: {KEY: 5})
    monkeypatch.setattr(follow.ledger, "count_missing", lambda *_: {KEY: (5, 5)})
    again = Follower(follower._deployment)
    one = Way("a.csv", "price_quote", *KEY, AT, batch=batch_of("part"))
    again._judge(one)
    assert one.succeeded
    assert "was not looked into" in one.verdict


def test_a_replay_that_was_given_up_has_failed(follower: Follower) -> None:
    one = Way("a.csv", "price_quote", *KEY, AT, replay="whole", batch=batch_of("replay", "whole"))
    follower._judge(one)
    assert (one.succeeded, one.verdict) == (False, "failed: given up after 3 failed runs")
