"""The journal: a dataset's open batches, the manifest of each, and where they lie. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, archive_name, batch_id, replay_id

JOURNAL_VERSION = 3
MANIFEST_VERSION = 2
# What was decided of a batch, for good; what follows is then only repeated until it is done.
RECORDED, DIVIDED, GIVEN_UP = "recorded", "divided", "given_up"


@dataclass(frozen=True)
class Archived:
    """A file of the batch and its permanent copy."""

    source: SourceFile
    archive_uri: str


@dataclass(frozen=True)
class Entry:
    """A batch of a dataset: what it claims, before any of it is moved.

    `claim` is the batch that first claimed the files: itself, or the one that it is a part of. `replay` is
    what was asked to be read again; such a batch moves nothing, its files are in the archive.
    """

    dataset: str
    batch_id: str
    claim: str
    run_id: str
    contract_version: str
    claimed_at: str
    replay: str | None
    files: tuple[SourceFile, ...]

    @property
    def arrived_on(self) -> str:
        return self.claimed_at[:10]


@dataclass(frozen=True)
class Open:
    """An open batch: in work, or waiting until `retry_at` since it failed.

    `failures` counts the runs that the batch itself made fail, `failed_run` is the last that failed with it,
    for whatever reason; `suspects` are the identities of the files that the last failure named. `fate` is
    what was decided of it, None while it is to be worked on.
    """

    entry: Entry
    failures: int = 0
    failed_run: str | None = None
    retry_at: str | None = None
    suspects: tuple[str, ...] = ()
    fate: str | None = None

    @property
    def batch_id(self) -> str:
        return self.entry.batch_id


@dataclass(frozen=True)
class Journal:
    """The open batches of a dataset, in the order in which they are looked at.

    `streak` counts the failed runs since a batch was last closed; before `not_before` nothing is tried.
    """

    dataset: str
    batches: tuple[Open, ...] = ()
    streak: int = 0
    not_before: str | None = None

    def find(self, batch: str) -> Open | None:
        return next((open_batch for open_batch in self.batches if open_batch.batch_id == batch), None)


@dataclass(frozen=True)
class Manifest:
    """What Spark reads: the files that were archived, and those that were gone before they could be.

    `token_key` is the version of the secret that it makes tokens with; None when the contract makes none.
    """

    entry: Entry
    files: tuple[Archived, ...]
    superseded: tuple[SourceFile, ...]
    token_key: str | None

    @property
    def bytes(self) -> int:
        return sum(file.source.size for file in self.files)


def open_entry(
    dataset: str, files: Iterable[SourceFile], run_id: str, contract_version: str, claimed_at: str
) -> Entry:
    """The journal entry that claims these files."""
    claimed = tuple(files)
    batch = batch_id(claimed)
    return Entry(dataset, batch, batch, run_id, contract_version, claimed_at, None, claimed)


def replay_entry(
    dataset: str, files: Iterable[SourceFile], run_id: str, contract_version: str, claimed_at: str, asked: str
) -> Entry:
    """The journal entry that reads these archived files again."""
    claimed = tuple(files)
    batch = replay_id(claimed, run_id)
    return Entry(dataset, batch, batch, run_id, contract_version, claimed_at, asked, claimed)


def part_entry(entry: Entry, files: Iterable[SourceFile]) -> Entry:
    """The journal entry of a part of a divided batch."""
    taken = tuple(files)
    return replace(entry, batch_id=batch_id(taken), files=taken)


def settle(
    entry: Entry,
    contract_version: str,
    archive_bucket: str,
    superseded: set[SourceFile],
    token_key: str | None,
) -> Manifest:
    """The manifest of a batch once the fate of each of its files is known."""
    return Manifest(
        entry=replace(entry, contract_version=contract_version),
        files=tuple(
            Archived(file, archive_uri(archive_bucket, entry.dataset, file))
            for file in entry.files
            if file not in superseded
        ),
        superseded=tuple(file for file in entry.files if file in superseded),
        token_key=token_key,
    )


def archive_uri(bucket: str, dataset: str, file: SourceFile) -> str:
    return f"gs://{bucket}/{archive_name(dataset, file)}"


def open_uri(lake_bucket: str, dataset: str) -> str:
    return f"gs://{lake_bucket}/journal/{dataset}/open.json"


def folder_uri(lake_bucket: str, dataset: str, batch: str) -> str:
    return f"gs://{lake_bucket}/{dataset}/{batch}"


def journal_text(journal: Journal) -> str:
    return _text(
        {
            "version": JOURNAL_VERSION,
            "dataset": journal.dataset,
            "streak": journal.streak,
            "not_before": journal.not_before,
            "batches": [
                _head(batch.entry)
                | {field: getattr(batch, field) for field in _STATE}
                | {"suspects": batch.suspects, "files": [asdict(file) for file in batch.entry.files]}
                for batch in journal.batches
            ],
        }
    )


def manifest_text(manifest: Manifest) -> str:
    return _text(
        {"version": MANIFEST_VERSION}
        | _head(manifest.entry)
        | {
            "token_key": manifest.token_key,
            "files": [asdict(file.source) | {"archive_uri": file.archive_uri} for file in manifest.files],
            "superseded": [asdict(file) for file in manifest.superseded],
        }
    )


def parse_journal(text: str, where: str) -> Journal:
    """Understand an open.json, or raise TerminalError; `where` is its URI."""
    with _understanding(where, f"a journal of version {JOURNAL_VERSION}"):
        document = json.loads(text)
        _expect_version(document, JOURNAL_VERSION)
        return Journal(
            document["dataset"],
            tuple(_open(batch) for batch in document["batches"]),
            int(document["streak"]),
            document["not_before"],
        )


def parse_manifest(text: str, where: str) -> Manifest:
    """Understand a manifest.json, or raise TerminalError; `where` is its URI."""
    with _understanding(where, f"a manifest of version {MANIFEST_VERSION}"):
        document = json.loads(text)
        _expect_version(document, MANIFEST_VERSION)
        files = tuple(Archived(_file(file), file["archive_uri"]) for file in document["files"])
        superseded = tuple(_file(file) for file in document["superseded"])
        entry = _entry(document, [*(file.source for file in files), *superseded])
        return Manifest(entry, files, superseded, document["token_key"])


_STATE = ("failures", "failed_run", "retry_at", "fate")
_HEAD = ("dataset", "batch_id", "claim", "run_id", "contract_version", "claimed_at", "replay")


@contextmanager
def _understanding(where: str, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            f"{where}: expected {what}, found one that cannot be read: {error!r}. "
            "Every file that it names is in landing or in the archive; "
            "docs/runbook.md says how to put a batch aside."
        ) from error


def _expect_version(document: dict[str, Any], expected: int) -> None:
    if document["version"] != expected:
        raise ValueError(f"version {document['version']!r}")


def _head(entry: Entry) -> dict[str, Any]:
    return {field: getattr(entry, field) for field in _HEAD} | {"arrived_on": entry.arrived_on}


def _entry(document: dict[str, Any], files: Sequence[SourceFile]) -> Entry:
    # The manifest of a batch from before batches were divided names no claim: it was its own.
    head = {"claim": document["batch_id"]} | document
    return Entry(**{field: head[field] for field in _HEAD}, files=tuple(files))


def _open(document: dict[str, Any]) -> Open:
    return Open(
        _entry(document, [_file(file) for file in document["files"]]),
        **{field: document[field] for field in _STATE},
        suspects=tuple(document["suspects"]),
    )


def _file(document: dict[str, Any]) -> SourceFile:
    return SourceFile(**{field: document[field] for field in SourceFile.__dataclass_fields__})


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"
