import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localcloud.command.datasets import Dataset, infer_dataset, read_datasets, why_ignored
from localcloud.command.drop import choose_targets
from localcloud.launcher.errors import UsageError

NAMES = ["price", "price_quote", "comp_boss"]
DATASETS = {name: Dataset(name, ("id",), f"raw.{name}", f"trusted.{name}", f"ops.{name}") for name in NAMES}


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("price_quote.csv", "price_quote"),
        ("price_quote_2026-01.csv.gz", "price_quote"),
        ("price_list.csv", "price"),
        ("comp_boss.csv", "comp_boss"),
        ("boss.csv", None),
    ],
)
def test_the_longest_name_that_a_file_starts_with_is_its_dataset(file: str, dataset: str | None) -> None:
    assert infer_dataset(file, NAMES) == dataset


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("price_quote/a.csv", None),
        ("price_quote/2026/01/a b.csv.gz", None),
        ("price_quote/a.txt", r"ending in \.csv or \.csv\.gz"),
        ("price_quote/a.CSV", r"ending in \.csv"),
        ("price_quote/", r"ending in \.csv"),
        ("a.csv", "no dataset's prefix"),
        ("unknown/a.csv", "no dataset 'unknown'; the datasets are comp_boss, price, price_quote"),
    ],
)
def test_the_grammar_of_landing_names(name: str, why: str | None) -> None:
    found = why_ignored(name, NAMES)
    if why is None:
        assert found is None
    else:
        with pytest.raises(AssertionError, match=why):
            raise AssertionError(found)


def test_targets_are_the_given_files_with_their_datasets(tmp_path: Path) -> None:
    file, other = tmp_path / "price_quote.csv", tmp_path / "any.csv"
    file.touch()
    other.touch()
    assert choose_targets([file], None, DATASETS) == [(file, "price_quote")]
    assert choose_targets([file, other], "comp_boss", DATASETS) == [(file, "comp_boss"), (other, "comp_boss")]


def test_a_target_that_makes_no_sense_is_refused_with_the_datasets(tmp_path: Path) -> None:
    file = tmp_path / "any.csv"
    file.touch()
    for files, dataset, message in [
        ([file], None, "--dataset .the datasets: comp_boss, price, price_quote"),
        ([tmp_path / "absent.csv"], "price", "found nothing"),
        ([tmp_path], "price", "found a folder"),
        ([file, file], "price", "given twice"),
    ]:
        with pytest.raises(UsageError, match=message):
            choose_targets(files, dataset, DATASETS)


def test_datasets_are_read_from_the_rendered_contracts(tmp_path: Path) -> None:
    (tmp_path / "price").mkdir()
    trusted: dict[str, Any] = {"table": "trusted.price", "partitioning": None}
    tables = {"raw": {"table": "raw.price"}, "trusted": trusted, "rejected": {"table": "ops.price"}}
    warehouse = {"restricted_columns": ["note"], "roles": [{"row_filter": None}], "tables": tables}
    pipeline = {"dataset": "price", "key": ["id"], "freshness_seconds": 900}
    (tmp_path / "price" / "pipeline.json").write_text(json.dumps(pipeline))
    (tmp_path / "price" / "warehouse.json").write_text(json.dumps(warehouse))
    (tmp_path / "not_rendered").mkdir()
    assert read_datasets(tmp_path) == {"price": replace(DATASETS["price"], freshness_seconds=900)}
    trusted["partitioning"] = {"field": "id", "type": "MONTH"}
    for guard in ({"restricted_columns": ["id"]}, {"roles": [{"row_filter": "note IS NULL"}]}):
        (tmp_path / "price" / "warehouse.json").write_text(json.dumps(warehouse | guard))
        expected = replace(DATASETS["price"], freshness_seconds=900, partition="id", guarded=True)
        assert read_datasets(tmp_path) == {"price": expected}
