"""The steps of a batch as bars on one axis of time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# Of the width; the rest is for what stands at the end of the last bar.
_AXIS = 78.0
_LEAST = 0.4
_MOST_TICKS = 6
_TICKS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_DAY = 86400
# A shorter pause between two steps is not worth a mark.
_LEAST_GAP = 0.1
RECORDED = "recorded"


@dataclass(frozen=True)
class Bar:
    """A step. `left` and `width` are percent of the picture's width, None where its times are not known.

    `gap` is the time in seconds, and `gap_left` where it begins, in which nothing ran before the step.
    """

    task: str
    state: str | None
    started_at: datetime | None
    seconds: float | None
    resource: str | None
    left: float | None = None
    width: float | None = None
    gap: float = 0.0
    gap_left: float | None = None


@dataclass(frozen=True)
class Tick:
    """A mark of the axis: where, in percent, and how many seconds after its begin."""

    left: float
    seconds: float


@dataclass(frozen=True)
class Timeline:
    """The bars in the order of their begin, the marks of the axis, and how long the whole took."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    seconds: float


def draw_timeline(steps: Iterable[Mapping[str, Any]], recorded_at: datetime | None) -> Timeline | None:
    """The picture of these steps, and of the moment when the ledger was written; None where there is none."""
    steps = sorted(steps, key=lambda step: (step["started_at"] is None, step["started_at"]))
    begins = [step["started_at"] for step in steps if step["started_at"]]
    if not begins:
        return None
    ends = [_end(step) for step in steps if step["started_at"]]
    start, end = begins[0], max(ends)
    if recorded_at and recorded_at >= end:
        steps = [*steps, _moment(recorded_at)]
        end = recorded_at
    whole = max((end - start).total_seconds(), 0.001)
    return Timeline(_bars(steps, start, whole), _ticks(whole), whole)


def _bars(steps: Sequence[Mapping[str, Any]], start: datetime, whole: float) -> list[Bar]:
    bars, busy_until = [], start
    for step in steps:
        facts = (step["task"], step["state"], step["started_at"], step["seconds"], step.get("resource"))
        if step["started_at"] is None:
            bars.append(Bar(*facts))
            continue
        began, ended = step["started_at"], _end(step)
        gap = max(0.0, (began - busy_until).total_seconds())
        bars.append(
            Bar(
                *facts,
                left=_at(began, start, whole),
                width=max(_LEAST, round(_AXIS * (ended - began).total_seconds() / whole, 3)),
                gap=gap if gap >= _LEAST_GAP else 0.0,
                gap_left=_at(busy_until, start, whole) if gap >= _LEAST_GAP else None,
            )
        )
        busy_until = max(busy_until, ended)
    return bars


def _ticks(whole: float) -> list[Tick]:
    days = -(-whole // _DAY)
    step = next((step for step in _TICKS if whole / step <= _MOST_TICKS), _DAY * max(1, days // _MOST_TICKS))
    return [
        Tick(round(_AXIS * number * step / whole, 3), number * step)
        for number in range(int(whole / step) + 1)
    ]


def _at(moment: datetime, start: datetime, whole: float) -> float:
    return round(_AXIS * (moment - start).total_seconds() / whole, 3)


def _end(step: Mapping[str, Any]) -> datetime:
    began: datetime = step["started_at"]
    ended: datetime | None = step["finished_at"]
    return max(began, ended or began + timedelta(seconds=step["seconds"] or 0))


def _moment(recorded_at: datetime) -> dict[str, Any]:
    return {
        "task": RECORDED,
        "state": None,
        "started_at": recorded_at,
        "finished_at": recorded_at,
        "seconds": None,
        "resource": None,
    }
