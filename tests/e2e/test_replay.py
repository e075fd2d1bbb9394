"""Fix and replay, both ways: what was rejected or wrongly accepted ends as if it had been right at first."""

import csv
import hashlib
import hmac
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local_cloud import ROOT, Cloud, sample

pytestmark = pytest.mark.e2e

DATASET, ENCODING = "bank_statement", "windows-1252"
UNITS = ("localcloud", "bigquery", "composer_dags", "functions", "spark_jobs")
Rows = list[dict[str, str]]


class CloudOfACopy(Cloud):
    """A cloud of a copy of this checkout, so that a contract can change under it."""

    def __init__(self, home: Path, checkout: Path) -> None:
        super().__init__(home)
        self.checkout = checkout
        for unit in UNITS:
            shutil.copytree(ROOT / unit, checkout / unit, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "requirements.txt", checkout)
        self.environment["PYTHONPATH"] = str(checkout)

    def run(self, *arguments: str, exit_code: int | None = 0, timeout: float = 300) -> str:
        """Run the copy's own command."""
        done = subprocess.run(
            [sys.executable, "-m", "localcloud.cli", *arguments],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if exit_code is not None:
            assert done.returncode == exit_code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def change_contract(self, contract: dict[str, Any]) -> None:
        """Put another rendered contract in the place of the dataset's."""
        path = self.checkout / "bigquery" / "datasets" / DATASET / "pipeline.json"
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(contract, ensure_ascii=False, indent=2) + "\n")
        draft.replace(path)


def _contract() -> dict[str, Any]:
    path = ROOT / "bigquery" / "datasets" / DATASET / "pipeline.json"
    contract: dict[str, Any] = json.loads(path.read_text())
    return contract | {"max_rejected_share": 0.9, "duplicate_keys": "keep_last"}


def _mistaken() -> dict[str, Any]:
    """The contract with a channel forgotten, no limit to a description, and days of one kind only."""
    contract = _contract()
    by_name = {column["name"]: column for column in contract["columns"]}
    by_name["canal"]["valid_values"] = [value for value in by_name["canal"]["valid_values"] if value != "DOC"]
    del by_name["historico"]["max_length"]
    by_name["data_valor"]["formats"] = ["%d/%m/%Y"]
    return contract


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudOfACopy]:
    cloud = CloudOfACopy(tmp_path_factory.mktemp("cloud"), tmp_path_factory.mktemp("copy") / "checkout")
    cloud.change_contract(_mistaken())
    try:
        cloud.run("up")
        yield cloud
    finally:
        cloud.run("down", exit_code=None)
    assert cloud.processes() == []


def _read(path: Path) -> Rows:
    text = path.read_bytes().decode(ENCODING)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def _write(path: Path, rows: Rows) -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(ENCODING))
    return path


def _day(text: str) -> str | None:
    if not text:
        return None
    return datetime.strptime(text, "%d/%m/%Y" if "/" in text else "%Y-%m-%d").date().isoformat()


def _amount(text: str) -> str | None:
    return str(Decimal(text.replace(".", "").replace(",", ".")).normalize() + 0) if text else None


def _expected(key: bytes, files: Iterable[Rows]) -> dict[tuple[str, str], dict[str, str | None]]:
    """What trusted must hold of these files, oldest first, by the contract as it is meant."""
    trusted = {}
    for row in (row for rows in files for row in rows):
        day = _day(row["Data Lançamento"])
        if len(row["Histórico"]) > 200 or row["Canal"] not in ("", "PIX", "TED", "DOC", "BOLETO") or not day:
            continue
        tax_number, email = row["CPF/CNPJ"].encode(), row["E-mail"].encode()
        trusted[row["Documento"], day] = {
            "data_valor": _day(row["Data Valor"]),
            "historico": row["Histórico"] or None,
            "favorecido": f"***{row['Favorecido'][-4:]}" if row["Favorecido"] else None,
            "cpf_cnpj": hmac.new(key, tax_number, hashlib.sha256).hexdigest() if tax_number else None,
            "email": hashlib.sha256(email).hexdigest() if email else None,
            "valor": _amount(row["Valor (R$)"]),
            "valor_tarifa": _amount(row["Valor Tarifa"]),
            "conciliado": {"Sim": "true", "Não": "false", "": None}[row["Conciliado"]],
            "canal": row["Canal"] or None,
        }
    return trusted


def _trusted(cloud: Cloud) -> dict[tuple[str, str], dict[str, str | None]]:
    names = ("historico", "favorecido", "cpf_cnpj", "email", "canal")
    found = cloud.query(
        "SELECT documento, CAST(data_lancamento AS STRING) AS day, CAST(data_valor AS STRING) AS data_valor, "
        f"{', '.join(names)}, CAST(valor AS STRING) AS valor, CAST(valor_tarifa AS STRING) AS valor_tarifa, "
        f"CAST(conciliado AS STRING) AS conciliado FROM trusted.{DATASET}"
    )
    rows = {}
    for row in found:
        amounts = {
            name: str(Decimal(row[name]).normalize() + 0) if row[name] else None
            for name in ("valor", "valor_tarifa")
        }
        key = row.pop("documento"), row.pop("day")
        rows[key] = row | amounts
    assert len(rows) == len(found)
    return rows


def _key(cloud: Cloud) -> bytes:
    return (cloud.home / "keys" / "token-key" / "1").read_bytes()


