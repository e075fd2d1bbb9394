"""Each function is deployed alone: its own modules, and packages in the versions that it is tested with."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def _pins(unit: str) -> list[str]:
    lines = (ROOT / "functions" / unit / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _modules(unit: str) -> set[str]:
    """The names under which a unit imports what is its own."""
    folder = ROOT / "functions" / unit
    return {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }


def _imports(unit: str) -> Iterator[tuple[Path, str]]:
    """Every module that a unit imports, with its whole name, and the file that does."""
    for path in sorted((ROOT / "functions" / unit).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                # Of a namespace such as google.cloud the name that follows says which package it is.
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def test_there_are_functions() -> None:
    assert {"control_room", "trigger_ingest"} <= set(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_a_function_is_deployed_with_the_versions_it_is_tested_with(unit: str) -> None:
    locked = (ROOT / "requirements.txt").read_text()
    pins = _pins(unit)
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==\S+", pin)] == []
    assert [pin for pin in pins if f"\n{pin} \\\n" not in locked] == []


@pytest.mark.parametrize("unit", UNITS)
def test_a_function_imports_its_own_modules_and_what_it_is_deployed_with(unit: str) -> None:
    named = {pin.partition("==")[0] for pin in _pins(unit)}
    distributions = packages_distributions()
    astray = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in _imports(unit)
        if name.split(".")[0] not in _modules(unit) | sys.stdlib_module_names
        and not named & _homes(name, distributions)
    ]
    assert astray == []


def _homes(name: str, distributions: dict[str, list[str]]) -> set[str]:
    """The distributions that a module may come from."""
    top, *rest = name.split(".")
    if top != "google":
        return {one.lower().replace("_", "-") for one in distributions.get(top, [])}
    # A namespace of many: google.cloud.bigquery is of google-cloud-bigquery, google.auth of google-auth.
    found = "-".join([top, *rest[:2]]) if rest[0] == "cloud" else f"google-{rest[0].replace('_', '-')}"
    # Its clients bring it along, in the version that they need.
    return {found} | ({"google-cloud-bigquery", "google-cloud-storage"} if rest[0] == "api_core" else set())
