"""Match a file's header against the contract: which field of its records is which column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from landfall_spark.pipeline import Pipeline, fold_name
from landfall_spark.refusal import HEADER_MISMATCH, Refusal

MAX_DETAIL = 1000


@dataclass(frozen=True)
class Layout:
    """How one file's fields map to the contract. Positions count fields from 0."""

    width: int  # fields that a record must have
    positions: tuple[int | None, ...]  # of each of the contract's columns; None: the file lacks it
    unknown: tuple[tuple[int, str], ...]  # position and name of what the contract does not know
    missing: tuple[str, ...]  # columns of the contract that the file lacks


def headerless(contract: Pipeline) -> Layout:
    """Return the layout of files without a header: the contract's columns in its order."""
    width = len(contract.columns)
    return Layout(width, tuple(range(width)), (), ())


def match(header: Sequence[str], contract: Pipeline) -> Layout | Refusal:
    """Find the contract's columns in a header, by name in any order, or say why the file is rejected.

    Names are repeated in a refusal only where most of them are known: the line may be data.
    """
    names = [fold_name(name) for name in header]
    places = {name: position for position, name in enumerate(names)}
    expected = [fold_name(name) for name in contract.header]
    positions = tuple(places.get(name) for name in expected)
    lacking = [
        column for column, position in zip(contract.columns, positions, strict=True) if position is None
    ]
    known = set(expected)
    unknown = tuple((i, header[i]) for i, name in enumerate(names) if name not in known)
    differences = {
        "missing": [column.header for column in lacking if column.required],
        "unknown": [name for _, name in unknown] if contract.format.unknown_columns == "reject" else [],
        "repeated": sorted({name for name in header if names.count(fold_name(name)) > 1}),
    }
    found = len(header) - len(unknown)
    if not found or any(differences.values()):
        return Refusal(HEADER_MISMATCH, _describe(len(header), found, differences, contract))
    return Layout(len(header), positions, unknown, tuple(column.name for column in lacking))


def _describe(found: int, known: int, differences: dict[str, list[str]], contract: Pipeline) -> str:
    if 2 * known < found or not known:
        text = f"found {found} fields, {known} of them columns of the contract: is the header missing?"
    else:
        parts = [f"{kind} {', '.join(names)}" for kind, names in differences.items() if names]
        text = f"found {found} columns: {'; '.join(parts)}"
    text = f"{text}; expected {len(contract.columns)} columns: {', '.join(contract.header)}"
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 3] + "..."
