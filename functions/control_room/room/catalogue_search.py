"""Finds what a word means: columns of datasets and marts by name, by header in the files, by description."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from room.catalogue import Catalogue


@dataclass(frozen=True)
class Hit:
    """A column, or all of an entry of the catalogue where `column` is None; `kind` is dataset or mart."""

    kind: str
    entry: str
    description: str
    column: Mapping[str, Any] | None = None


def search(catalogue: Catalogue, asked: str) -> list[Hit]:
    """What has every word that is asked for, whatever case and accents: names first, then descriptions."""
    words = _folded(asked).split()
    ranked = ((_rank(hit, words), place, hit) for place, hit in enumerate(_all(catalogue)))
    found = sorted(
        ((rank, place, hit) for rank, place, hit in ranked if rank is not None), key=lambda one: one[:2]
    )
    return [hit for _, _, hit in found] if words else []


def _all(catalogue: Catalogue) -> Iterator[Hit]:
    for name, document in catalogue.datasets.items():
        yield Hit("dataset", name, str(document["summary"]))
        for column in document["columns"]:
            yield Hit("dataset", name, str(column["description"]), column)
    for name, mart in catalogue.marts.items():
        yield Hit("mart", name, str(mart["description"]))
        for column in mart["columns"]:
            yield Hit("mart", name, str(column["description"]), column)


def _rank(hit: Hit, words: list[str]) -> int | None:
    """How near the hit is, 0 the nearest; None where it lacks a word."""
    column = hit.column or {"name": hit.entry}
    names = [_folded(str(column["name"])), _folded(str(column.get("header", "")))]
    if " ".join(words) in names:
        return 0
    if all(any(word in name for name in names) for word in words):
        return 1
    text = " ".join([*names, _folded(hit.description)])
    return 2 if all(word in text for word in words) else None


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
