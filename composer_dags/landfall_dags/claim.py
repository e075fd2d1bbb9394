"""The claim: which batch a run works on, and its files moved from landing into the archive.

The journal names a batch before anything of it moves, and is changed by conditional writes alone, so that
every step can be repeated, by whomever: an attempt that finds a batch in work goes on with it. The manifest,
written last, ends the claim. What is replayed lies in the archive already: nothing moves.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Protocol

from landfall_dags import agenda, journal_object
from landfall_dags.agenda import Claim, Divide, GiveUp, Wait, Work
from landfall_dags.cluster import expanded_bytes
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, is_pending, split_uri, timestamp
from landfall_dags.journal import (
    DIVIDED,
    GIVEN_UP,
    Entry,
    Journal,
    Manifest,
    Open,
    folder_uri,
    manifest_text,
    open_entry,
    parse_manifest,
    settle,
)
from landfall_dags.journal_object import Page
from landfall_dags.moving import move_all
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.store import Store

# What one batch takes at most: files that one task can move, bytes that a cluster reads within its life.
MOST_FILES = 10_000
MOST_BYTES = 64 * 2**30

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """The buckets of a claim, by bare name."""

    landing: str
    archive: str
    lake: str


@dataclass(frozen=True)
class Turn:
    """The run that claims; an `urgent` one, an engineer's own, waits for nothing."""

    run_id: str
    urgent: bool
    now: Callable[[], datetime]


class Endings(Protocol):
    """How a batch that the claim itself ends is recorded; each may be called again for the same batch."""

    def superseded(self, manifest: Manifest) -> None:
        """No file of the batch was left to archive."""

    def divided(self, batch: Open, parts: Sequence[Open]) -> None:
        """The batch goes on as these parts."""

    def given_up(self, batch: Open, manifest: Manifest) -> None:
        """The batch failed too often and cannot be divided."""


