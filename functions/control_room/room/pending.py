"""What is not in the ledger yet: files in landing, and open batches with how far each has come.

Objects are listed, never read: an original may hold personal data. What is read is the journal, which lies in
the lake.
"""

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Client
from requests.exceptions import RequestException

from room.cache import Cache
from room.journal import JOURNALS, Landed, OpenBatch, parse_journal

# As the warehouse's answers about what is live.
_SECONDS = 10.0
# One page of a listing. Where a dataset has more, the page says "1,000+".
MOST_LISTED = 1000
_TIMEOUT = 4.0
_FIELDS = "items(name,generation,timeCreated,size,crc32c,md5Hash),prefixes,nextPageToken"
_SUFFIXES = (".csv", ".csv.gz")
_AT_ONCE = 8
_FOR_EVER = float("inf")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a batch in work has come: claim, cluster, spark or load; and since when it is there."""

    phase: str
    since: datetime


@dataclass(frozen=True)
class Waiting:
    """What waits and what is in work.

    Attributes:
        is_away: Cloud Storage did not answer: the rest is empty and means nothing.
        pending: files that a next batch of their dataset would claim, in the order of their names.
        ignored: objects in landing that no run will ever claim.
        more: datasets that have more pending files than were listed.
        batches: the open batches of each dataset that has a journal; None where it cannot be read.
        progress: by its id, how far each batch in work has come.
    """

    is_away: bool = False
    pending: tuple[Landed, ...] = ()
    ignored: tuple[Landed, ...] = ()
    more: frozenset[str] = frozenset()
    batches: Mapping[str, tuple[OpenBatch, ...] | None] = field(default_factory=dict)
    progress: Mapping[str, Progress] = field(default_factory=dict)

    @property
    def open_batches(self) -> list[OpenBatch]:
        return [batch for batches in self.batches.values() for batch in batches or ()]

    def pending_of(self, dataset: str) -> list[Landed]:
        return [file for file in self.pending if file.name.startswith(f"{dataset}/")]

    def find(self, dataset: str, batch_id: str) -> OpenBatch | None:
        """The open batch of that id."""
        batches = self.batches.get(dataset) or ()
        return next((batch for batch in batches if batch.batch_id == batch_id), None)


class Pending:
    """Landing and the journals, looked at once in some seconds however many ask."""

    def __init__(self, client: Client, landing: str, lake: str, datasets: Collection[str]) -> None:
        self._client = client
        self._landing, self._lake = landing, lake
        self._datasets = datasets
        self._looks = Cache(1)
        # A journal is never deleted: what was read of a generation holds for it, until there is a newer one.
        self._journals = Cache(max(1, len(datasets)))
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pending")

    def begin(self) -> "Future[Waiting]":
        """Look while the caller asks something else."""
        return self._pool.submit(self.look)

    def look(self) -> Waiting:
        """What waits now or did some seconds ago; `is_away` where Cloud Storage does not answer."""
        seen: Waiting = self._looks.get("look", _SECONDS, self._look)
        return seen

    def _look(self) -> Waiting:
        try:
            # In this order: a file that is being claimed is then seen twice rather than not at all.
            landed, more = self._list_landing()
            batches = self._read_journals()
            progress = self._see_progress(batches)
        except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
            _log.warning("Cloud Storage did not answer: %s", type(error).__name__)
            return Waiting(is_away=True)
        claimed = {file.key for opened in batches.values() for batch in opened or () for file in batch.files}
        unclaimed = [file for file in landed if file.key not in claimed]
        return Waiting(
            pending=tuple(file for file in unclaimed if self._is_pending(file.name)),
            ignored=tuple(file for file in unclaimed if not self._is_pending(file.name)),
            more=more,
            batches=batches,
            progress=progress,
        )

    def _is_pending(self, name: str) -> bool:
        dataset, _, rest = name.partition("/")
        return dataset in self._datasets and rest.endswith(_SUFFIXES)

    def _list_landing(self) -> tuple[list[Landed], frozenset[str]]:
        landed, is_more = self._list_landed(None)
        if not is_more:
            return landed, frozenset()
        # Names come in order: what stands before the folder that the page ends in is whole, and what follows
        # it was not reached. One dataset with very many files must not hide the others'.
        cut = _folder(landed[-1])
        whole = [file for file in landed if _folder(file) < cut]
        folders = sorted(f"{name}/" for name in self._datasets)
        folders = [folder for folder in folders if folder > cut or (folder == cut and whole)]
        listings = self._at_once(self._list_landed, [(folder,) for folder in folders])
        cut_short = {folder for folder, (_, is_more) in zip(folders, listings, strict=True) if is_more}
        if not whole:
            whole, cut_short = landed, cut_short | {cut}
        more = {folder.removesuffix("/") for folder in cut_short}
        return whole + [file for found, _ in listings for file in found], frozenset(more)

    def _list_landed(self, prefix: str | None) -> tuple[list[Landed], bool]:
        blobs, _, is_more = self._list(self._landing, prefix)
        return [_landed(self._landing, blob) for blob in blobs], is_more

    def _read_journals(self) -> dict[str, tuple[OpenBatch, ...] | None]:
        blobs, _, _ = self._list(self._lake, JOURNALS)
        found = [(blob.name.split("/"), blob.generation) for blob in blobs]
        known = [
            (parts[1], generation)
            for parts, generation in found
            if len(parts) == 3 and parts[2] == "open.json" and parts[1] in self._datasets
        ]
        return dict(self._at_once(self._read_journal, known))

    def _read_journal(self, dataset: str, generation: int) -> tuple[str, tuple[OpenBatch, ...] | None]:
        batches = self._journals.get((dataset, generation), _FOR_EVER, lambda: self._parse(dataset))
        return dataset, batches

    def _parse(self, dataset: str) -> tuple[OpenBatch, ...] | None:
        blob = self._client.bucket(self._lake).blob(f"{JOURNALS}{dataset}/open.json")
        try:
            return parse_journal(blob.download_as_bytes(timeout=_TIMEOUT, retry=None))
        except NotFound:
            return ()
        except ValueError:
            return None

    def _see_progress(self, batches: Mapping[str, tuple[OpenBatch, ...] | None]) -> dict[str, Progress]:
        in_work = [
            (batch,) for opened in batches.values() for batch in opened or () if batch.retry_at is None
        ]
        return dict(self._at_once(self._see_batch, in_work))

    def _see_batch(self, batch: OpenBatch) -> tuple[str, Progress]:
        blobs, prefixes, _ = self._list(self._lake, f"{batch.dataset}/{batch.batch_id}/", "/")
        written = {blob.name.rpartition("/")[2]: blob.time_created for blob in blobs}
        return batch.batch_id, tell_progress(written, bool(prefixes), batch.claimed_at)

    def _at_once(self, ask: Any, arguments: list[tuple[Any, ...]]) -> list[Any]:
        # Not in the pool that `begin` waits in: its threads would wait for each other.
        if len(arguments) < 2:
            return [ask(*one) for one in arguments]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda one: ask(*one), arguments))

    def _list(
        self, bucket: str, prefix: str | None = None, delimiter: str | None = None
    ) -> tuple[list[Any], set[str], bool]:
        """The first page: objects, folders, and whether there is more."""
        listing = self._client.list_blobs(
            bucket,
            prefix=prefix,
            delimiter=delimiter,
            page_size=MOST_LISTED,
            fields=_FIELDS,
            timeout=_TIMEOUT,
            retry=None,
        )
        blobs = list(next(listing.pages, ()))
        return blobs, set(listing.prefixes), listing.next_page_token is not None


def tell_progress(written: Mapping[str, datetime], is_tried: bool, claimed_at: datetime) -> Progress:
    """How far a batch has come, by what lies in its folder of the lake and when that was written.

    `is_tried` says that a try of the Spark job has written something.
    """
    if "metrics.json" in written:
        return Progress("load", written["metrics.json"])
    if "manifest.json" not in written:
        return Progress("claim", claimed_at)
    return Progress("spark" if is_tried else "cluster", written["manifest.json"])


def _folder(file: Landed) -> str:
    # With its slash, by which names are ordered too: `a-b/` stands before `a/`.
    folder, slash, _ = file.name.partition("/")
    return folder + slash


def _landed(bucket: str, blob: Any) -> Landed:
    uri = f"gs://{bucket}/{blob.name}"
    return Landed(uri, int(blob.generation), blob.time_created, blob.size, blob.crc32c, blob.md5_hash)
