"""Which run to ask for, and which have been asked for already. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from landfall_dags import window
from landfall_dags.settings import Settings

# The ids travel in one request; runs that are queued for longer are rare, and one more run costs little.
_MOST_WINDOWS = 60


@dataclass(frozen=True)
class Asked:
    """A run: its id, and when it may start."""

    run_id: str
    run_after: datetime


def run_of(dataset: str, moment: datetime, settings: Settings) -> Asked:
    """The run of the batch window that `moment` lies in; whoever asks for that window asks for this run."""
    end = window.window_end(moment, settings.batch_window_seconds)
    return Asked(window.run_id(dataset, end), window.run_after(end, settings.run_grace_seconds))


def runs_that_are_due(dataset: str, now: datetime, settings: Settings) -> list[str]:
    """The ids of the runs of this window and those before it; one that is queued takes all that is pending.

    A run that waits for a batch's next try, later than this window, is none of them.
    """
    length = timedelta(seconds=settings.batch_window_seconds)
    return [run_of(dataset, now - length * back, settings).run_id for back in range(_MOST_WINDOWS)]
