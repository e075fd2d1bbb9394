"""The datasets of the scenarios: the project's own contracts, with delays of seconds instead of minutes.

No limit of rejected rows and no quality rule: both judge a batch, and which files share one is chance here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from bigquery.renderer import rejected_sql

ROOT = Path(__file__).resolve().parents[2]
RENDERED = ROOT / "bigquery" / "datasets"
DATASETS = ("bill_of_materials", "comp_boss", "price_quote")

# A run fails after two tries, a batch counts as failing after two runs.
RETRIES = {"attempts": 2, "delay_seconds": 1, "max_delay_seconds": 2}
ISOLATION = {"runs": 2, "pause_seconds": 1, "max_pause_seconds": 4}


def read(dataset: str) -> dict[str, Any]:
    """The rendered contract of a dataset, as scenarios use it."""
    pipeline: dict[str, Any] = json.loads((RENDERED / dataset / "pipeline.json").read_text())
    return pipeline | {
        "max_rejected_share": 1,
        "quality": [],
        "retries": RETRIES,
        "isolation": ISOLATION,
        "freshness_seconds": 60,
    }


def write(folder: Path) -> Path:
    """Make `folder` the one that LANDFALL_DATASETS_DIR names: these datasets alone, all files rendered."""
    for dataset in DATASETS:
        shutil.copytree(RENDERED / dataset, folder / dataset, dirs_exist_ok=True)
        text = json.dumps(read(dataset), ensure_ascii=False, indent=2) + "\n"
        (folder / dataset / "pipeline.json").write_text(text)
    (folder / rejected_sql.FILE).write_text(rejected_sql.render(DATASETS))
    return folder
