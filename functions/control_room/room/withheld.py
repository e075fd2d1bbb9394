"""What is withheld of rejected rows: text and values, where a contract lets only some readers see them.

The ledger has such a row as it stands in the file; the control room's account holds no role of a contract.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from room.warehouse import Row


def withhold(rows: Iterable[Row], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The rows, each with `is_withheld`; one that is has no text and no values.

    `documents` are the datasets of the catalogue. A row of a dataset that is not there is withheld.
    """
    shown = {name for name, document in documents.items() if not is_fenced(document)}
    for row in rows:
        yield row | {"is_withheld": False} if row["dataset"] in shown else _hide(row)


def is_fenced(document: Mapping[str, Any]) -> bool:
    """Whether the contract has columns or rows that only its roles may read."""
    restricted = any(column["classification"] == "restricted" for column in document["columns"])
    return restricted or any(role["row_filter"] for role in document["roles"])


def _hide(row: Row) -> Row:
    # A new row: answers are shared.
    reasons = [reason | {"value": None} for reason in row["reasons"]]
    return row | {"is_withheld": True, "raw": None, "reasons": reasons}
