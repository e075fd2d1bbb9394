"""Google's own SQL front end over a catalog made from the rendered schemas, and a local BigQuery."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bigquery.front_end import FrontEnd, Schema, compiled
from tests.bigquery.world import Warehouse, start

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def rendered_tables() -> dict[str, Schema]:
    """Every table of the warehouse by its name in SQL, with its rendered JSON schema."""
    tables: dict[str, Schema] = {}
    for path in (ROOT / "bigquery" / "datasets").glob("*/*.schema.json"):
        tables[f"{path.name.split('.')[0]}.{path.parent.name}"] = json.loads(path.read_text())
    for path in (ROOT / "bigquery" / "ops").glob("*.schema.json"):
        tables[f"ops.{path.name.split('.')[0]}"] = json.loads(path.read_text())
    for dataset in (name.removeprefix("raw.") for name in list(tables) if name.startswith("raw.")):
        tables[f"ops.rejected_rows_{dataset}"] = tables["ops.rejected_rows"]
    return tables


@pytest.fixture(scope="session")
def compiled_front_end() -> Iterator[type[FrontEnd]]:
    """The class of front ends, once its WebAssembly is ready to run."""
    with compiled() as front_end:
        yield front_end


@pytest.fixture(scope="session")
def front_end(compiled_front_end: type[FrontEnd], rendered_tables: dict[str, Schema]) -> FrontEnd:
    """A front end that knows the tables of the warehouse, and the views over its ledger."""
    return compiled_front_end(rendered_tables).with_ledger_views()


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A local BigQuery with the rendered tables and procedures."""
    with start(tmp_path_factory.mktemp("procedures")) as running:
        yield running


@pytest.fixture(scope="session")
def contract_text() -> Any:
    """Writes a contract of a dataset with the given columns, like those of the project in all else."""

    def write(
        name: str,
        properties: list[dict[str, Any]],
        server: dict[str, Any] | None = None,
        quality: list[dict[str, Any]] | None = None,
        **custom: Any,
    ) -> str:
        contract = yaml.safe_load((ROOT / "bigquery/datasets/comp_boss/contract.yaml").read_text())
        contract["name"] = contract["schema"][0]["name"] = name
        landing = {"path": f"{name}/", "customProperties": _listed({"nullTokens": ["", "NA"]})}
        contract["servers"][0] |= landing | (server or {})
        contract["schema"][0]["customProperties"] = _listed({"mode": "merge"} | custom)
        contract["schema"][0]["quality"] = quality
        contract["schema"][0]["properties"] = [_completed(entry) for entry in properties]
        return yaml.safe_dump(contract, sort_keys=False)

    return write


LOGICAL = {
    "STRING": "string",
    "INT64": "integer",
    "FLOAT64": "number",
    "NUMERIC": "number",
    "BIGNUMERIC": "number",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
}
CUSTOM = {
    "BOOL": {"trueTokens": ["Yes"], "falseTokens": ["No"]},
    "DATE": {"formats": ["%Y-%m-%d"]},
    "DATETIME": {"formats": ["%Y-%m-%d %H:%M:%S"]},
    "TIMESTAMP": {"formats": ["%Y-%m-%dT%H:%M:%S%z"]},
}


def _completed(entry: dict[str, Any]) -> dict[str, Any]:
    kind = entry["physicalType"].partition("(")[0]
    custom = CUSTOM.get(kind, {}) | entry.get("custom", {})
    usual = {"logicalType": LOGICAL[kind], "classification": "internal", "description": "A column."}
    column = usual | {key: value for key, value in entry.items() if key != "custom"}
    if custom:
        column["customProperties"] = _listed(custom)
    return column


def _listed(custom: dict[str, Any]) -> list[dict[str, Any]]:
    """Custom properties as a contract writes them; None leaves a usual one out."""
    return [{"property": key, "value": value} for key, value in custom.items() if value is not None]
