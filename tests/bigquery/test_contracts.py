"""The contracts of the project: of the standard, and in step with what is rendered from them."""

import csv
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from google.cloud.bigquery import SchemaField

from bigquery.renderer.__main__ import main
from bigquery.renderer.rendering import render

DATASETS = Path(__file__).parents[2] / "bigquery" / "datasets"
OPS = DATASETS.parent / "ops"
FOLDERS = sorted(path for path in DATASETS.iterdir() if path.is_dir())
REAL_FILES = DATASETS.parents[2] / "shared" / "data" / "bvs"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rendered_files_are_in_step_and_alone(folder: Path) -> None:
    rendered = render((folder / "contract.yaml").read_text(), folder.name)
    assert {
        path.name: path.read_text() for path in folder.iterdir() if path.name != "contract.yaml"
    } == rendered


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_contract_is_valid_by_the_schema_of_the_standard(folder: Path) -> None:
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
    contract = yaml.safe_load((folder / "contract.yaml").read_text())
    problems = jsonschema.validators.validator_for(schema)(schema).iter_errors(contract)
    assert [problem.message for problem in problems] == []


@pytest.mark.skipif(not REAL_FILES.is_dir(), reason=f"the real files are not at {REAL_FILES}")
@pytest.mark.parametrize("dataset", ["bill_of_materials", "comp_boss", "price_quote"])
def test_the_columns_are_those_of_the_real_file_in_order(dataset: str) -> None:
    with (REAL_FILES / f"{dataset}.csv").open(newline="") as file:
        header = next(csv.reader(file))
    columns = json.loads((DATASETS / dataset / "pipeline.json").read_text())["columns"]
    assert [column["name"] for column in columns] == header


def test_price_quote_is_keyed_partitioned_and_clustered_as_agreed() -> None:
    pipeline = json.loads((DATASETS / "price_quote" / "pipeline.json").read_text())
    assert [column["name"] for column in pipeline["columns"][:7]] == pipeline["key"]
    assert pipeline["columns"][7] == {
        "name": "cost",
        "type": "BIGNUMERIC",
        "precision": 38,
        "scale": 18,
        "required": True,
    }
    tables = json.loads((DATASETS / "price_quote" / "warehouse.json").read_text())["tables"]
    assert tables["trusted"]["primary_key"] == pipeline["key"]
    assert tables["trusted"]["partitioning"] == {
        "field": "quote_date",
        "type": "MONTH",
        "require_filter": False,
        "expiration_days": None,
    }
    assert tables["trusted"]["clustering"] == ["supplier", "tube_assembly_id"]
    assert tables["raw"]["partitioning"] == {
        "field": "_ingested_at",
        "type": "DAY",
        "require_filter": True,
        "expiration_days": None,
    }


def test_bank_statement_is_protected_as_agreed() -> None:
    pipeline = json.loads((DATASETS / "bank_statement" / "pipeline.json").read_text())
    methods = {
        entry["name"]: entry["protection"]["method"] for entry in pipeline["columns"] if "protection" in entry
    }
    assert methods == {"favorecido": "mask", "cpf_cnpj": "tokenise", "email": "hash", "telefone": "drop"}
    days = [entry for entry in pipeline["columns"] if entry["type"] == "DATE"]
    assert [entry["formats"] for entry in days] == [["%d/%m/%Y", "%Y-%m-%d"]] * 2
    amounts = [entry for entry in pipeline["columns"] if entry["type"] == "NUMERIC"]
    assert [(entry["decimal_separator"], entry["group_separator"]) for entry in amounts] == [(",", ".")] * 2


def test_only_treasury_reads_what_the_bank_wrote() -> None:
    warehouse = json.loads((DATASETS / "bank_statement" / "warehouse.json").read_text())
    assert warehouse["restricted_columns"] == ["historico"]
    readers = {role["role"] for role in warehouse["roles"] if "restricted" in role["classifications"]}
    assert readers == {"treasury"}
    filters = {role["role"]: role["row_filter"] for role in warehouse["roles"]}
    assert filters == {"treasury": None, "payments": "canal IS NOT NULL"}


