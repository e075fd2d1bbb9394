"""The datasets that the checkout's rendered contracts describe, and the grammar of landing names."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class Dataset:
    """What a command needs of a rendered contract; tables are `dataset.table`.

    `partition` is the column that trusted is partitioned by, one of the key, or None. `guarded` says that
    trusted has rows or key columns for the roles of the contract alone; `freshness_seconds` is how old what
    waits may become.
    """

    name: str
    key: tuple[str, ...]
    raw: str
    trusted: str
    rejected: str
    partition: str | None = None
    guarded: bool = False
    freshness_seconds: int = 3600


def read_datasets(folder: Path) -> dict[str, Dataset]:
    """Every dataset with a rendered contract, by name."""
    found = {}
    for path in sorted(folder.glob("*/pipeline.json")):
        document = json.loads(path.read_text())
        warehouse = json.loads(path.with_name("warehouse.json").read_text())
        tables = warehouse["tables"]
        hidden = set(warehouse["restricted_columns"]) & set(document["key"])
        found[document["dataset"]] = Dataset(
            document["dataset"],
            tuple(document["key"]),
            tables["raw"]["table"],
            tables["trusted"]["table"],
            tables["rejected"]["table"],
            (tables["trusted"]["partitioning"] or {}).get("field"),
            bool(hidden) or any(role["row_filter"] for role in warehouse["roles"]),
            document["freshness_seconds"],
        )
    return found


@dataclass(frozen=True)
class Dialect:
    """How a dataset's files are written; without an `escape` a quote is doubled."""

    delimiter: str
    quote: str
    escape: str | None
    encoding: str
    header: bool


def parse_dialect(text: str) -> Dialect:
    """The dialect that a rendered contract states."""
    form = json.loads(text)["format"]
    return Dialect(form["delimiter"], form["quote"], form.get("escape"), form["encoding"], form["header"])


def infer_dataset(file_name: str, datasets: Iterable[str]) -> str | None:
    """The longest dataset name that the file's name starts with, or None."""
    matching = [name for name in datasets if file_name.startswith(name)]
    return max(matching, key=len, default=None)


def why_ignored(object_name: str, datasets: Iterable[str]) -> str | None:
    """Why a landing object is outside `<dataset>/<anything>.csv[.gz]`, or None when it is inside."""
    names = sorted(datasets)
    dataset, slash, rest = object_name.partition("/")
    if not slash:
        return (
            f"expected <dataset>/<file>.csv, found no dataset's prefix; the datasets are {', '.join(names)}"
        )
    if dataset not in names:
        return f"there is no dataset {dataset!r}; the datasets are {', '.join(names)}"
    if not rest.endswith(SUFFIXES):
        return f"expected a name ending in {' or '.join(SUFFIXES)}"
    return None
