"""The datasets and marts that there are, from the rendered catalogue, which is deployed with the code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Catalogue:
    """The rendered documents by name: of each dataset its contract, of each mart its columns and sources."""

    datasets: Mapping[str, Mapping[str, Any]]
    marts: Mapping[str, Mapping[str, Any]]


def read_catalogue(folder: Path) -> Catalogue:
    """Read `datasets/*/catalog.json` and `marts/catalog.json`."""
    documents = [_read(path) for path in sorted(folder.glob("datasets/*/catalog.json"))]
    marts = folder / "marts" / "catalog.json"
    views = _read(marts)["marts"] if marts.exists() else []
    return Catalogue({one["dataset"]: one for one in documents}, {view["name"]: view for view in views})


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
