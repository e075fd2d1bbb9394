"""The files of the marts: each view has its columns described, as Google's own analyzer finds them."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bigquery.renderer.__main__ import main
from localcloud import warehouse

ROOT = Path(__file__).parents[3]
MARTS = ROOT / "bigquery" / "marts"
NAMES = sorted(path.stem for path in MARTS.glob("*.sql"))

# What readers of marts know them by; a report breaks when one goes.
PROMISED = {
    "fact_quote",
    "dim_tube_assembly",
    "dim_supplier",
    "dim_component",
    "dim_date",
    "bridge_bill_of_materials",
    "report_total",
    "report_cost_by_supplier",
    "report_cost_by_tube_assembly",
    "ops_freshness",
    "ops_volume_by_day",
    "ops_rejected_share",
    "ops_cost_by_day",
}
# BigQuery's own limit.
LONGEST_DESCRIPTION = 1024

marts = pytest.mark.parametrize("name", NAMES)


def columns(name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((MARTS / f"{name}.schema.json").read_text())
    return found


def test_the_folder_holds_what_is_promised_and_no_more() -> None:
    assert set(NAMES) >= PROMISED
    files = {f"{name}{end}" for name in NAMES for end in (".sql", ".schema.json")}
    assert {path.name for path in MARTS.iterdir()} == files | {"catalog.json"}


@marts
def test_the_columns_are_those_that_the_view_has(name: str, front_end: Any) -> None:
    described = [(column["name"], column["type"]) for column in columns(name)]
    assert front_end.columns((MARTS / f"{name}.sql").read_text()) == described


@marts
def test_every_column_is_explained(name: str) -> None:
    for column in columns(name):
        assert column["mode"] == "NULLABLE", "BigQuery knows no other mode of a view's columns"
        assert re.fullmatch(r"[A-Z\w].{9,}\.", column["description"]), column
        assert len(column["description"]) <= LONGEST_DESCRIPTION


def test_the_catalogue_names_every_mart_with_what_it_reads() -> None:
    catalog = {mart["name"]: mart for mart in json.loads((MARTS / "catalog.json").read_text())["marts"]}
    assert sorted(catalog) == NAMES
    for name, mart in catalog.items():
        assert mart["table"] == f"marts.{name}"
        assert mart["question"].endswith("?")
        assert [column["name"] for column in mart["columns"]] == [column["name"] for column in columns(name)]
    assert catalog["dim_component"]["reads"] == ["trusted.bill_of_materials", "trusted.comp_boss"]
    assert catalog["ops_freshness"]["reads"] == ["ops.files", "ops.batches"]
    quotes = ("fact_quote", "report_total", "report_cost_by_supplier", "report_cost_by_tube_assembly")
    assert {tuple(catalog[name]["reads"]) for name in quotes} == {("trusted.price_quote",)}


def test_marts_show_nothing_that_a_contract_restricts() -> None:
    restricted = {
        f"trusted.{path.parent.name}"
        for path in ROOT.glob("bigquery/datasets/*/warehouse.json")
        if json.loads(path.read_text())["restricted_columns"] or json.loads(path.read_text())["roles"]
    }
    catalog = json.loads((MARTS / "catalog.json").read_text())["marts"]
    assert restricted
    assert {table for mart in catalog for table in mart["reads"]}.isdisjoint(restricted)


def test_datasets_elsewhere_come_without_the_marts_of_these(tmp_path: Path) -> None:
    """The views would name tables that such a local cloud does not have."""
    shutil.copytree(ROOT / "bigquery/datasets/comp_boss", tmp_path / "datasets/comp_boss")
    shutil.copy(ROOT / "bigquery/datasets/rejected_rows.sql", tmp_path / "datasets")
    for datasets, expected in ((ROOT / "bigquery/datasets", NAMES), (tmp_path / "datasets", [])):
        views = warehouse.read(datasets, ROOT / "bigquery/ops").views
        assert [path.stem for path, _ in views if path.parent.name == "marts"] == expected


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The marts in a folder of their own, beside datasets with one contract."""
    shutil.copytree(MARTS, tmp_path / "marts")
    shutil.copytree(ROOT / "bigquery/datasets/comp_boss", tmp_path / "datasets/comp_boss")
    assert render(tmp_path) == 0
    return tmp_path


def render(folder: Path, *arguments: str) -> int:
    return main(["--datasets", str(folder / "datasets"), *arguments])


VIEW = MARTS / "report_total.sql"
COLUMNS = MARTS / "report_total.schema.json"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        (VIEW.name, VIEW.read_text().replace("marts.report_total", "marts.total"), "rename one of the two"),
        (VIEW.name, VIEW.read_text().replace("CREATE OR REPLACE VIEW", "CREATE VIEW"), "another shape"),
        (VIEW.name, VIEW.read_text().replace("-- What", "What"), "another shape"),
        (VIEW.name, VIEW.read_text().replace("  description = ", "  friendly_name = "), "another shape"),
        (COLUMNS.name, None, "describe each column of the view"),
        (COLUMNS.name, "[", "no JSON"),
        (COLUMNS.name, "[]", "describe each column of the view"),
        (
            COLUMNS.name,
            '[{"name": "a", "type": "STRING", "mode": "NULLABLE"}]',
            "report_total.schema.json[0]",
        ),
        (COLUMNS.name, COLUMNS.read_text().replace("NULLABLE", "REQUIRED", 1), "the mode NULLABLE"),
        (COLUMNS.name, COLUMNS.read_text().replace('"Number of quotes."', '""'), "schema.json[1]"),
    ],
)
def test_a_mart_that_is_not_sound_is_refused(
    file: str, text: str | None, complaint: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is None:
        (copy / "marts" / file).unlink()
    else:
        (copy / "marts" / file).write_text(text)
    before = (copy / "marts/catalog.json").read_text()
    assert render(copy) == 1
    assert complaint in capsys.readouterr().err
    assert (copy / "marts/catalog.json").read_text() == before


def test_a_catalogue_that_is_out_of_step_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(copy, "--check") == 0
    text = COLUMNS.read_text().replace("Number of quotes.", "How many quotes there are.")
    (copy / "marts" / COLUMNS.name).write_text(text)
    assert render(copy, "--check") == 1
    assert "marts/catalog.json" in capsys.readouterr().err
    assert render(copy) == 0
    assert "How many quotes there are." in (copy / "marts/catalog.json").read_text()
    assert render(copy, "--check") == 0
