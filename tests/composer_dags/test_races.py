"""Runs that race, and runs that were taken for dead and go on: every file comes to one end, in one batch."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from threading import Barrier, Event

import pytest

from landfall_dags import agenda, claim, journal_object
from landfall_dags.agenda import Fault, Wait
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import Entry, Journal, Manifest, open_entry
from landfall_dags.ledger import unattended
from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.pipeline import Isolation, Pipeline
from landfall_dags.record import record_end
from landfall_dags.store import Store
from tests.composer_dags import turns
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.memory_store import Interrupted
from tests.composer_dags.turns import AT, CONTRACT, PLACES
from tests.composer_dags.worlds import MemoryWorld, World

NAMES = tuple(f"gs://landing/price_quote/{letter}.csv" for letter in "abc")
NEVER = 10_000  # a call that is not reached


def drop(world: World, *uris: str) -> None:
    for uri in uris:
        world.put(uri, uri.encode())


def metrics_of(manifest: Manifest) -> Metrics:
    files = tuple(
        FileResult(file.source.uri, file.source.generation, "loaded", None, None, Rows(1, 1, 0))
        for file in manifest.files
    )
    return Metrics(Rows(len(files), len(files), 0), files)


def end(store: Store, ledger: MemoryLedger, manifest: Manifest, run: str = "run-1") -> None:
    """What record_batch does of a batch that was loaded."""
    tables, of_run = ledger.as_warehouse(), unattended(run, "2025-11-21T01:27:00.000000Z")
    record_end(store, tables, "rejected", "lake", manifest, metrics_of(manifest), 1, of_run, CONTRACT)


def fates(ledger: MemoryLedger) -> list[tuple[str, str]]:
    """The name and the state of every file of the ledger, once for each batch that has it."""
    return sorted((row["source_uri"], row["state"]) for row in ledger.files.values())


@pytest.mark.parametrize("most", [2, 3], ids=["with a file more", "with the same files"])
def test_a_claimer_that_slept_since_it_listed_landing_claims_no_file_again(
    world: World, pipeline: Pipeline, most: int
) -> None:
    ledger = MemoryLedger()
    drop(world, *NAMES)

    def sleep_on_the_list(journal: Journal) -> Entry | None:
        listed = claim.propose(world.store, PLACES, pipeline, journal, "zombie", AT)
        if not ledger.batches:
            meanwhile = turns.claimed(world.store, pipeline, ledger=ledger, most=most)
            end(world.store, ledger, meanwhile)
        return listed

    got = turns.take_turn(world.store, pipeline, "zombie", ledger, proposal=sleep_on_the_list)
    if most == 3:
        assert got == Wait(None)
    else:
        assert isinstance(got, Manifest)
        assert [file.source.uri for file in got.files] == [NAMES[2]]
        assert got.superseded == ()
        end(world.store, ledger, got)
    assert fates(ledger) == [(uri, "loaded") for uri in NAMES]
    assert ledger.states() == ["succeeded"] * (1 if most == 3 else 2)
    assert world.uris("landing") == []
    assert turns.journal_of(world.store) == Journal("price_quote")


def test_a_claimer_that_goes_on_after_any_of_its_calls_changes_nothing(pipeline: Pipeline) -> None:
    """Meanwhile another run took up what it had begun, ended it, and something new came."""
    went_on = 0
    for moment in range(1, 60):
        world, ledger = MemoryWorld(), MemoryLedger()
        drop(world, *NAMES[:2])

        def others(call: int, world: MemoryWorld = world, ledger: MemoryLedger = ledger) -> None:
            nonlocal went_on
            if call == moment:  # noqa: B023 the loop waits for it
                went_on += 1
                end(world.store, ledger, turns.claimed(world.store, pipeline, "run-2", ledger))
                drop(world, NAMES[0], NAMES[2])

        zombie = Interrupted(world.store, NEVER, after=False, meanwhile=others)
        got: Manifest | Wait = turns.take_turn(zombie, pipeline, "zombie", ledger)
        while isinstance(got, Manifest):
            if turns.journal_of(world.store).find(got.entry.batch_id):
                end(world.store, ledger, got)
            elif ledger.batches:
                end(world.store, ledger, got)  # as a task would that is repeated: it finds what is recorded
            got = turns.take_turn(world.store, pipeline, "run-3", ledger)
        dropped = [NAMES[0], *NAMES] if went_on == moment else NAMES[:2]
        assert fates(ledger) == [(uri, "loaded") for uri in dropped], f"call {moment}"
        assert set(ledger.states()) == {"succeeded"}
        assert world.uris("landing") == []
        if went_on < moment:
            assert moment > 10
            return
    raise AssertionError("the claim never came to its end")


def test_of_two_who_write_the_journal_one_loses_and_reads_again(world: World, pipeline: Pipeline) -> None:
    drop(world, *NAMES)
    entries = [
        open_entry("price_quote", [file], "run-1", "1.0.0", timestamp(AT))
        for file in world.store.list("landing", "price_quote/")
    ]
    late = [journal_object.read(world.store, "lake", "price_quote")]  # no object
    open_in(world.store, entries[0])
    late.append(journal_object.read(world.store, "lake", "price_quote"))
    open_in(world.store, entries[1])
    late.append(journal_object.read(world.store, "lake", "price_quote"))
    claim.close(world.store, "lake", "price_quote", entries[0].batch_id)
    for page in late:
        for changed in (agenda.opened(page.journal, entries[2]), replace(page.journal, batches=())):
            assert changed == page.journal or not journal_object.write(world.store, page, changed)
    open_in(world.store, entries[2])
    assert [batch.entry for batch in turns.journal_of(world.store).batches] == entries[1:]


def open_in(store: Store, entry: Entry) -> None:
    journal_object.change(store, "lake", "price_quote", lambda journal: agenda.opened(journal, entry))


def test_what_an_open_batch_has_is_not_claimed_again(world: World, pipeline: Pipeline) -> None:
    """Such as a batch that failed before its files were moved."""
    drop(world, *NAMES[:2])
    listed = list(world.store.list("landing", "price_quote/"))
    waiting = open_entry("price_quote", listed[:1], "run-1", "1.0.0", timestamp(AT))
    journal = agenda.opened(Journal("price_quote"), waiting)
    entry = claim.propose(world.store, PLACES, pipeline, journal, "run-2", AT)
    assert entry is not None
    assert entry.files == (listed[1],)


@dataclass
class Scheduler:
    """A clock that the runs of a test share, and their names."""

    seconds: "count[int]" = field(default_factory=count)

    def next(self, name: int) -> tuple[str, datetime]:
        second = next(self.seconds)
        return f"price_quote__{name}_{second}", AT + timedelta(seconds=20 * second)


def poisoned(file: SourceFile) -> bool:
    return file.uri.endswith("3.csv")


def work(
    world: World,
    pipeline: Pipeline,
    ledger: MemoryLedger,
    scheduler: Scheduler,
    name: int,
    start: Barrier,
    landed: Event,
) -> None:
    """One scheduler's runs: each claims, then fails or ends, until all landed and nothing is left to do."""
    random, idle = Random(name), 0  # noqa: S311 no secret
    start.wait()
    while idle < 15:
        run, now = scheduler.next(name)
        manifest = turns.take_turn(world.store, pipeline, run, ledger, now)
        if isinstance(manifest, Wait):
            idle += landed.is_set()
        elif any(poisoned(file.source) for file in manifest.files) or random.random() < 0.2:
            fault = Fault.BATCH if random.random() < 0.9 else Fault.SURROUNDINGS
            fail(world.store, pipeline, manifest, run, fault, now)
        else:
            try:
                end(world.store, ledger, manifest, run)
            except TerminalError:
                # The other scheduler divided it, or gave it up: this one came too late.
                continue


