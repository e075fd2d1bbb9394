"""The architecture that the folder names promise: units that are deployed alone, and nothing secret."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
    # Composer's own folder is everybody's.
    machine_paths = re.compile(rb"(?<![\w.])/(?:work|root|home(?!/airflow/gcs\b))/[\w.-]+/")
    guilty = [
        str(path.relative_to(ROOT))
        for path in _tracked_files()
        if path != Path(__file__)
        and (secrets.search(content := path.read_bytes()) or machine_paths.search(content))
    ]
    assert guilty == []


def test_the_lock_has_what_is_required_with_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text()
    locked = dict(
        re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)(?: ;[^\n]*?)? \\\n    --hash=sha256:", text, re.MULTILINE)
    )
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines()]
    required = [Requirement(line) for line in lines if line]
    astray = [str(one) for one in required if locked.get(one.name.lower(), "none") not in one.specifier]
    assert required
    assert astray == []
    makefile = (ROOT / "Makefile").read_text()
    assert f"UV_VERSION := {locked['uv']}\n" in makefile, "make lock must use the uv that it locks"


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    named = {line.split()[1] for line in listed.splitlines()}
    benches = {
        "bench-spark",
        "bench-function",
        "bench-burst",
        "bench-control-room",
        "fuzz-function",
        "chaos",
        "model",
    }
    environments = {"plan", "deploy", "outputs", "destroy", "iam-table"}
    everyday = {"help", "install", "demo", "test", "check", "render", "lock", "screenshots", "clean"}
    assert named == everyday | benches | environments


@pytest.mark.parametrize(
    ("version", "home", "exit_code", "said"),
    [
        ("17.0.15", None, 0, ""),
        ("21", None, 0, ""),
        ("11.0.2", None, 1, "Java 17 or newer is needed by Spark, found 11"),
        ("17.0.15", "/nonexistent", 1, "JAVA_HOME is /nonexistent, which holds no bin/java"),
    ],
)
def test_the_java_that_is_there_is_judged(
    tmp_path: Path, version: str, home: str | None, exit_code: int, said: str
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "env", "sed", "head", "id", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    java = tools / "java"
    java.write_text(f"#!/usr/bin/env bash\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    environment = {"PATH": str(tools)} | ({"JAVA_HOME": home} if home else {})
    done = subprocess.run(
        [ROOT / "localcloud" / "ensure-java"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, said in done.stderr) == (exit_code, True)
