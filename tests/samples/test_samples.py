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

from samples.__main__ import DATASETS, make_lines, take_rows, take_size, write_sample

ROOT = Path(__file__).resolve().parents[2]
ROWS = 20_000


def make_sample(dataset: str, rows: int, seed: int) -> bytes:
    output = io.BytesIO()
    write_sample(dataset, take_rows(make_lines(dataset, seed), rows), output)
    return output.getvalue()


def read_pipeline(dataset: str) -> dict[str, Any]:
    pipeline: dict[str, Any] = json.loads(
        (ROOT / "bigquery/datasets" / dataset / "pipeline.json").read_text()
    )
    return pipeline


def run(*arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "samples", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


def make_text(dataset: str, rows: int, seed: int) -> str:
    return make_sample(dataset, rows, seed).decode(DATASETS[dataset].ENCODING)


# Made with Python 3.11 and 3.12 alike: `python -m samples DATASET --rows 20000 --seed 7 | sha256sum`.
@pytest.mark.parametrize(
    ("dataset", "digest"),
    [
        ("bank_statement", "3bcb44af5a794906a8f9caaedf13b6861e1a80b8b94b730952eb20f2ca06d922"),
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
def test_a_size_takes_the_whole_rows_that_fit(dataset: str) -> None:
    lines = make_sample(dataset, 40, seed=1).splitlines(keepends=True)
    file = b"".join(lines)
    for size, rows in ((0, 0), (len(lines[0]), 0), (len(file) - 1, 39), (len(file), 40), (len(file) + 1, 40)):
        output = io.BytesIO()
        write_sample(dataset, take_size(make_lines(dataset, 1), size), output)
        assert output.getvalue() == b"".join(lines[: rows + 1]), size


@pytest.mark.parametrize("dataset", DATASETS)
def test_dialect_and_header_are_the_contracts(dataset: str) -> None:
    pipeline = read_pipeline(dataset)
    header = make_text(dataset, 0, seed=1).strip()
    names = [column.get("header", column["name"]) for column in pipeline["columns"]]
    assert header.split(pipeline["format"]["delimiter"]) == names
    assert pipeline["format"]["encoding"] == DATASETS[dataset].ENCODING


def fits(cell: str, column: dict[str, Any], null_tokens: list[str]) -> bool:
    if cell in null_tokens:
        return not column["required"]
    match column["type"]:
        case "STRING":
            return (
                len(cell) <= column.get("max_length", len(cell))
                and cell in column.get("valid_values", [cell])
                and re.fullmatch(column.get("pattern", ".*"), cell) is not None
            )
        case "INT64":
            return re.fullmatch(r"-?[0-9]{1,18}", cell) is not None
        case "BOOL":
            return cell in column["true_tokens"] + column["false_tokens"]
        case "NUMERIC" | "BIGNUMERIC":
            precision, scale = column.get("precision", 38), column.get("scale", 9)
            plain = ungroup(cell, column)
            return (
                re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", plain) is not None
                and -int(Decimal(plain).as_tuple().exponent) <= scale
                and abs(Decimal(plain)) < 10 ** (precision - scale)
                and Decimal(plain) >= Decimal(column.get("minimum", "-Infinity"))
            )
        case "FLOAT64":
            return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell) is not None
        case "DATE":
            return any(is_date(cell, form) for form in column["formats"])
    raise AssertionError(f"no check for a column of type {column['type']}")


def ungroup(cell: str, column: dict[str, Any]) -> str:
    group, decimal = column.get("group_separator"), column.get("decimal_separator", ".")
    if group and re.fullmatch(rf"-?\d{{1,3}}({re.escape(group)}\d{{3}})+(\D.*)?", cell):
        cell = cell.replace(group, "")
    return cell.replace(decimal, ".") if decimal == "." or "." not in cell else "a group out of place"


def is_date(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell, form)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_row_fits_the_contract_and_no_key_comes_twice(dataset: str) -> None:
    pipeline = read_pipeline(dataset)
    text = make_text(dataset, ROWS, seed=3)
    line_end = "\r\n" if dataset == "bank_statement" else "\n"
    assert text.count(line_end) == text.count("\n") == text.count(line_end[:1]) == ROWS + 1
    keys = set()
    names = [column["name"] for column in pipeline["columns"]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=pipeline["format"]["delimiter"], strict=True)
    next(reader)
    for cells in reader:
        row = dict(zip(names, cells, strict=True))
        misfits = {
            column["name"]: row[column["name"]]
            for column in pipeline["columns"]
            if not fits(row[column["name"]], column, pipeline["format"]["null_tokens"])
        }
        assert misfits == {}, row
        keys.add(tuple(row[name] for name in pipeline["key"]))
    assert len(keys) == ROWS


def test_a_statement_names_nobody() -> None:
    rows = list(
        csv.reader(io.StringIO(make_text("bank_statement", 5_000, seed=3), newline=""), delimiter=";")
    )
    codes = {row[5] for row in rows[1:]} - {""}
    assert len({len(code) for code in codes}) == 2, "both people and companies"
    assert not any(has_right_check_digits(re.sub(r"\D", "", code)) for code in codes)
    assert {row[6].rpartition(".")[2] for row in rows[1:]} == {"", "example"}
    assert {row[7][:4] for row in rows[1:]} == {"", "(00)"}


def has_right_check_digits(code: str) -> bool:
    weights = 10 if len(code) == 11 else 8
    for end in (len(code) - 2, len(code) - 1):
        total = sum(int(digit) * (2 + place % weights) for place, digit in enumerate(code[end - 1 :: -1]))
        if int(code[end]) != (0 if total % 11 < 2 else 11 - total % 11):
            return False
    return True


def test_the_judge_of_check_digits_knows_right_ones() -> None:
    # What every explanation of the two codes takes for its example.
    assert has_right_check_digits("11144477735")
    assert has_right_check_digits("11222333000181")


def test_a_statement_has_what_makes_it_hard() -> None:
    text = make_text("bank_statement", 5_000, seed=3)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))[1:]
    assert any(";" in row[3] for row in rows)
    assert any('"' in row[3] for row in rows)
    assert {"/" in row[1] for row in rows} == {True, False}
    assert {"." in row[8] for row in rows if len(row[8]) > 7} == {True, False}
    assert 0.02 < sum(row[2] == "" for row in rows) / len(rows) < 0.2
    assert len(text.encode("windows-1252")) == len(text) < len(text.encode())


