from datetime import UTC, datetime, timedelta

import pytest

from localcloud.command.freshness import judge_freshness
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROMISE = 900


def landed(age: float) -> Landed:
    return Landed("gs://l/price_quote/a.csv", 1, NOW - timedelta(seconds=age))


def opened(age: float) -> OpenBatch:
    return OpenBatch("price_quote", "b1", "run", NOW - timedelta(seconds=age), frozenset())


@pytest.mark.parametrize(
    ("pending", "batches", "trusted", "state", "waiting"),
    [
        ([], [], None, "empty", None),
        ([], [], 10**6, "fresh", None),
        ([landed(900)], [], None, "fresh", 900),
        ([landed(901)], [], 1, "late", 901),
        ([landed(1), landed(901)], [opened(3)], 1, "late", 901),
        ([], [opened(901)], 1, "late", 901),
        ([landed(5)], [opened(900)], None, "fresh", 900),
        # A clock that runs ahead.
        ([landed(-30)], [], None, "fresh", 0),
        ([], None, 1, "unreadable", None),
        ([landed(901)], None, 1, "unreadable", 901),
    ],
)
def test_a_dataset_is_late_while_something_waits_for_longer_than_promised(
    pending: list[Landed],
    batches: list[OpenBatch] | None,
    trusted: float | None,
    state: str,
    waiting: int | None,
) -> None:
    trusted_at = None if trusted is None else NOW - timedelta(seconds=trusted)
    found = judge_freshness(pending, batches, PROMISE, trusted_at, NOW)
    assert (found.state, found.waiting_seconds, found.trusted_at) == (state, waiting, trusted_at)


def test_the_alerts_call_the_same_late() -> None:
    """What the sweep calls stuck, of which the alert is made, is what makes a dataset late here."""
    from landfall_dags.identity import SourceFile, timestamp
    from landfall_dags.journal import Journal, Open, open_entry
    from landfall_dags.sweep_report import Found, is_stuck

    for age in (0, 899, 900, 901, 5000):
        moment = timestamp(NOW - timedelta(seconds=age))
        file = SourceFile("gs://l/price_quote/a.csv", 1, 1, "", None, moment)
        waiting = Found("price_quote", (file,), Journal("price_quote"), "gs://l/open.json")
        entry = open_entry("price_quote", [file], "run", "1", moment)
        working = Found("price_quote", (), Journal("price_quote", (Open(entry),)), "gs://l/open.json")
        stuck = [bool(is_stuck(found, PROMISE, NOW)) for found in (waiting, working)]
        late = [
            judge_freshness(pending, batches, PROMISE, None, NOW).state == "late"
            for pending, batches in (([landed(age)], []), ([], [opened(age)]))
        ]
        assert late == stuck
