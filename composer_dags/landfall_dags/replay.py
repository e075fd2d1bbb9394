"""What a replay asks for: archived files, to be read again under today's contract."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from landfall_dags.claim import Places, read_manifest
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import Entry, archive_uri, replay_entry
from landfall_dags.pipeline import Pipeline
from landfall_dags.store import Content, Store

_LOOKERS = 8  # threads; Google's client keeps ten connections
_BATCH = re.compile(r"[0-9a-f]{32}")
_FILE = re.compile(r"(?P<uri>gs://[^/]+/.+)#(?P<generation>[0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True)
class Replay:
    """A batch of the ledger, or one file of it: either `batch_id` or `uri` and `generation` is None."""

    asked: str
    batch_id: str | None
    uri: str | None
    generation: int | None


def parse_replay(conf: Mapping[str, Any] | None) -> Replay | None:
    """Understand what a run was asked to replay, None when nothing; TerminalError for anything else."""
    if not conf or "replay" not in conf:
        return None
    asked = str(conf["replay"])
    if _BATCH.fullmatch(asked):
        return Replay(asked, asked, None, None)
    if match := _FILE.fullmatch(asked):
        return Replay(asked, None, match["uri"], int(match["generation"]))
    raise TerminalError(
        f"expected the run's replay to be the id of a batch (32 hex digits) or gs://bucket/name#generation, "
        f"found {asked!r}. ops.files has both."
    )


def propose(
    store: Store,
    places: Places,
    pipeline: Pipeline,
    replay: Replay,
    known: Callable[[str, Replay], Sequence[SourceFile]],
    run_id: str,
    now: datetime,
) -> Entry:
    """The journal entry of a replay, its files as they first came; `known` finds them in the ledger.

    Raises TerminalError when the ledger has no such file of the dataset, or the archive no longer has one.
    """
    files = sorted(known(pipeline.dataset, replay), key=lambda file: (file.created_at, file.generation))
    if not files:
        raise TerminalError(
            f"expected archived files of {pipeline.dataset} in ops.files for {replay.asked}, found none. "
            "Check the dataset and the id; a batch is in ops.files once its run has ended."
        )
    _expect_archived(store, places.archive, pipeline.dataset, files)
    entry = replay_entry(
        pipeline.dataset, files, run_id, pipeline.contract_version, timestamp(now), replay.asked
    )
    return _as_first_claimed(store, places.lake, entry)


def _as_first_claimed(store: Store, lake_bucket: str, entry: Entry) -> Entry:
    # A run that is cleared after its end opens its batch again: the ledger finds its row by the first claim.
    finished = read_manifest(store, lake_bucket, entry)
    return entry if finished is None else finished.entry


def _expect_archived(store: Store, bucket: str, dataset: str, files: Iterable[SourceFile]) -> None:
    expected = {archive_uri(bucket, dataset, file): file for file in files}
    with ThreadPoolExecutor(_LOOKERS) as lookers:
        found = dict(zip(expected, lookers.map(store.find, expected), strict=True))
    wrong = [uri for uri, file in expected.items() if found[uri] != Content(file.size, file.crc32c)]
    if wrong:
        first = expected[wrong[0]]
        raise TerminalError(
            f"{wrong[0]}: expected the original of {first.identity} with {first.size} bytes and crc32c "
            f"{first.crc32c}, found {found[wrong[0]] or 'none'}; {len(wrong)} of {len(expected)} files are "
            "wrong. Restore it from the bucket's soft-deleted objects, then clear claim_batch."
        )
