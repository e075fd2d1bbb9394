"""The manifest: which files make the batch, and what their rows carry as lineage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from landfall_spark import documents
from landfall_spark.documents import Node
from landfall_spark.errors import ManifestError

VERSION = 2
_KEY = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[0-9]+")


@dataclass(frozen=True)
class SourceFile:
    """One file of the batch: its identity in landing, and the archived copy that is read."""

    uri: str
    generation: int
    size: int
    created_at: datetime
    archive_uri: str


@dataclass(frozen=True)
class Manifest:
    """One batch. `claimed_at` is the `_ingested_at` of all its rows, so a rerun gives the same rows.

    `token_key` is the version of a secret, `projects/P/secrets/S/versions/N`; None where none is configured.
    """

    dataset: str
    batch_id: str
    claimed_at: datetime
    files: tuple[SourceFile, ...]
    token_key: str | None


def parse_manifest(text: str, uri: str) -> Manifest:
    """Parse the text of manifest.json; ManifestError names the field that is wrong."""
    root = documents.parse(text, uri, ManifestError)
    version = root.take("version", int)
    if version != VERSION:
        raise root.complain("version", str(VERSION), str(version))
    files = tuple(_parse_file(node) for node in root.nodes("files"))
    if len({(file.uri, file.generation) for file in files}) != len(files):
        raise root.complain("files", "each (uri, generation) once", "one of them twice")
    if len({file.archive_uri for file in files}) != len(files):
        raise root.complain("files", "each archive_uri once", "one of them twice")
    return Manifest(
        dataset=root.take("dataset", str),
        batch_id=root.take("batch_id", str),
        claimed_at=_take_instant(root, "claimed_at"),
        files=files,
        token_key=_parse_key(root),
    )


def _parse_file(node: Node) -> SourceFile:
    return SourceFile(
        uri=node.take("uri", str),
        generation=node.take("generation", int),
        size=node.take("size", int),
        created_at=_take_instant(node, "created_at"),
        archive_uri=node.take("archive_uri", str),
    )


def _parse_key(root: Node) -> str | None:
    key = root.optional("token_key", str)
    if key is not None and not _KEY.fullmatch(key):
        raise root.complain("token_key", "projects/P/secrets/S/versions/N, N a number, or null", key)
    return key


def _take_instant(node: Node, name: str) -> datetime:
    text = node.take(name, str)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise node.complain(name, "an instant such as 2026-11-21T01:26:00Z", text)
    return instant