@pytest.fixture(scope="module")
def dropped(cloud: CloudOfACopy, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files under the mistaken contract, oldest first: the second corrects rows of the first."""
    folder = tmp_path_factory.mktemp("files")
    rows = _read(sample(folder, DATASET, 120, seed=41, name="sample.csv"))
    for row in rows[:12]:
        row["Canal"] = "DOC"
    for row in rows[20:23]:
        row["Histórico"] = "longo demais " * 16
    # A row that only the right contract takes, then one of its key that only the mistaken one takes.
    rows.append({**rows[30], "Canal": "DOC", "Valor (R$)": "30,30"})
    rows.append({**rows[31], "Canal": "PIX", "Valor (R$)": "31,31"})
    rows.append({**rows[31], "Histórico": "longo demais " * 16, "Valor (R$)": "31,32"})
    corrections = [{**row, "Canal": "PIX", "Valor (R$)": f"{n},99"} for n, row in enumerate(rows[8:22])]
    corrections += [{**rows[22], "Histórico": "curto", "Valor (R$)": "22,22", "Canal": "TED"}]
    for row in corrections[12:14]:
        row["Histórico"] = "curto"
    for row in corrections:
        row["Data Valor"] = ""
    files = [
        _write(folder / f"{DATASET}_first.csv", rows),
        _write(folder / f"{DATASET}_second.csv", corrections),
    ]
    for path in files:
        cloud.run("drop", "--wait", str(path))
    return files


def test_a_replay_after_a_contract_fix_ends_as_a_clean_first_arrival(
    cloud: CloudOfACopy, dropped: list[Path]
) -> None:
    expected = _expected(_key(cloud), map(_read, dropped))
    assert _trusted(cloud) != expected
    cloud.change_contract(_contract())
    (first,) = cloud.query("SELECT batch_id FROM ops.files WHERE source_uri LIKE '%_first.csv'")
    cloud.run("replay", "--wait", first["batch_id"][:12])
    assert _trusted(cloud) == expected

    files = cloud.query(
        "SELECT rows_read, rows_rejected FROM ops.files "
        "WHERE source_uri LIKE '%_first.csv' ORDER BY rows_rejected LIMIT 1"
    )
    assert [(int(row["rows_read"]), int(row["rows_rejected"])) for row in files] == [(123, 4)]
    (replayed,) = cloud.query("SELECT state, replay FROM ops.batches WHERE replay IS NOT NULL")
    assert replayed == {"state": "succeeded", "replay": first["batch_id"]}


def test_a_file_that_is_replayed_changes_nothing_that_was_right(
    cloud: CloudOfACopy, dropped: list[Path]
) -> None:
    expected = _expected(_key(cloud), map(_read, dropped))
    (file,) = cloud.query(
        "SELECT source_uri AS uri, CAST(source_generation AS STRING) AS generation "
        "FROM ops.files WHERE source_uri LIKE '%_second.csv'"
    )
    cloud.run("replay", "--wait", f"{file['uri']}#{file['generation']}")
    assert _trusted(cloud) == expected


def test_rejected_rows_that_are_exported_corrected_and_dropped_end_as_a_clean_first_arrival(
    cloud: CloudOfACopy, dropped: list[Path], tmp_path: Path
) -> None:
    clean = _read(sample(tmp_path, DATASET, 60, seed=43, name="clean.csv"))
    for number, row in enumerate(clean):
        row["Documento"] = f"fix-{number:03}"
    lines = _write(tmp_path / "whole.csv", clean).read_bytes().split(b"\r\n")
    plain = [n for n in range(1, len(lines) - 1) if b'"' not in lines[n] and b";;;" not in lines[n]]
    right = {number: lines[number] for number in plain[:5]}
    amount = re.compile(rb";-?[0-9.]+,[0-9]{2};")
    damage = [
        lambda line: amount.sub(b";1.23,4;", line, count=1),
        lambda line: line + b";surplus",
        lambda line: line.replace(b";", b';"x"y;', 1),
        lambda line: b"\x81" + line,
        lambda line: line.rpartition(b";")[0] + b";CHEQUE",
    ]
    for number, change in zip(right, damage, strict=True):
        lines[number] = change(lines[number])
    damaged = tmp_path / f"{DATASET}_third.csv"
    damaged.write_bytes(b"\r\n".join(lines))
    cloud.run("drop", "--wait", str(damaged))
    (batch,) = cloud.query("SELECT batch_id FROM ops.files WHERE source_uri LIKE '%_third.csv'")

    corrected = tmp_path / f"{DATASET}_corrected.csv"
    output = cloud.run("rejects", DATASET, "--batch", batch["batch_id"], "--csv", str(corrected))
    assert "5 rejected rows" in output
    header, *exported = re.split(rb"\r?\n", corrected.read_bytes().rstrip(b"\r\n"))
    assert sorted(exported) == sorted(lines[number] for number in right)
    with corrected.with_name(f"{corrected.name}.reasons.csv").open(newline="") as stream:
        reasons = [(int(row["source_row"]), row["code"], row["column"]) for row in csv.DictReader(stream)]
    codes = [
        ("bad_type", "valor"),
        ("ragged_row", ""),
        ("bad_quote", ""),
        ("bad_encoding", "documento"),
        ("not_in_set", "canal"),
    ]
    assert reasons == [(number, *reason) for number, reason in zip(right, codes, strict=True)]

    corrected.write_bytes(b"\r\n".join([header, *right.values(), b""]))
    cloud.run("drop", "--wait", str(corrected))
    assert _trusted(cloud) == _expected(_key(cloud), [*map(_read, dropped), clean])
