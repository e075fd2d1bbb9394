"""The move of a claim's files from landing into the archive: copied, proven, and only then deleted."""

import logging
from concurrent.futures import ThreadPoolExecutor

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.journal import Entry, archive_uri
from landfall_dags.store import Content, Store

_MOVERS = 8  # threads; Google's client keeps ten connections

_log = logging.getLogger(__name__)


def move_all(store: Store, archive_bucket: str, entry: Entry) -> set[SourceFile]:
    """Move the files of a claim; returns those that were gone. A repetition goes on where it stopped."""
    with ThreadPoolExecutor(_MOVERS) as movers:
        kept = movers.map(lambda file: _move(store, archive_bucket, entry.dataset, file), entry.files)
        return {file for file, is_kept in zip(entry.files, kept, strict=True) if not is_kept}


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
            f"found {found or 'none'}. "
            "The original stays in landing; find out who else writes to the archive bucket."
        )
    return True


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