def choose(
    dataset: str, listed: Iterable[SourceFile], most: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> tuple[SourceFile, ...]:
    """The pending files of a dataset that the next batch takes: the oldest, in the order of their arrival.

    At most `most` files, and no more than `most_bytes` bytes of CSV unless the first file alone has more.
    """
    pending = (file for file in listed if is_pending(dataset, split_uri(file.uri)[1]))
    oldest = sorted(pending, key=lambda file: (file.created_at, file.generation))[:most]
    sizes = accumulate(expanded_bytes([file]) for file in oldest)
    return tuple(
        file
        for place, (file, size) in enumerate(zip(oldest, sizes, strict=True))
        if place == 0 or size <= most_bytes
    )


def propose(
    store: Store,
    places: Places,
    pipeline: Pipeline,
    journal: Journal,
    run_id: str,
    now: datetime,
    most: int = MOST_FILES,
) -> Entry | None:
    """The journal entry of what is pending and in no open batch; None when nothing is."""
    claimed = {file for batch in journal.batches for file in batch.entry.files}
    listed = store.list(places.landing, f"{pipeline.dataset}/")
    files = choose(pipeline.dataset, (file for file in listed if file not in claimed), most)
    if not files:
        return None
    return open_entry(pipeline.dataset, files, run_id, pipeline.contract_version, timestamp(now))


def claim(
    store: Store,
    places: Places,
    pipeline: Pipeline,
    token_key: str | None,
    turn: Turn,
    proposal: Callable[[Journal], Entry | None],
    endings: Endings,
) -> Manifest | Wait:
    """The batch that a run works on: one in work, one whose time has come, or the one that is proposed.

    Batches that failed too often are divided or given up on the way, and one without any file left is
    closed. Wait when there is nothing to do, or nothing before a moment. Raises TerminalError, before
    anything is claimed, when the contract needs a token key and there is none.
    """
    return _Claim(store, places, pipeline, key_for(pipeline, token_key), turn, proposal, endings).run()


@dataclass(frozen=True)
class _Claim:
    store: Store
    places: Places
    pipeline: Pipeline
    token_key: str | None
    turn: Turn
    proposal: Callable[[Journal], Entry | None]
    endings: Endings

    def run(self) -> Manifest | Wait:
        while True:
            page = journal_object.read(self.store, self.places.lake, self.pipeline.dataset)
            decision = self._decide(page)
            if isinstance(decision, Wait):
                return decision
            if isinstance(decision, Entry):
                self._open(page, decision)
            elif isinstance(decision, Divide):
                self._divide(page, decision.batch)
            elif isinstance(decision, GiveUp):
                self._give_up(page, decision.batch)
            elif (manifest := self._work(page, decision.batch)) is not None:
                return manifest

    def _decide(self, page: Page) -> Entry | Work | Divide | GiveUp | Wait:
        now, urgent = self.turn.now(), self.turn.urgent
        decision = agenda.choose(page.journal, self.pipeline.isolation, now, urgent)
        if not isinstance(decision, Claim):
            return decision
        entry = self.proposal(page.journal)
        if entry is not None:
            return entry
        other = agenda.choose(page.journal, self.pipeline.isolation, now, urgent, pending=False)
        assert not isinstance(other, Claim)  # noqa: S101 nothing is pending
        return other

    def _open(self, page: Page, entry: Entry) -> None:
        # Whoever loses reads the winner's journal; so does the winner, and goes on with its batch.
        if journal_object.write(self.store, page, agenda.opened(page.journal, entry)):
            _log.info("opened batch %s of %d files", entry.batch_id, len(entry.files))

    def _work(self, page: Page, batch: Open) -> Manifest | None:
        if not journal_object.write(self.store, page, agenda.taken_up(page.journal, batch.batch_id)):
            return None
        _log.info("working on batch %s, opened by run %s", batch.batch_id, batch.entry.run_id)
        manifest = self._complete(batch.entry)
        if manifest.files:
            return manifest
        if manifest.superseded:
            self.endings.superseded(manifest)
        self._close(batch)
        return None

    def _divide(self, page: Page, batch: Open) -> None:
        if not journal_object.write(self.store, page, agenda.decided(page.journal, batch.batch_id, DIVIDED)):
            return
        parts = agenda.parts_of(batch, self.pipeline.isolation)
        self.endings.divided(batch, parts)
        _log.warning("batch %s is divided after %d failures", batch.batch_id, batch.failures)
        self._change(lambda journal: agenda.divided(journal, batch.batch_id, parts))

    def _give_up(self, page: Page, batch: Open) -> None:
        if not journal_object.write(self.store, page, agenda.decided(page.journal, batch.batch_id, GIVEN_UP)):
            return
        manifest = self._complete(batch.entry)
        if manifest.files:
            _log.warning("batch %s is given up after %d failures", batch.batch_id, batch.failures)
            self.endings.given_up(batch, manifest)
        elif manifest.superseded:
            self.endings.superseded(manifest)
        self._close(batch)

    def _complete(self, entry: Entry) -> Manifest:
        finished = read_manifest(self.store, self.places.lake, entry)
        if finished is not None:
            return finished
        folder = folder_uri(self.places.lake, entry.dataset, entry.batch_id)
        written = f"{folder}/manifest.json"
        gone = move_all(self.store, self.places.archive, entry) if entry.replay is None else set[SourceFile]()
        pinned = _create_or_read(self.store, f"{folder}/pipeline.json", self.pipeline.text)
        contract = parse_pipeline(pinned, f"{folder}/pipeline.json")
        manifest = settle(
            entry,
            contract.contract_version,
            self.places.archive,
            superseded=gone,
            token_key=key_for(contract, self.token_key),
        )
        return parse_manifest(_create_or_read(self.store, written, manifest_text(manifest)), written)

    def _close(self, batch: Open) -> None:
        close(self.store, self.places.lake, batch.entry.dataset, batch.batch_id)

    def _change(self, transition: Callable[[Journal], Journal]) -> None:
        journal_object.change(self.store, self.places.lake, self.pipeline.dataset, transition)


def key_for(contract: Pipeline, token_key: str | None) -> str | None:
    """The key that a batch under this contract makes its tokens with, None when it makes none."""
    if not contract.tokenises:
        return None
    if token_key is None:
        raise TerminalError(
            f"expected LANDFALL_TOKEN_KEY to name a version of a secret, for {contract.dataset} has "
            "tokenised columns; found it not set. Set it for every Airflow component to "
            "projects/PROJECT/secrets/SECRET/versions/NUMBER; the files stay where they are."
        )
    return token_key


def read_manifest(store: Store, lake_bucket: str, entry: Entry) -> Manifest | None:
    """The manifest that ended the claim of a batch; None while there is none."""
    uri = f"{folder_uri(lake_bucket, entry.dataset, entry.batch_id)}/manifest.json"
    stored = store.read(uri)
    return None if stored is None else parse_manifest(stored.text, uri)


def close(store: Store, lake_bucket: str, dataset: str, batch_id: str) -> None:
    """Take a batch out of the journal; closing it twice is fine."""
    journal_object.change(store, lake_bucket, dataset, lambda journal: agenda.closed(journal, batch_id))


def _create_or_read(store: Store, uri: str, text: str) -> str:
    """Write an object once and for ever: the text that counts is that of whoever came first."""
    if store.create(uri, text):
        return text
    stored = store.read(uri)
    if stored is None:
        raise FileNotFoundError(
            f"{uri}: expected an object, for it could not be created; found none. Try again."
        )
    return stored.text
