"""Times and durations as a reader meets them: UTC, and no more digits than matter. Pure."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def moment(value: datetime | str | None) -> str:
    """`2026-11-21 14:29:14`, in UTC; empty for None. A text is a moment as JSON has it."""
    return _utc(value, "%Y-%m-%d %H:%M:%S")


def clock(value: datetime | str | None) -> str:
    """`14:29:14`, in UTC; empty for None."""
    return _utc(value, "%H:%M:%S")


def span(seconds: float) -> str:
    """A duration in the unit that fits: `0.8 s`, `42 s`, `9 min`, `3 h`, `12 d`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR:.0f} h"
    return f"{seconds // _DAY:.0f} d"


def ago(value: datetime | str | None, now: datetime) -> str:
    """`9 min ago`; empty for None, and `now` for what a clock that runs ahead calls the future."""
    if value is None:
        return ""
    seconds = (now - _parse(value)).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 1 else "now"


def _utc(value: datetime | str | None, form: str) -> str:
    return "" if value is None else _parse(value).astimezone(UTC).strftime(form)


def _parse(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
