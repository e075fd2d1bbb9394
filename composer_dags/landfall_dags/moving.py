"""The move of a claim's files from landing into the archive: copied, proven, and only then deleted."""

import logging
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.journal import Entry, archive_uri, superseded_uri
from landfall_dags.store import Content, Store

_MOVERS = 8  # threads; Google's client keeps ten connections

_log = logging.getLogger(__name__)


class Kept(Enum):
    """Whose a file is once it was moved: this claim's, another claim's, or nobody's, for it was gone."""

    OURS = "ours"
    THEIRS = "theirs"
    GONE = "gone"


def move_all(store: Store, archive_bucket: str, lake_bucket: str, entry: Entry) -> dict[SourceFile, Kept]:
    """Move the files of a claim; a repetition finds what is done and goes on."""
    with ThreadPoolExecutor(_MOVERS) as movers:
        kept = movers.map(lambda file: _move(store, archive_bucket, lake_bucket, entry, file), entry.files)
        return dict(zip(entry.files, kept, strict=True))


def is_archived(file: SourceFile, copied: bool, found: Content | None, where: str) -> bool:
    """Whether a file is safe in the archive (else its generation was gone before it could be copied).

    `copied` says whether this attempt made the copy, `found` what the archive holds now. A copy that is
    missing although it was just made, or that differs from the file, raises TerminalError: nothing may be
    deleted then.
    """
    if found is None and not copied:
        return False
    if found is None or not found.holds(file):
        raise TerminalError(
            f"{where}: expected a copy of {file.identity} with {file.size} bytes and crc32c {file.crc32c}, "
            f"found {found or 'none'}. "
            "The original stays in landing; find out who else writes to the archive bucket."
        )
    return True


def belongs_to(claim: str, found: Content) -> bool:
    """Whether an archived copy is of this claim; copies from before they were marked are everyone's."""
    return found.claim is None or found.claim == claim


def _move(store: Store, archive_bucket: str, lake_bucket: str, entry: Entry, file: SourceFile) -> Kept:
    destination = archive_uri(archive_bucket, entry.dataset, file)
    copied = store.copy(file.uri, file.generation, destination, entry.claim)
    found = copied or store.find(destination)
    if not is_archived(file, copied is not None, found, destination):
        _expect_gone(store, file, destination)
        return _supersede(store, superseded_uri(lake_bucket, entry.dataset, file), entry)
    store.delete(file.uri, file.generation)
    if found is not None and not belongs_to(entry.claim, found):
        _log.warning("%s was claimed by batch %s meanwhile: left to it", file.identity, found.claim)
        return Kept.THEIRS
    return Kept.OURS


def _expect_gone(store: Store, file: SourceFile, destination: str) -> None:
    if store.is_live(file.uri, file.generation):
        # A missing bucket answers as a missing object does: it must not make a file pass for overwritten.
        raise FileNotFoundError(
            f"{destination}: expected a copy of {file.identity}, which is still in landing; found none. "
            "Check that the archive bucket exists and that this account may write to it; then try again."
        )
    _log.warning("%s was overwritten or deleted before it could be archived", file.identity)


def _supersede(store: Store, uri: str, entry: Entry) -> Kept:
    """A file that is gone is the first claim's that missed it, as an archived one is its marker's."""
    if store.create(uri, entry.claim):
        return Kept.GONE
    stored = store.read(uri)
    return Kept.GONE if stored is None or stored.text == entry.claim else Kept.THEIRS
