"""The claim: what is pending becomes a batch, and its files move from landing into the archive.

Every step can be repeated. The open journal entry says what is claimed before anything moves, so an attempt
that finds one goes on with it; a file is deleted from landing only when its archive copy is proven; the
manifest, written last, ends the claim. What is replayed lies in the archive already: nothing moves.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from landfall_dags.cluster import expanded_bytes
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, is_pending, split_uri, timestamp
from landfall_dags.journal import (
    Entry,
    Manifest,
    archive_uri,
    entry_text,
    folder_uri,
    manifest_text,
    open_entry,
    open_uri,
    parse_entry,
    parse_manifest,
    settle,
)
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.store import Content, Store

# What one batch takes at most: files that one task can move, bytes that a cluster reads within its life.
MOST_FILES = 10_000
MOST_BYTES = 64 * 2**30
_MOVERS = 8  # threads; Google's client keeps ten connections

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """The buckets of a claim, by bare name."""

    landing: str
    archive: str
    lake: str


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


def is_archived(file: SourceFile, copied: bool, found: Content | None, where: str) -> bool:
    """Whether a file is safe in the archive (else its generation was gone before it could be copied).

    `copied` says whether this attempt made the copy, `found` what the archive holds now. A copy that is
    missing although it was just made, or that differs from the file, raises TerminalError: nothing may be
    deleted then.
    """
    if found is None and not copied:
        return False
    if found != Content(file.size, file.crc32c):
        raise TerminalError(
            f"{where}: expected a copy of {file.identity} with {file.size} bytes and crc32c {file.crc32c}, "
            f"found {'none' if found is None else f'{found.size} bytes and crc32c {found.crc32c}'}. "
            "The original stays in landing; find out who else writes to the archive bucket."
        )
    return True


def propose(
    store: Store, places: Places, pipeline: Pipeline, run_id: str, now: datetime, most: int = MOST_FILES
) -> Entry | None:
    """The journal entry of what is pending; None when nothing is."""
    files = choose(pipeline.dataset, store.list(places.landing, f"{pipeline.dataset}/"), most)
    if not files:
        return None
    return open_entry(pipeline.dataset, files, run_id, pipeline.contract_version, timestamp(now))


def claim(
    store: Store,
    places: Places,
    pipeline: Pipeline,
    token_key: str | None,
    proposal: Callable[[], Entry | None],
    record_superseded: Callable[[Manifest], None],
) -> Manifest | None:
    """Finish the dataset's open claim, or make the one that is proposed; None when none is.

    A batch of which no file is left is handed to `record_superseded`, closed, and followed by the next.
    Raises TerminalError, before anything is claimed, when the contract needs a token key and there is none.
    """
    key_for(pipeline, token_key)
    while (entry := _enter(store, places.lake, pipeline.dataset, proposal)) is not None:
        manifest = _complete(store, places, pipeline, entry, token_key)
        if manifest.files:
            return manifest
        record_superseded(manifest)
        close(store, places.lake, entry.dataset, entry.batch_id)
    return None


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


def read_open(store: Store, lake_bucket: str, dataset: str) -> Entry | None:
    """The dataset's open journal entry, if there is one."""
    uri = open_uri(lake_bucket, dataset)
    stored = store.read(uri)
    return None if stored is None else parse_entry(stored.text, uri)


def close(store: Store, lake_bucket: str, dataset: str, batch_id: str) -> None:
    """Close the journal entry of a batch; that of another batch is left alone, and closing twice is fine."""
    uri = open_uri(lake_bucket, dataset)
    stored = store.read(uri)
    if stored is not None and parse_entry(stored.text, uri).batch_id == batch_id:
        store.delete(uri, stored.generation)


def _enter(
    store: Store, lake_bucket: str, dataset: str, proposal: Callable[[], Entry | None]
) -> Entry | None:
    while True:
        entry = read_open(store, lake_bucket, dataset)
        if entry is not None:
            _log.info("going on with batch %s, opened by run %s", entry.batch_id, entry.run_id)
            return entry
        entry = proposal()
        if entry is None:
            return None
        if store.create(open_uri(lake_bucket, dataset), entry_text(entry)):
            _log.info("opened batch %s of %d files", entry.batch_id, len(entry.files))
            return entry
        # Someone else opened the journal meanwhile: theirs is the batch to go on with.


def _complete(
    store: Store, places: Places, pipeline: Pipeline, entry: Entry, token_key: str | None
) -> Manifest:
    folder = folder_uri(places.lake, entry.dataset, entry.batch_id)
    written = f"{folder}/manifest.json"
    finished = store.read(written)
    if finished is not None:
        return parse_manifest(finished.text, written)
    superseded = _move_all(store, places.archive, entry) if entry.replay is None else set[SourceFile]()
    pinned = _create_or_read(store, f"{folder}/pipeline.json", pipeline.text)
    contract = parse_pipeline(pinned, f"{folder}/pipeline.json")
    key = key_for(contract, token_key)
    manifest = settle(entry, contract.contract_version, places.archive, superseded, key)
    return parse_manifest(_create_or_read(store, written, manifest_text(manifest)), written)


def _move_all(store: Store, archive_bucket: str, entry: Entry) -> set[SourceFile]:
    """Move the files of a claim; returns those that were gone."""
    with ThreadPoolExecutor(_MOVERS) as movers:
        kept = list(movers.map(lambda file: _move(store, archive_bucket, entry.dataset, file), entry.files))
    return {file for file, is_kept in zip(entry.files, kept, strict=True) if not is_kept}


def _move(store: Store, archive_bucket: str, dataset: str, file: SourceFile) -> bool:
    destination = archive_uri(archive_bucket, dataset, file)
    copied = store.copy(file.uri, file.generation, destination)
    archived = is_archived(file, copied is not None, copied or store.find(destination), destination)
    if archived:
        store.delete(file.uri, file.generation)
    elif store.is_live(file.uri, file.generation):
        # A missing bucket answers as a missing object does: it must not make a file pass for overwritten.
        raise FileNotFoundError(
            f"{destination}: expected a copy of {file.identity}, which is still in landing; found none. "
            "Check that the archive bucket exists and that this account may write to it; then try again."
        )
    else:
        _log.warning("%s was overwritten or deleted before it could be archived", file.identity)
    return archived


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
