"""As many datasets as wanted, all of one shape, with their contracts rendered."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_MODEL = ROOT / "bigquery" / "datasets" / "comp_boss" / "contract.yaml"


def write_contracts(folder: Path, count: int) -> list[str]:
    """Write and render the contracts of `count` datasets below `folder`, and return their names."""
    names = [f"burst_{number:03}" for number in range(1, count + 1)]
    model = _MODEL.read_text(encoding="utf-8")
    for name in names:
        (folder / name).mkdir(parents=True)
        text = model.replace("comp_boss", name).replace("comp-boss", name.replace("_", "-"))
        (folder / name / "contract.yaml").write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "bigquery.renderer", "--datasets", str(folder)], cwd=ROOT, check=True
    )
    return names
