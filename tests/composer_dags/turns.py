"""A run's claim as the tests make it: the real one, over any store and a ledger in memory."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from landfall_dags import claim
from landfall_dags.agenda import Wait
from landfall_dags.claim import Places, Turn
from landfall_dags.identity import timestamp
from landfall_dags.journal import Entry, Journal, Manifest
from landfall_dags.journal_object import read
from landfall_dags.ledger import unattended
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.record import LedgerEndings
from landfall_dags.store import Store
from tests.composer_dags.conftest import pipeline_document
from tests.composer_dags.memory_ledger import MemoryLedger

PLACES = Places("landing", "archive", "lake")
AT = datetime(2025, 11, 21, 1, 26, 3, 500, tzinfo=UTC)
# What is said of a batch is measured by a contract.
CONTRACT = parse_pipeline(json.dumps(pipeline_document()), "here")


def take_turn(
    store: Store,
    pipeline: Pipeline,
    run: str = "run-1",
    ledger: MemoryLedger | None = None,
    at: datetime = AT,
    urgent: bool = False,
    most: int = claim.MOST_FILES,
    token_key: str | None = None,
    proposal: Callable[[Journal], Entry | None] | None = None,
) -> Manifest | Wait:
    """What a run gets when it claims; without a ledger of its own it knows of no other batch."""
    rows = (ledger or MemoryLedger()).as_warehouse()

    def pending(journal: Journal) -> Entry | None:
        return claim.propose(store, PLACES, pipeline, journal, run, at, most)

    endings = LedgerEndings(store, "rejected", lambda: rows, lambda: unattended(run, timestamp(at)), pipeline)
    turn = Turn(run, urgent, lambda: at)
    return claim.claim(store, PLACES, pipeline, token_key, turn, proposal or pending, endings)


def claimed(
    store: Store,
    pipeline: Pipeline,
    run: str = "run-1",
    ledger: MemoryLedger | None = None,
    at: datetime = AT,
    urgent: bool = False,
    most: int = claim.MOST_FILES,
    token_key: str | None = None,
    proposal: Callable[[Journal], Entry | None] | None = None,
) -> Manifest:
    """The batch that a run claims, which must be one."""
    manifest = take_turn(store, pipeline, run, ledger, at, urgent, most, token_key, proposal)
    assert isinstance(manifest, Manifest), manifest
    return manifest


def journal_of(store: Store, dataset: str = "price_quote") -> Journal:
    return read(store, PLACES.lake, dataset).journal