@pytest.mark.parametrize(
    "path",
    sorted([*DATASETS.glob("*/*.schema.json"), *OPS.glob("*.schema.json")]),
    ids=lambda path: path.name,
)
def test_a_schema_is_taken_by_bigquerys_own_client_as_it_is_written(path: Path) -> None:
    written = json.loads(path.read_text())
    fields = [SchemaField.from_api_repr(field) for field in written]
    assert [field.to_api_repr() for field in fields] == written
    assert all(field.description for field in fields)


def test_every_ledger_table_is_laid_out_by_columns_that_it_has() -> None:
    tables = json.loads((OPS / "tables.json").read_text())
    for folder in FOLDERS:
        rejected = json.loads((folder / "warehouse.json").read_text())["tables"]["rejected"]
        assert rejected["table"] == f"ops.rejected_rows_{folder.name}"
        tables["rejected_rows"] = rejected | {"table": "ops.rejected_rows"}
    assert {f"{name}.schema.json" for name in tables} == {path.name for path in OPS.glob("*.schema.json")}
    for name, table in tables.items():
        fields = {field["name"]: field for field in json.loads((OPS / f"{name}.schema.json").read_text())}
        assert table["table"] == f"ops.{name}"
        assert fields[table["partitioning"]["field"]]["type"] == "TIMESTAMP"
        assert set(table["clustering"]) <= set(fields)


@pytest.fixture
def datasets(tmp_path: Path, contract_text: Any) -> Path:
    """A folder of one dataset, not rendered."""
    folder = tmp_path / "orders"
    folder.mkdir()
    key: dict[str, Any] = {"name": "id", "physicalType": "INT64", "required": True, "primaryKey": True}
    (folder / "contract.yaml").write_text(contract_text("orders", [key | {"primaryKeyPosition": 1}]))
    return tmp_path


def test_check_names_the_files_out_of_step_and_the_command_that_mends_them(
    datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--datasets", str(datasets)]) == 0
    assert main(["--datasets", str(datasets), "--check"]) == 0
    procedure = datasets / "orders" / "procedure.sql"
    procedure.write_text(procedure.read_text() + "-- by hand\n")
    (datasets / "orders" / "raw.schema.json").unlink()
    capsys.readouterr()

    assert main(["--datasets", str(datasets), "--check"]) == 1

    told = capsys.readouterr().err
    assert str(procedure) in told
    assert str(datasets / "orders" / "raw.schema.json") in told
    assert "trusted.schema.json" not in told
    assert "rejected_rows.sql" not in told
    assert f"Run: python -m bigquery.renderer --datasets {datasets}" in told
    assert "by hand" in procedure.read_text(), "--check writes nothing"
    assert main(["--datasets", str(datasets)]) == 0
    assert main(["--datasets", str(datasets), "--check"]) == 0


def test_the_view_over_rejected_rows_follows_the_datasets_that_there_are(
    datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--datasets", str(datasets)]) == 0
    one = (datasets / "rejected_rows.sql").read_text()
    assert "FROM ops.rejected_rows_orders" in one
    assert "UNION ALL" not in one
    contract = (datasets / "orders" / "contract.yaml").read_text()
    (datasets / "basket").mkdir()
    (datasets / "basket" / "contract.yaml").write_text(contract.replace("orders", "basket"))
    assert main(["--datasets", str(datasets), "--check"]) == 1
    assert "rejected_rows.sql" in capsys.readouterr().err
    assert main(["--datasets", str(datasets)]) == 0
    two = (datasets / "rejected_rows.sql").read_text()
    assert [line for line in two.splitlines() if line.startswith(("FROM", "UNION"))] == [
        "FROM ops.rejected_rows_basket",
        "UNION ALL",
        "FROM ops.rejected_rows_orders;",
    ]


def test_nothing_is_written_while_one_contract_is_wrong(
    datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (datasets / "returns").mkdir()
    (datasets / "returns" / "contract.yaml").write_bytes(b"name: \xff\n")
    (datasets / "refunds").mkdir()
    (datasets / "parcels").mkdir()
    (datasets / "parcels" / "contract.yaml").write_text("kind: DataContract\n")

    assert main(["--datasets", str(datasets)]) == 1

    told = capsys.readouterr().err
    assert "returns/contract.yaml: expected UTF-8" in told
    assert "refunds: expected a contract.yaml, found none" in told
    assert "parcels/contract.yaml: " in told
    assert sorted(path.name for path in (datasets / "orders").iterdir()) == ["contract.yaml"]
