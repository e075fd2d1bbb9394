"""docs/cost.md: its tables are what its program prints, and its sizes of Composer are those of the plans."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.plan import Plan, planned

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cost.md").read_text()
PROGRAM = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "composer_dags")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(heading: str) -> list[str]:
    """The rows of the tables of a section, without their heads."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [row for table in tables for row in table.splitlines()[2:]]


def test_the_tables_of_the_page_are_what_its_program_prints() -> None:
    printed = _run(PROGRAM).splitlines()
    sections = ("An idle environment", "The control room", "A gigabyte of CSV")
    assert printed == [row for section in sections for row in _rows(section)]


def test_the_control_room_is_as_large_as_the_page_counts(plans: Mapping[str, Plan]) -> None:
    (service,) = planned(plans["prod"])["google_cloudfunctions2_function.control_room"]["service_config"]
    assert (service["available_cpu"], service["available_memory"]) == ("1", "512Mi")
    assert service["max_instance_count"] == 2


def test_originals_cool_down_as_the_page_counts(plans: Mapping[str, Plan]) -> None:
    archive = planned(plans["prod"])['google_storage_bucket.bucket["archive"]']
    moves = {
        rule["action"][0]["storage_class"]: rule["condition"][0]["age"]
        for rule in archive["lifecycle_rule"]
        if rule["action"][0]["type"] == "SetStorageClass"
    }
    counted = re.findall(r"^\| archive, (\w+), (?:the first|to day|from then on) ?(\d*)", PAGE, re.MULTILINE)
    # Each class lasts until the next begins.
    assert counted == [
        ("Standard", str(moves["NEARLINE"])),
        ("Nearline", str(moves["COLDLINE"])),
        ("Coldline", str(moves["ARCHIVE"])),
        ("Archive", ""),
    ]


@pytest.mark.parametrize("environment", ["dev", "stg", "prod"])
def test_the_sizes_of_composer_are_those_of_the_plan(environment: str, plans: Mapping[str, Plan]) -> None:
    config = planned(plans[environment])["google_composer_environment.airflow[0]"]["config"][0]
    workloads = config["workloads_config"][0]

    def size(part: str, number: str = "count") -> tuple[float, float, int]:
        found: list[dict[str, Any]] = workloads[part]
        return (found[0]["cpu"], found[0]["memory_gb"], found[0].get(number, 1)) if found else (0, 0, 0)

    sizes = [
        *map(size, ("scheduler", "dag_processor", "web_server", "triggerer")),
        size("worker", "min_count"),
    ]
    counted: dict[str, list[tuple[float, float, int]]] = eval(  # noqa: S307 - the page is ours
        _run(f"{PROGRAM}\nprint(COMPOSER)").splitlines()[-1]
    )

    # A part of which there are none has no size in the plan.
    assert [part if part[2] else (0, 0, 0) for part in counted[environment]] == sizes
