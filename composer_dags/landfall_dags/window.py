"""Batch windows: every file that lands within one asks for the same run."""

from datetime import UTC, datetime, timedelta


def window_end(moment: datetime, seconds: int) -> datetime:
    """The end (UTC) of the window that `moment` lies in; windows are cut from the epoch, `seconds` each."""
    epoch = int(moment.timestamp() // seconds)
    return datetime.fromtimestamp((epoch + 1) * seconds, UTC)


def run_id(dataset: str, end: datetime) -> str:
    """The run that everything in the window ending at `end` asks for."""
    return f"{dataset}__{end:%Y-%m-%dT%H:%M:%SZ}"


def run_after(end: datetime, grace_seconds: int) -> datetime:
    """When that run may start."""
    return end + timedelta(seconds=grace_seconds)
