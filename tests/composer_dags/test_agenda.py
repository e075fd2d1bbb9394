"""What is done about open batches: nothing is lost, guilty files end alone, and new files always get on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from landfall_dags.agenda import (
    MOST_OPEN,
    Claim,
    Decision,
    Divide,
    Fault,
    GiveUp,
    Wait,
    Work,
    back_off,
    choose,
    closed,
    decided,
    divided,
    due_at,
    failed,
    opened,
    parts_of,
    taken_up,
)
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, batch_id, timestamp
from landfall_dags.journal import (
    DIVIDED,
    GIVEN_UP,
    RECORDED,
    Entry,
    Journal,
    Open,
    journal_text,
    open_entry,
    parse_journal,
    replay_entry,
)
from landfall_dags.pipeline import Isolation

AT = datetime(2025, 11, 21, 1, 26, 3, tzinfo=UTC)
ISOLATION = Isolation(runs=3, pause_seconds=60, max_pause_seconds=3600)

isolations = st.builds(
    lambda runs, pause, more: Isolation(runs, pause, pause + more),
    st.integers(1, 4),
    st.integers(1, 100),
    st.integers(0, 1000),
)


def files_of(count: int, first: int = 0) -> tuple[SourceFile, ...]:
    created = "2025-11-21T01:26:02.000000Z"
    return tuple(
        SourceFile(f"gs://landing/d/{number}.csv", number + 1, 5, "AAAAAA==", None, created)
        for number in range(first, first + count)
    )


def entry_of(files: Sequence[SourceFile]) -> Entry:
    return open_entry("d", files, "d__1", "1.0.0", timestamp(AT))


def one_batch(files: int = 1) -> tuple[Journal, str]:
    entry = entry_of(files_of(files))
    return opened(Journal("d"), entry), entry.batch_id


def fail(
    journal: Journal,
    batch: str,
    run: str,
    fault: Fault = Fault.BATCH,
    now: datetime = AT,
    suspects: Sequence[str] = (),
) -> Journal:
    return failed(journal, batch, run, fault, suspects, ISOLATION, now)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_an_empty_journal_has_the_pending_claimed() -> None:
    assert choose(Journal("d"), ISOLATION, AT, urgent=False) == Claim()
    assert choose(Journal("d"), ISOLATION, AT, urgent=False, pending=False) == Wait(None)
    assert due_at(Journal("d"), AT) is None
    assert due_at(Journal("d"), AT, pending=True) == AT


def test_a_batch_in_work_comes_first() -> None:
    journal, _ = one_batch()
    assert choose(journal, ISOLATION, AT, urgent=False) == Work(journal.batches[0])
    assert due_at(journal, AT) == AT


def test_new_files_go_on_while_a_batch_that_failed_waits_for_its_time() -> None:
    journal, batch = one_batch()
    journal = fail(journal, batch, "d__1")
    assert journal.not_before is None, "the first failure of a batch holds up nothing else"
    assert choose(journal, ISOLATION, after(59), urgent=False) == Claim()
    assert due_at(journal, AT) == after(60)
    assert due_at(journal, AT, pending=True) == AT
    again = choose(journal, ISOLATION, after(60), urgent=False)
    assert again == Work(journal.batches[0])
    assert choose(taken_up(journal, batch), ISOLATION, AT, urgent=False) == Work(
        replace(journal.batches[0], retry_at=None)
    )


def test_the_surroundings_are_waited_for_longer_each_time_and_the_batch_keeps_its_tries() -> None:
    journal, batch = one_batch()
    for run, pause in enumerate((60, 120, 240, 480, 960, 1920, 3600, 3600)):
        journal = fail(journal, batch, f"d__{run}", Fault.SURROUNDINGS)
        assert choose(journal, ISOLATION, after(pause - 1), urgent=False) == Wait(after(pause))
        assert due_at(journal, AT) == due_at(journal, AT, pending=True) == after(pause)
        assert choose(journal, ISOLATION, after(pause), urgent=False) == Work(journal.batches[0])
    assert journal.batches[0].failures == 0
    journal = closed(journal, batch)
    assert journal == Journal("d")


def test_failures_of_several_batches_in_succession_slow_the_dataset_down() -> None:
    journal = Journal("d")
    for number, pause in enumerate((0, 60, 120, 240)):
        entry = entry_of(files_of(1, number))
        journal = fail(opened(journal, entry), entry.batch_id, f"d__{number}")
        assert journal.not_before == (timestamp(after(pause)) if pause else None)
    assert closed(journal, journal.batches[0].batch_id).not_before is None


def test_a_run_counts_once_for_a_batch() -> None:
    journal, batch = one_batch()
    once = fail(journal, batch, "d__1")
    assert fail(once, batch, "d__1", now=after(1000)) == once
    assert fail(once, batch, "d__2").batches[0].failures == 2


@pytest.mark.parametrize(("files", "ending"), [(1, GiveUp), (2, Divide)])
def test_after_its_last_failure_a_batch_is_divided_or_given_up_once_it_is_due(
    files: int, ending: type[Decision]
) -> None:
    journal, batch = one_batch(files)
    for run in range(3):
        assert not isinstance(choose(journal, ISOLATION, after(3600), urgent=False), ending)
        journal = fail(journal, batch, f"d__{run}")
    assert choose(journal, ISOLATION, after(239), urgent=False) == Claim()
    decision = choose(journal, ISOLATION, after(240), urgent=False, pending=False)
    assert isinstance(decision, ending)


def test_a_replay_is_given_up_whole() -> None:
    entry = replay_entry("d", files_of(2), "d__1", "1.0.0", timestamp(AT), "ab" * 16)
    journal = opened(Journal("d"), entry)
    for run in range(3):
        journal = fail(journal, entry.batch_id, f"d__{run}")
    assert isinstance(choose(journal, ISOLATION, after(3600), urgent=False), GiveUp)


def test_an_engineers_run_waits_for_nothing() -> None:
    journal, batch = one_batch()
    journal = fail(fail(journal, batch, "d__1", Fault.SURROUNDINGS), batch, "d__2")
    assert isinstance(choose(journal, ISOLATION, AT, urgent=False), Wait)
    assert choose(journal, ISOLATION, AT, urgent=True) == Work(journal.batches[0])


def test_what_is_due_comes_first_but_for_a_batch_that_failed_again() -> None:
    journal, batch = one_batch()
    journal = fail(journal, batch, "d__1")
    assert choose(journal, ISOLATION, after(60), urgent=False) == Work(journal.batches[0])
    journal = fail(taken_up(journal, batch), batch, "d__2", now=after(60))
    late = after(10_000)
    assert choose(journal, ISOLATION, late, urgent=False) == Claim()
    assert choose(journal, ISOLATION, late, urgent=False, pending=False) == Work(journal.batches[0])
    assert choose(journal, ISOLATION, late, urgent=True) == Work(journal.batches[0])
    new = entry_of(files_of(1, 5))
    journal = closed(opened(journal, new), new.batch_id)
    assert choose(journal, ISOLATION, late, urgent=False) == Work(journal.batches[0])


def test_a_batch_that_failed_lets_the_others_pass() -> None:
    entries = [entry_of(files_of(1, number)) for number in range(2)]
    journal = opened(opened(Journal("d"), entries[0]), entries[1])
    journal = fail(journal, entries[0].batch_id, "d__1")
    assert [batch.batch_id for batch in journal.batches] == [entries[1].batch_id, entries[0].batch_id]
    assert choose(journal, ISOLATION, after(3600), urgent=False) == Work(journal.batches[0])


def test_so_many_batches_wait_and_no_more() -> None:
    journal = Journal("d")
    for number in range(MOST_OPEN):
        assert choose(journal, ISOLATION, AT, urgent=False) == Claim()
        entry = entry_of(files_of(1, number))
        journal = replace(fail(opened(journal, entry), entry.batch_id, f"d__{number}"), not_before=None)
    assert choose(journal, ISOLATION, AT, urgent=False) == Wait(after(60))
    assert due_at(journal, AT, pending=True) == after(60)


@pytest.mark.parametrize(
    ("fate", "decision"), [(RECORDED, Work), (DIVIDED, Divide), (GIVEN_UP, GiveUp), (None, Work)]
)
def test_what_was_decided_of_a_batch_is_carried_through(fate: str | None, decision: type[Decision]) -> None:
    journal, batch = one_batch(2)
    journal = fail(journal, batch, "d__1")
    if fate is not None:
        journal = decided(journal, batch, fate)
    assert isinstance(choose(journal, ISOLATION, after(60), urgent=False), decision)
    for other in (RECORDED, DIVIDED, GIVEN_UP):
        if fate is not None:
            assert decided(journal, batch, other) == journal, "the first decision stands"
            assert fail(journal, batch, "d__2").batches[0].failures == 1, "it is not the batch's fault"


def test_a_division_takes_the_suspects_out() -> None:
    files = files_of(5)
    journal = opened(Journal("d"), entry_of(files))
    journal = fail(journal, journal.batches[0].batch_id, "d__1", suspects=[files[3].identity, "not of it"])
    guilty, others = parts_of(journal.batches[0], ISOLATION)
    assert guilty.entry.files == (files[3],)
    assert others.entry.files == (*files[:3], files[4])
    assert (guilty.failures, others.failures) == (0, 2)
    assert guilty.entry.batch_id == batch_id([files[3]])
    assert guilty.entry.claim == others.entry.claim == journal.batches[0].batch_id


@given(st.integers(2, 9), st.sets(st.integers(0, 8)), isolations)
def test_parts_are_all_of_a_batch_and_each_is_less(
    count: int, suspected: set[int], isolation: Isolation
) -> None:
    files = files_of(count)
    suspects = tuple(file.identity for number, file in enumerate(files) if number in suspected)
    batch = Open(entry_of(files), failures=isolation.runs, retry_at=timestamp(AT), suspects=suspects)
    parts = parts_of(batch, isolation)
    assert sorted(file.generation for part in parts for file in part.entry.files) == list(range(1, count + 1))
    assert all(0 < len(part.entry.files) < count for part in parts)
    assert all((part.retry_at, part.fate, part.suspects) == (None, None, ()) for part in parts)
    for part in parts:
        assert (part.entry.claim, part.entry.claimed_at) == (batch.batch_id, batch.entry.claimed_at)
        assert part.entry.batch_id == batch_id(part.entry.files)


@given(isolations, st.integers(0, 100_000))
def test_a_pause_grows_up_to_its_limit(isolation: Isolation, failures: int) -> None:
    pause = back_off(failures, isolation)
    assert back_off(0, isolation) == 0
    assert back_off(1, isolation) == isolation.pause_seconds
    assert pause <= back_off(failures + 1, isolation) <= isolation.max_pause_seconds
    if pause and back_off(failures + 1, isolation) < isolation.max_pause_seconds:
        assert back_off(failures + 1, isolation) == 2 * pause


# A dataset's life: runs that do what is chosen, until nothing is open.


@dataclass
class Life:
    """A dataset whose runs fail by their files; what became of each file."""

    isolation: Isolation
    poison: frozenset[int]
    names_suspects: bool
    journal: Journal = field(default_factory=lambda: Journal("d"))
    now: datetime = AT
    runs: int = 0
    loaded: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)

    def drop(self, files: Sequence[SourceFile]) -> None:
        self.journal = opened(self.journal, entry_of(files))

    def run(self, urgent: bool = False, pending: bool = False) -> Decision:
        """One run: it divides and gives up on its way, then works on a batch or ends."""
        self.runs += 1
        while isinstance(decision := self._choose(urgent, pending), Divide | GiveUp):
            batch = decision.batch
            if isinstance(decision, Divide):
                parts = parts_of(batch, self.isolation)
                self.journal = divided(decided(self.journal, batch.batch_id, DIVIDED), batch.batch_id, parts)
            else:
                self.given_up += [file.generation for file in batch.entry.files]
                self.journal = closed(self.journal, batch.batch_id)
        if isinstance(decision, Work):
            self._work(decision.batch)
        return decision

    def _choose(self, urgent: bool, pending: bool) -> Decision:
        return choose(self.journal, self.isolation, self.now, urgent, pending)

    def _work(self, batch: Open) -> None:
        guilty = [file for file in batch.entry.files if file.generation in self.poison]
        self.journal = taken_up(self.journal, batch.batch_id)
        if guilty:
            suspects = [file.identity for file in guilty] if self.names_suspects else []
            run = f"d__{self.runs}"
            self.journal = failed(
                self.journal, batch.batch_id, run, Fault.BATCH, suspects, self.isolation, self.now
            )
        else:
            self.loaded += [file.generation for file in batch.entry.files]
            self.journal = closed(self.journal, batch.batch_id)

    @property
    def files(self) -> list[int]:
        inside = (file.generation for batch in self.journal.batches for file in batch.entry.files)
        return sorted([*inside, *self.loaded, *self.given_up])

    def wait(self) -> None:
        """Let the time pass until a run has something to do."""
        due = due_at(self.journal, self.now)
        assert due is not None
        assert due >= self.now
        self.now = due


lives = st.builds(
    Life,
    isolations,
    st.frozensets(st.integers(1, 24), max_size=4),
    st.booleans(),
)


@given(lives, st.lists(st.integers(1, 12), min_size=1, max_size=2), st.booleans())
def test_guilty_files_end_alone_and_all_others_are_loaded(life: Life, sizes: list[int], urgent: bool) -> None:
    for number, size in enumerate(sizes):
        life.drop(files_of(size, 12 * number))
    dropped = life.files
    while life.journal.batches:
        life.run(urgent)
        assert life.files == dropped, "every file is in one open batch or came to its one end"
        assert life.runs < 400
        if life.journal.batches:
            life.wait()
    assert set(life.given_up) == life.poison & set(dropped)
    assert life.journal == Journal("d")
    assert due_at(life.journal, life.now) is None


@given(lives, st.integers(1, 12), st.integers(0, 3600))
def test_new_files_take_turns_with_the_batches_that_fail(life: Life, size: int, late: int) -> None:
    """However late a run comes, so that all that failed is due: new files wait for one division at most."""
    assume(life.poison & set(range(1, size + 1)))
    life.drop(files_of(size))
    without_new = claims = 0
    while life.journal.batches:
        life.wait()
        life.now += timedelta(seconds=late)
        if isinstance(life.run(pending=True), Claim):
            without_new, claims = 0, claims + 1
            life.drop(files_of(1, 100 + claims))
            life.run()
            assert 101 + claims in life.loaded
        else:
            # A batch is halved and halved again while every second part goes through.
            without_new += 1
            assert without_new <= 2 * size.bit_length() + 1
    assert claims or not life.poison or life.isolation.runs == 1


@given(lives, st.integers(1, 12))
def test_a_journal_is_read_as_it_was_written(life: Life, size: int) -> None:
    life.drop(files_of(size))
    while life.journal.batches:
        assert parse_journal(journal_text(life.journal), "gs://lake/journal/d/open.json") == life.journal
        life.run()
        if life.journal.batches:
            life.wait()


@pytest.mark.parametrize("text", ["", "[]", '{"version":2}', '{"version":3}'])
def test_a_journal_that_cannot_be_understood_is_named(text: str) -> None:
    with pytest.raises(TerminalError, match=r"gs://lake/open\.json: expected a journal of version 3"):
        parse_journal(text, "gs://lake/open.json")


def test_a_transition_for_a_batch_that_is_not_open_changes_nothing() -> None:
    journal, _ = one_batch()
    journal = fail(journal, journal.batches[0].batch_id, "d__1")
    for change in (taken_up, closed):
        assert change(journal, "ab" * 16) == journal
    assert decided(journal, "ab" * 16, RECORDED) == journal
    assert divided(journal, "ab" * 16, []) == journal
    assert fail(journal, "ab" * 16, "d__2") == journal
    assert opened(journal, journal.batches[0].entry) == journal
