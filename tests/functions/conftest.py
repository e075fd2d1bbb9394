"""Loads a function's folder as it is deployed: flat modules, not to be mixed with those of another folder."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


def load_flat_modules(folder: Path, names: list[str]) -> dict[str, ModuleType]:
    """Import `names` from `folder`, and leave `sys.path` and `sys.modules` as they were."""
    own = {path.stem for path in folder.glob("*.py")}
    before = {name: sys.modules.pop(name) for name in own if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        return {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture(scope="session")
def trigger() -> Iterator[Any]:
    """The modules of functions/trigger_ingest that need no environment, as attributes."""
    names = ["airflow_api", "errors", "event", "known_runs", "logs", "settings", "window"]
    yield SimpleNamespace(**load_flat_modules(FUNCTIONS / "trigger_ingest", names))