def test_costs_have_up_to_15_decimals_and_never_more() -> None:
    rows = make_sample("price_quote", ROWS, seed=3).decode().splitlines()[1:]
    decimals = {len(row.rpartition(",")[2].partition(".")[2]) for row in rows}
    assert max(decimals) == 15
    assert all(float(row.rpartition(",")[2]) > 0 for row in rows)


@pytest.mark.parametrize("dataset", DATASETS)
def test_memory_does_not_grow_with_the_file(dataset: str) -> None:
    class Nowhere(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data)

    tracemalloc.start()
    try:
        lines = take_size(make_lines(dataset, 1), 3_000_000)
        write_sample(dataset, lines, Nowhere())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_500_000, "the file itself is larger"


def test_the_command_writes_to_a_file_as_to_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    written = run("comp_boss", "--rows", "50", "--seed", "4", "--output", str(path))
    printed = run("comp_boss", "--rows", "50", "--seed", "4")
    assert written.returncode == printed.returncode == 0
    assert written.stdout == b""
    assert path.read_bytes() == printed.stdout == make_sample("comp_boss", 50, 4)


def test_a_size_may_have_a_unit() -> None:
    rows = run("comp_boss", "--size", "2.5KB").stdout
    assert rows == run("comp_boss", "--size", "2500").stdout
    assert 2400 < len(rows) <= 2500


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing", "--rows", "1"],
        ["comp_boss"],
        ["comp_boss", "--rows", "-1"],
        ["comp_boss", "--rows", "x"],
        ["comp_boss", "--size", "1TB"],
        ["comp_boss", "--rows", "1", "--size", "1KB"],
    ],
)
def test_a_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2
