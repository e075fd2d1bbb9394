"""The journal of a batch: its open entry, its manifest, and where both lie. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, archive_name, batch_id, replay_id

VERSION = 2


@dataclass(frozen=True)
class Archived:
    """A file of the batch and its permanent copy."""

    source: SourceFile
    archive_uri: str


@dataclass(frozen=True)
class Entry:
    """The one open batch of a dataset: what it claims, before any of it is moved.

    `replay` is what was asked to be read again; such a batch moves nothing, its files are in the archive.
    """

    dataset: str
    batch_id: str
    run_id: str
    contract_version: str
    claimed_at: str
    replay: str | None
    files: tuple[SourceFile, ...]

    @property
    def arrived_on(self) -> str:
        return self.claimed_at[:10]


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
    return Entry(dataset, batch_id(claimed), run_id, contract_version, claimed_at, None, claimed)


def replay_entry(
    dataset: str, files: Iterable[SourceFile], run_id: str, contract_version: str, claimed_at: str, asked: str
) -> Entry:
    """The journal entry that reads these archived files again."""
    claimed = tuple(files)
    return Entry(dataset, replay_id(claimed, run_id), run_id, contract_version, claimed_at, asked, claimed)


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


def entry_text(entry: Entry) -> str:
    return _text(_head(entry) | {"files": [asdict(file) for file in entry.files]})


def manifest_text(manifest: Manifest) -> str:
    return _text(
        _head(manifest.entry)
        | {
            "token_key": manifest.token_key,
            "files": [asdict(file.source) | {"archive_uri": file.archive_uri} for file in manifest.files],
            "superseded": [asdict(file) for file in manifest.superseded],
        }
    )


def parse_entry(text: str, where: str) -> Entry:
    """Understand an open.json, or raise TerminalError; `where` is its URI."""
    with _understanding(where):
        document = json.loads(text)
        return _entry(document, [_file(file) for file in document["files"]])


def parse_manifest(text: str, where: str) -> Manifest:
    """Understand a manifest.json, or raise TerminalError; `where` is its URI."""
    with _understanding(where):
        document = json.loads(text)
        files = tuple(Archived(_file(file), file["archive_uri"]) for file in document["files"])
        superseded = tuple(_file(file) for file in document["superseded"])
        entry = _entry(document, [*(file.source for file in files), *superseded])
        return Manifest(entry, files, superseded, document["token_key"])


@contextmanager
def _understanding(where: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            f"{where}: expected a journal of version {VERSION}, found one that cannot be read: {error!r}. "
            "Every file that it names is in landing or in the archive; "
            "docs/runbook.md says how to put a batch aside."
        ) from error


def _head(entry: Entry) -> dict[str, Any]:
    return {
        "version": VERSION,
        "dataset": entry.dataset,
        "batch_id": entry.batch_id,
        "run_id": entry.run_id,
        "contract_version": entry.contract_version,
        "claimed_at": entry.claimed_at,
        "arrived_on": entry.arrived_on,
        "replay": entry.replay,
    }


def _entry(document: dict[str, Any], files: Sequence[SourceFile]) -> Entry:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']!r}")
    fields = ("dataset", "batch_id", "run_id", "contract_version", "claimed_at", "replay")
    return Entry(**{field: document[field] for field in fields}, files=tuple(files))


def _file(document: dict[str, Any]) -> SourceFile:
    return SourceFile(**{field: document[field] for field in SourceFile.__dataclass_fields__})


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"
