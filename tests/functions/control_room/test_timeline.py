"""The picture of a batch's steps: where each bar stands on the axis, and which marks the axis has."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from room.timeline import RECORDED, draw_timeline
from tests.bigquery.world import NOON

AXIS = 78.0


def step(begins: float | None, seconds: float | None, task: str = "t", **fields: Any) -> dict[str, Any]:
    started = None if begins is None else NOON + timedelta(seconds=begins)
    finished = None if started is None or seconds is None else started + timedelta(seconds=seconds)
    usual = {
        "task": task,
        "state": "success",
        "started_at": started,
        "finished_at": finished,
        "seconds": seconds,
    }
    return usual | {"resource": None} | fields


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "steps, recorded, expected",
    [
        # (left, width, gap) of each bar, in percent of the axis and in seconds.
        ([step(0, 10)], None, [(0, 100, 0)]),
        ([step(0, 4), step(6, 4)], None, [(0, 40, 0), (60, 40, 2)]),
        # In the order of their begin, whatever the order in the ledger.
        ([step(6, 4), step(0, 4)], None, [(0, 40, 0), (60, 40, 2)]),
        # Side by side: nothing is waited for while anything runs.
        ([step(0, 8), step(2, 1), step(7, 3)], None, [(0, 80, 0), (20, 10, 0), (70, 30, 0)]),
        # A pause that nobody sees is none.
        ([step(0, 5), step(5.05, 4.95)], None, [(0, 50, 0), (50.5, 49.5, 0)]),
        ([step(0, 5)], after(10), [(0, 50, 0), (100, None, 5)]),
        # The ledger has a row from before the steps that are known: an earlier try.
        ([step(0, 5)], after(-10), [(0, 100, 0)]),
        # Nobody knows when it began, or how long it took.
        ([step(None, None), step(0, 10)], None, [(0, 100, 0), (None, None, 0)]),
        ([step(0, 10), step(5, None)], None, [(0, 100, 0), (50, None, 0)]),
        # An end before its begin, as clocks have it.
        ([step(0, 10), step(5, -3)], None, [(0, 100, 0), (50, None, 0)]),
        ([step(0, 0)], None, [(0, None, 0)]),
    ],
)
def test_bars(
    steps: list[dict[str, Any]], recorded: datetime | None, expected: list[tuple[float, float, float]]
) -> None:
    timeline = draw_timeline(steps, recorded)
    assert timeline is not None
    for bar, (left, width, gap) in zip(timeline.bars, expected, strict=True):
        assert bar.left == (None if left is None else pytest.approx(AXIS * left / 100, abs=0.01))
        # Whatever is too short to be seen has a width all the same.
        shown = (
            None if left is None else 0.4 if width is None else pytest.approx(AXIS * width / 100, abs=0.01)
        )
        assert bar.width == shown
        assert bar.gap == pytest.approx(gap)
        assert (bar.gap_left is not None) == (gap > 0)


@pytest.mark.parametrize("steps", [[], [step(None, None)]])
def test_without_times_there_is_no_picture(steps: list[dict[str, Any]]) -> None:
    assert draw_timeline(steps, NOON) is None


def test_the_moment_of_the_ledger_is_the_last_mark() -> None:
    timeline = draw_timeline([step(0, 1)], after(2))
    assert timeline is not None
    last = timeline.bars[-1]
    assert (last.task, last.started_at, last.state) == (RECORDED, after(2), None)
    assert timeline.seconds == 2


def test_a_ledger_from_before_resources_is_read() -> None:
    old = step(0, 1)
    del old["resource"]
    timeline = draw_timeline([old], None)
    assert timeline is not None and timeline.bars[0].resource is None


@pytest.mark.parametrize(
    "seconds, marks",
    [
        (0.001, [0]),
        (2.9, [0, 0.5, 1, 1.5, 2, 2.5]),
        (13.8, [0, 5, 10]),
        (60, [0, 10, 20, 30, 40, 50, 60]),
        (361, [0, 120, 240, 360]),
        (7 * 86400, [0, 86400, 2 * 86400, 3 * 86400, 4 * 86400, 5 * 86400, 6 * 86400, 7 * 86400]),
    ],
)
def test_the_axis_has_few_round_marks(seconds: float, marks: list[float]) -> None:
    timeline = draw_timeline([step(0, seconds)], None)
    assert timeline is not None
    assert [tick.seconds for tick in timeline.ticks] == marks
    for tick in timeline.ticks:
        assert tick.left == pytest.approx(AXIS * tick.seconds / seconds, abs=0.01)


@pytest.mark.parametrize("days", [0.6, 1, 2, 3, 10, 45, 400])
def test_the_axis_of_a_batch_that_was_open_for_days_stays_readable(days: float) -> None:
    timeline = draw_timeline([step(0, days * 86400)], None)
    assert timeline is not None
    assert 2 <= len(timeline.ticks) <= 13