def fail(store: Store, pipeline: Pipeline, manifest: Manifest, run: str, fault: Fault, now: datetime) -> None:
    batch = manifest.entry.batch_id

    def transition(journal: Journal) -> Journal:
        return agenda.failed(journal, batch, run, fault, (), pipeline.isolation, now)

    journal_object.change(store, "lake", "price_quote", transition)


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads that take turns at every chance."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("seed", range(3))
def test_schedulers_that_race_bring_every_file_to_one_end(
    world: World, pipeline: Pipeline, seed: int
) -> None:
    contract = replace(pipeline, isolation=Isolation(runs=2, pause_seconds=1, max_pause_seconds=8))
    ledger, schedulers = MemoryLedger(), 3
    uris = [f"gs://landing/price_quote/{number}.csv" for number in range(12)]
    drop(world, *uris[:8])
    start, scheduler, landed = Barrier(schedulers), Scheduler(), Event()
    with ThreadPoolExecutor(schedulers) as threads:
        ended = [
            threads.submit(work, world, contract, ledger, scheduler, 10 * seed + name, start, landed)
            for name in range(schedulers)
        ]
        drop(world, *uris[8:])
        landed.set()
        for one in ended:
            one.result()
    states = Counter(uri for uri, _ in fates(ledger))
    assert states == Counter(uris), "each in one batch of the ledger, and no more"
    guilty = {uri for uri, state in fates(ledger) if state == "rejected"}
    assert guilty >= {uri for uri in uris if uri.endswith("3.csv")}
    assert world.uris("landing") == []
    assert turns.journal_of(world.store) == Journal("price_quote")
    assert len(world.uris("archive")) == len(uris)
