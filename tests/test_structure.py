"""The architecture that the folder names promise: units that are deployed alone, and nothing secret."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNITS = ("functions", "composer_dags", "spark_jobs", "bigquery", "localcloud", "samples")


def _modules(unit: str) -> set[str]:
    """Every name under which an import could reach into `unit`."""
    names = {unit}
    roots = [ROOT / unit]
    if unit == "functions":
        roots = [folder for folder in (ROOT / unit).iterdir() if folder.is_dir()]
    if unit in ("functions", "composer_dags", "spark_jobs"):
        for root in roots:
            names |= {path.stem for path in root.glob("*.py")}
            names |= {path.parent.name for path in root.glob("*/__init__.py")}
    return names


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("unit", UNITS)
def test_no_import_crosses_top_level_folders(unit: str) -> None:
    foreign = set[str]().union(*(_modules(other) for other in UNITS if other != unit)) - _modules(unit)
    crossing = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / unit).rglob("*.py"))
        for name in _imports(path)
        if name in foreign
    ]
    assert crossing == []


def _tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of the project's files")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_key_and_no_private_path_is_in_the_project() -> None:
    secrets = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\"private_key\"\s*:|AIza[0-9A-Za-z_-]{35}")
    machine_paths = re.compile(rb"(?<![\w.])/(?:work|root|home)/[\w.-]+/")
    guilty = [
        str(path.relative_to(ROOT))
        for path in _tracked_files()
        if path != Path(__file__)
        and (secrets.search(content := path.read_bytes()) or machine_paths.search(content))
    ]
    assert guilty == []


def test_every_requirement_is_locked_with_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pinned = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==[^\s;]+(?: ;[^\n]*?)? \\\n    --hash=sha256:", text, re.M
    )
    wanted = re.findall(r"^([A-Za-z0-9_.-]+)", (ROOT / "requirements.in").read_text(), re.M)
    assert {name.lower() for name in wanted} <= {name.lower() for name in pinned}
