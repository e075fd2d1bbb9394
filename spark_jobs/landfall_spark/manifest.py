"""The manifest: which files make the batch, and what their rows carry as lineage."""

from __future__ import annotations

from dataclasses import dataclass

from landfall_spark import documents
from landfall_spark.documents import Node
from landfall_spark.errors import ManifestError


@dataclass(frozen=True)
class SourceFile:
    """One file of the batch: its identity in landing, and the archived copy that is read."""

    uri: str
    generation: int
    size: int
    created_at: str
    archive_uri: str


@dataclass(frozen=True)
class Manifest:
    """One batch. `claimed_at` is the `_ingested_at` of all its rows, so a rerun gives the same rows."""

    dataset: str
    batch_id: str
    claimed_at: str
    files: tuple[SourceFile, ...]


def parse_manifest(text: str, uri: str) -> Manifest:
    """Parse the text of manifest.json; ManifestError names the field that is wrong."""
    root = documents.parse(text, uri, ManifestError)
    version = root.take("version", int)
    if version != 1:
        raise root.complain("version", "1", str(version))
    files = tuple(_parse_file(node) for node in root.nodes("files"))
    if len({(file.uri, file.generation) for file in files}) != len(files):
        raise root.complain("files", "each (uri, generation) once", "one of them twice")
    if len({file.archive_uri for file in files}) != len(files):
        raise root.complain("files", "each archive_uri once", "one of them twice")
    return Manifest(
        root.take("dataset", str), root.take("batch_id", str), root.take("claimed_at", str), files
    )


def _parse_file(node: Node) -> SourceFile:
    return SourceFile(
        uri=node.take("uri", str),
        generation=node.take("generation", int),
        size=node.take("size", int),
        created_at=node.take("created_at", str),
        archive_uri=node.take("archive_uri", str),
    )
