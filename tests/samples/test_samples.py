"""The sample files: the same bytes for ever, the columns of the contracts, values that the contracts take."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tracemalloc
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from samples.__main__ import DATASETS, write_sample

ROOT = Path(__file__).resolve().parents[2]
ROWS = 20_000


def make_sample(dataset: str, rows: int, seed: int) -> bytes:
    output = io.BytesIO()
    write_sample(dataset, rows, seed, output)
    return output.getvalue()


def read_pipeline(dataset: str) -> dict[str, Any]:
    pipeline: dict[str, Any] = json.loads(
        (ROOT / "bigquery/datasets" / dataset / "pipeline.json").read_text()
    )
    return pipeline


def run(*arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "samples", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


# Made with Python 3.11 and 3.12 alike: `python -m samples DATASET --rows 20000 --seed 7 | sha256sum`.
@pytest.mark.parametrize(
    ("dataset", "digest"),
    [
        ("bill_of_materials", "332e8f38fcbe76ed0d38903e361ad97a47cf034b9965d0a3480a63e07bc2bd09"),
        ("comp_boss", "273e2dd41aca3e63d916e9697a3b3ca4c47f2db7bc6e1528c3e899059ae0fea3"),
        ("price_quote", "7413f12b8e699963c63f2f07eb10c1d1009a40bac4b50e8261a5a3e92e467086"),
    ],
)
def test_the_bytes_depend_on_dataset_rows_and_seed_alone(dataset: str, digest: str) -> None:
    assert hashlib.sha256(make_sample(dataset, ROWS, seed=7)).hexdigest() == digest
    assert make_sample(dataset, 100, seed=8) != make_sample(dataset, 100, seed=7)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_longer_file_begins_like_a_shorter_one(dataset: str) -> None:
    lines = make_sample(dataset, 10_000, seed=1).splitlines(keepends=True)
    for rows in (0, 1, 4096, 4097):
        assert make_sample(dataset, rows, seed=1) == b"".join(lines[: rows + 1])


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_header_is_the_contracts(dataset: str) -> None:
    columns = [column["name"] for column in read_pipeline(dataset)["columns"]]
    assert DATASETS[dataset].HEADER.split(",") == columns


def fits(cell: str, column: dict[str, Any], null_tokens: list[str]) -> bool:
    if cell in null_tokens:
        return not column["required"]
    match column["type"]:
        case "STRING":
            return True
        case "INT64":
            return re.fullmatch(r"-?[0-9]{1,18}", cell) is not None
        case "BOOL":
            return cell in column["true_tokens"] + column["false_tokens"]
        case "NUMERIC" | "BIGNUMERIC":
            precision, scale = column.get("precision", 38), column.get("scale", 9)
            number = Decimal(cell)
            return (
                re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell) is not None
                and -int(number.as_tuple().exponent) <= scale
                and abs(number) < 10 ** (precision - scale)
            )
        case "FLOAT64":
            return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell) is not None
        case "DATE":
            return any(datetime.strptime(cell, form) for form in column["formats"])
    raise AssertionError(f"no check for a column of type {column['type']}")


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_row_fits_the_contract_and_no_key_comes_twice(dataset: str) -> None:
    pipeline = read_pipeline(dataset)
    text = make_sample(dataset, ROWS, seed=3).decode()
    assert "\r" not in text and text.endswith("\n")
    reader = csv.DictReader(io.StringIO(text))
    keys = set()
    for row in reader:
        misfits = {
            column["name"]: row[column["name"]]
            for column in pipeline["columns"]
            if not fits(row[column["name"]], column, pipeline["format"]["null_tokens"])
        }
        assert misfits == {}, row
        keys.add(tuple(row[name] for name in pipeline["key"]))
    assert len(keys) == ROWS


def test_costs_have_up_to_15_decimals_and_never_more() -> None:
    rows = make_sample("price_quote", ROWS, seed=3).decode().splitlines()[1:]
    decimals = {len(row.rpartition(",")[2].partition(".")[2]) for row in rows}
    assert max(decimals) == 15
    assert all(float(row.rpartition(",")[2]) > 0 for row in rows)


@pytest.mark.parametrize("dataset", DATASETS)
def test_memory_does_not_grow_with_the_rows(dataset: str) -> None:
    class Nowhere(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data)

    tracemalloc.start()
    try:
        write_sample(dataset, 40_000, 1, Nowhere())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000, "the file itself is about as large, or larger"


def test_the_command_writes_to_a_file_as_to_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    written = run("comp_boss", "--rows", "50", "--seed", "4", "--output", str(path))
    printed = run("comp_boss", "--rows", "50", "--seed", "4")
    assert written.returncode == printed.returncode == 0
    assert written.stdout == b""
    assert path.read_bytes() == printed.stdout == make_sample("comp_boss", 50, 4)


@pytest.mark.parametrize(
    "arguments",
    [["nothing", "--rows", "1"], ["comp_boss"], ["comp_boss", "--rows", "-1"], ["comp_boss", "--rows", "x"]],
)
def test_a_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2
