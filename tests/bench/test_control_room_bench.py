"""What the bench of the control room rests on: the same ledger each time, and a promise that is held."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.control_room.load import Answer
from tests.bench.control_room.report import find_faults, table
from tests.bench.control_room.seed import DATASETS, Size, make
from tests.bench.control_room.visits import list_visits
from tests.bigquery.world import NOON

ROOT = Path(__file__).resolve().parents[2]
SIZE = Size(batches=40, files=200, rejected=50)


def _answers(*seconds: float, status: int = 200) -> list[Answer]:
    return [Answer("/", f"/?{number}", status, one, 1024) for number, one in enumerate(seconds)]


@pytest.mark.parametrize(
    ("answers", "faults"),
    [
        (_answers(*[0.1] * 19, 9.0), []),
        (_answers(*[0.1] * 18, 0.3, 0.3), ["/: expected p95 below 300 ms, found 300 ms"]),
        (_answers(0.1, status=303), []),
        (_answers(0.1, status=500), ["/: expected 200, found 500 at /?0"]),
        (_answers(0.1, status=0), ["/: expected 200, found 0 at /?0"]),
    ],
)
def test_a_page_that_is_late_or_fails_is_a_fault(answers: list[Answer], faults: list[str]) -> None:
    assert find_faults(answers, promised=True) == faults
    assert find_faults(answers, promised=False) == [fault for fault in faults if "p95" not in fault]


def test_a_table_has_a_line_for_each_page() -> None:
    line = table([*_answers(0.1, 0.2), *_answers(0.3, status=500)]).splitlines()[-1]
    assert line == "| / | 3 | 200 | 300 | 300 | 300 | 1 | 1 |"


def test_the_same_seed_makes_the_same_ledger_and_visits() -> None:
    first, again = make(SIZE, 1, NOON), make(SIZE, 1, NOON)
    assert first == again
    assert make(SIZE, 2, NOON) != first
    assert list_visits(first, 5, 3) == list_visits(again, 5, 3)
    assert len(first.batches) == 40
    assert {batch["dataset"] for batch in first.batches} == set(DATASETS)
    identities = {(file["source_uri"], file["source_generation"]) for file in first.files}
    assert len(identities) == len(first.files) > 150
    assert {(row["source_uri"], row["source_generation"]) for row in first.rejected} <= identities


def test_every_page_is_asked_for_as_often_with_other_arguments() -> None:
    visits = list_visits(make(SIZE, 1, NOON), 30, 1)
    pages = {page for page, _ in visits}
    assert all(sum(page == one for one, _ in visits) == 30 for page in pages)
    searches = {address for page, address in visits if page == "/files?q="}
    assert len(searches) > 25


def test_a_small_bench_gets_every_page() -> None:
    command = [sys.executable, "-m", "tests.bench.control_room", "--asks", "1", "--clients", "1"]
    size = ["--batches", "8", "--files", "16", "--rejected", "16", "--quotes", "10", "--pending", "1"]
    done = subprocess.run(
        [*command, *size], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    lines = re.findall(r"^\| (/\S*).* \| (\d+) \|$", done.stdout, re.MULTILINE)
    assert len(lines) == 2 * 14, done.stdout + done.stderr
    assert {errors for _, errors in lines} == {"0"}, done.stdout
    assert "peak memory" in done.stdout
