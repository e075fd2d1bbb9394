"""What is to be done about a dataset's open batches, and how the journal changes with it. Pure.

A batch that fails waits, longer each time, while new files go on; one that fails too often is divided, until
a file that fails alone is given up. Every transition that is repeated changes nothing more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from landfall_dags.identity import timestamp
from landfall_dags.journal import DIVIDED, GIVEN_UP, Entry, Journal, Open, part_entry
from landfall_dags.pipeline import Isolation

# How many batches of a dataset are open at most: one in work, the others waiting.
MOST_OPEN = 50


class Fault(Enum):
    """What made a run fail: the batch itself, or what it met (an API, a quota, an outage)."""

    BATCH = "batch"
    SURROUNDINGS = "surroundings"


@dataclass(frozen=True)
class Work:
    """Take this batch through the steps that it has not done."""

    batch: Open


@dataclass(frozen=True)
class Divide:
    """Replace this batch, which failed too often, by its parts."""

    batch: Open


@dataclass(frozen=True)
class GiveUp:
    """Close this batch, which failed too often and has nothing to be divided into."""

    batch: Open


@dataclass(frozen=True)
class Claim:
    """Claim what is pending."""


@dataclass(frozen=True)
class Wait:
    """Do nothing before this moment; None: there is nothing to be done at all."""

    until: datetime | None


Decision = Work | Divide | GiveUp | Claim | Wait


def choose(
    journal: Journal, isolation: Isolation, now: datetime, urgent: bool, pending: bool = True
) -> Decision:
    """What the run that asks is to do; an urgent one waits for nothing.

    `pending` False: landing was looked at, and there is nothing to claim.
    """
    if not urgent and (until := _future(journal.not_before, now)) is not None:
        return Wait(until)
    in_work = next((batch for batch in journal.batches if batch.retry_at is None), None)
    if in_work is not None:
        return _carry_on(in_work)
    due = next((batch for batch in journal.batches if urgent or _future(batch.retry_at, now) is None), None)
    tries = None if due is None else _next_try(due, isolation)
    if isinstance(tries, GiveUp):
        return tries
    has_room = pending and len(journal.batches) < MOST_OPEN
    if has_room and (tries is None or (not urgent and _failed_again(journal))):
        return Claim()
    return tries or Wait(due_at(journal, now))


def due_at(journal: Journal, now: datetime, pending: bool = False) -> datetime | None:
    """When a run should next look at this journal: now, or when what is open may be tried again.

    With files `pending` in landing that is as soon as they can be claimed; None when there is nothing to do.
    """
    if not journal.batches and not pending:
        return None
    free = _future(journal.not_before, now) or now
    waits = [_moment(batch.retry_at) for batch in journal.batches if batch.retry_at is not None]
    is_free = len(waits) < len(journal.batches) or (pending and len(waits) < MOST_OPEN)
    return free if is_free else max(free, min(waits))


def may_merge(batch: Open | None) -> bool:
    """Whether the procedure may be called for a batch: not once it is closed (None), divided or given up.

    What its files gave may have been replaced since, or be its parts' to give.
    """
    return batch is not None and batch.fate not in (DIVIDED, GIVEN_UP)


def opened(journal: Journal, entry: Entry) -> Journal:
    """The journal with a batch that is claimed now."""
    if journal.find(entry.batch_id) is not None:
        return journal
    return replace(journal, batches=(*journal.batches, Open(entry)))


def taken_up(journal: Journal, batch_id: str) -> Journal:
    """The journal with a batch that waited in work again."""
    return _changed(journal, batch_id, lambda batch: replace(batch, retry_at=None))


def decided(journal: Journal, batch_id: str, fate: str) -> Journal:
    """The journal with the fate of a batch settled for good: the first that is decided stands."""
    return _changed(journal, batch_id, lambda batch: replace(batch, retry_at=None, fate=batch.fate or fate))


def closed(journal: Journal, batch_id: str) -> Journal:
    """The journal without a batch that came to its end: something got through, so nothing has to wait."""
    if journal.find(batch_id) is None:
        return journal
    left = tuple(batch for batch in journal.batches if batch.batch_id != batch_id)
    return Journal(journal.dataset, left)


def failed(
    journal: Journal,
    batch_id: str,
    run_id: str,
    fault: Fault,
    suspects: Iterable[str],
    isolation: Isolation,
    now: datetime,
) -> Journal:
    """The journal after a run that failed with this batch; a run counts once.

    A batch at fault waits at the end of the journal; what was decided of a batch is never its fault.
    """
    batch = journal.find(batch_id)
    if batch is None or batch.failed_run == run_id:
        return journal
    streak = journal.streak + 1
    if fault is Fault.SURROUNDINGS or batch.fate is not None:
        marked = _changed(journal, batch_id, lambda one: replace(one, failed_run=run_id))
        return replace(marked, streak=streak, not_before=_later(now, back_off(streak, isolation)))
    failures = batch.failures + 1
    waiting = replace(
        batch,
        failures=failures,
        failed_run=run_id,
        retry_at=timestamp(now + timedelta(seconds=back_off(failures, isolation))),
        suspects=tuple(suspects),
    )
    others = tuple(other for other in journal.batches if other.batch_id != batch_id)
    return replace(
        journal,
        batches=(*others, waiting),
        streak=streak,
        not_before=_later(now, back_off(streak - 1, isolation)),
    )


def parts_of(batch: Open, isolation: Isolation) -> tuple[Open, ...]:
    """What a batch of several files is divided into: the suspects and the others, or else two halves.

    One more failure divides a part of several files again; a single file has all its tries before it.
    """
    files = batch.entry.files
    suspected = tuple(file for file in files if file.identity in batch.suspects)
    others = tuple(file for file in files if file.identity not in batch.suspects)
    if not suspected or not others:
        half = len(files) // 2
        suspected, others = files[:half], files[half:]
    return tuple(
        Open(part_entry(batch.entry, part), failures=isolation.runs - 1 if len(part) > 1 else 0)
        for part in (suspected, others)
    )


def divided(journal: Journal, batch_id: str, parts: Iterable[Open]) -> Journal:
    """The journal with the parts of a batch in its place."""
    taken = tuple(parts)
    return replace(
        journal,
        batches=tuple(
            one for batch in journal.batches for one in (taken if batch.batch_id == batch_id else (batch,))
        ),
    )


def back_off(failures: int, isolation: Isolation) -> int:
    """How many seconds to wait after so many failures in succession."""
    if failures == 0:
        return 0
    # A pause of 2^40 seconds is beyond every maximum.
    return min(isolation.pause_seconds << min(failures - 1, 40), isolation.max_pause_seconds)


def _carry_on(batch: Open) -> Work | Divide | GiveUp:
    if batch.fate == DIVIDED:
        return Divide(batch)
    if batch.fate == GIVEN_UP:
        return GiveUp(batch)
    return Work(batch)


def _failed_again(journal: Journal) -> bool:
    """Whether the last run failed with a batch that had failed before: then it is the turn of what is new.

    What is due when a run begins would else always come first, and batches that fail take long to divide.
    """
    if not journal.streak:
        return False
    last = journal.batches[-1]
    return last.failures > 1 or last.entry.claim != last.batch_id


def _next_try(batch: Open, isolation: Isolation) -> Work | Divide | GiveUp:
    if batch.failures < isolation.runs:
        return Work(batch)
    if batch.entry.replay is not None or len(batch.entry.files) == 1:
        return GiveUp(batch)
    return Divide(batch)


def _changed(journal: Journal, batch_id: str, change: Callable[[Open], Open]) -> Journal:
    return replace(
        journal,
        batches=tuple(change(batch) if batch.batch_id == batch_id else batch for batch in journal.batches),
    )


def _future(moment: str | None, now: datetime) -> datetime | None:
    if moment is None or _moment(moment) <= now:
        return None
    return _moment(moment)


def _later(now: datetime, seconds: int) -> str | None:
    return timestamp(now + timedelta(seconds=seconds)) if seconds else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
