"""The three real files, and every way in which they can come again: no number of trusted may change."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.local_cloud import ROOT, Cloud

REAL = ROOT.parent / "shared" / "data" / "bvs"
DATASETS = ("price_quote", "bill_of_materials", "comp_boss")
TOTAL_COST = "405860.816111877671902"
BY_SUPPLIER = {
    "S-0066": "248017.140265853532405",
    "S-0026": "48428.61792870137815",
    "S-0041": "39008.974922519652433",
    "S-0072": "19409.761132409315781",
    "S-0064": "15431.06335861297591",
}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not REAL.is_dir(), reason=f"the real input is absent: expected it in {REAL}"),
]


def _assert_exact(cloud: Cloud) -> None:
    counts = {
        dataset: cloud.query(f"SELECT COUNT(*) AS n FROM trusted.{dataset}")[0]["n"] for dataset in DATASETS
    }
    assert {name: int(n) for name, n in counts.items()} == {
        "price_quote": 30213,
        "bill_of_materials": 21198,
        "comp_boss": 147,
    }
    assert cloud.query("SELECT SUM(cost) AS cost FROM trusted.price_quote") == [{"cost": TOTAL_COST}]
    by_supplier = cloud.query("SELECT supplier, SUM(cost) AS cost FROM trusted.price_quote GROUP BY supplier")
    assert {
        row["supplier"]: row["cost"] for row in by_supplier if row["supplier"] in BY_SUPPLIER
    } == BY_SUPPLIER
    assert cloud.pending() == []


def test_real_files_are_exact_however_often_they_come(cloud: Cloud, tmp_path: Path) -> None:
    originals = [REAL / f"{dataset}.csv" for dataset in DATASETS]
    cloud.run("drop", "--wait", *map(str, originals))
    _assert_exact(cloud)

    copies = [
        shutil.copy(REAL / f"{dataset}.csv", tmp_path / f"{dataset}_{suffix}.csv")
        for dataset in DATASETS
        for suffix in ("copy", "once_more")
    ]
    cloud.run("drop", "--wait", *map(str, copies), *map(str, originals))
    _assert_exact(cloud)

    states = cloud.query("SELECT state, COUNT(*) AS files FROM ops.files GROUP BY state")
    assert [(row["state"], int(row["files"])) for row in states] == [("loaded", 12)]
