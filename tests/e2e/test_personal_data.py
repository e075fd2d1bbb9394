"""Personal values go in, through every door there is; outside of the originals' buckets nothing holds one."""

import csv
import gzip
import hashlib
import hmac
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.local_cloud import Cloud, sample

pytestmark = pytest.mark.e2e

DATASET, ENCODING = "bank_statement", "windows-1252"
NAME, TAX_NUMBER, EMAIL, PHONE = "Favorecido", "CPF/CNPJ", "E-mail", "Telefone"
GOOD_ROWS = 400
ORIGINALS = ("landing", "archive", "rejected")


# What every planted value of a kind has in common: no part of a person may be found, not only no whole one.
CORES = ("Planção Üpsilon", "psilon Pessoa", "908.070.605", "908070605", "@pessoa.example", "(00) 97007-")


@dataclass
class Plants:
    """Makes people who occur nowhere else."""

    people: list[dict[str, str]] = field(default_factory=list)

    def person(self) -> dict[str, str]:
        number = len(self.people)
        self.people.append(
            {
                NAME: f"Planção Üpsilon Pessoa{number:03}",
                TAX_NUMBER: f"908.070.605-{number:02}",
                EMAIL: f"planted.{number:03}@pessoa.example",
                PHONE: f"(00) 97007-{number:04}",
            }
        )
        return self.people[-1]


def _needles() -> set[bytes]:
    """The cores in every case, encoding and notation in which something may repeat them."""
    texts = {change(core) for core in CORES for change in (str, str.lower, str.upper)}
    encodings = ("utf-8", ENCODING, "utf-16-le", "utf-16-be")
    return {
        *(text.encode(encoding) for text in texts for encoding in encodings),
        *(json.dumps(text)[1:-1].encode() for text in texts),
        *(repr(text.encode(encoding))[2:-1].encode() for text in texts for encoding in encodings[:2]),
    }


def _line(row: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerow(row.values())
    return text.getvalue().encode(ENCODING)


@dataclass(frozen=True)
class Statement:
    """A sample file taken apart: its header line and its rows by header name."""

    header: bytes
    rows: list[dict[str, str]]


def _statement(folder: Path, rows: int, seed: int) -> Statement:
    content = sample(folder, DATASET, rows, seed, name=f"{DATASET}_sample_{seed}.csv").read_bytes()
    header, _, _ = content.partition(b"\r\n")
    return Statement(
        header, list(csv.DictReader(io.StringIO(content.decode(ENCODING), newline=""), delimiter=";"))
    )


def _rejected_lines(statement: Statement, plants: Plants) -> list[bytes]:
    """Rows for the lake's rejected side, each with a person in it: whole, torn and damaged ones."""
    plain = [row for row in statement.rows if not {";", '"'} & set(row["Histórico"])]

    def line(number: int, **changes: str) -> bytes:
        return _line({**plain[number], **plants.person(), **changes})

    return [
        line(0, **{"Valor (R$)": "1.23,4"}),
        line(1, **{"Data Lançamento": "30/02/2024", "Canal": "CHEQUE"}),
        line(2, **{TAX_NUMBER: plants.person()[NAME]}),
        line(3, Documento="", Histórico="x" * 201),
        line(4, Canal=plants.person()[NAME], more=plants.person()[TAX_NUMBER]),
        line(5, **{EMAIL: "two\r\nlines " + plants.person()[EMAIL], "Valor Tarifa": "-1,00"}),
        line(6).replace(b";", b"\t"),
        line(7).replace(b";Plan", b';"Plan"').replace(b"Pessoa", b'"Pessoa'),
        line(8).replace(b"Pessoa", b"\x81Pessoa"),
        line(9).replace(b";(00)", b";\x9d(00)"),
        b";".join(line(10).split(b";")[:6]) + b"\r\n",
        b'10;"' + line(11) + line(12),
    ]


def _refused_files(statement: Statement, plants: Plants) -> dict[str, bytes]:
    """Files that are refused as a whole: by their header, their encoding, their compression."""

    def lines(count: int) -> list[dict[str, str]]:
        return [{**statement.rows[number], **plants.person()} for number in range(count)]

    body = b"".join(map(_line, lines(3)))
    renamed = statement.header.replace("Valor (R$)".encode(ENCODING), b"Quanto")
    return {
        f"{DATASET}_renamed.csv": renamed + b"\r\n" + b"".join(map(_line, lines(3))),
        f"{DATASET}_headless.csv": b"".join(map(_line, lines(3))),
        f"{DATASET}_utf8.csv": (statement.header + b"\r\n" + body).decode(ENCODING).encode(),
        f"{DATASET}_utf16.csv": (statement.header + b"\r\n" + body).decode(ENCODING).encode("utf-16"),
        f"{DATASET}_binary.csv": b"".join(map(_line, lines(2))).replace(b";", b"\0"),
        f"{DATASET}_cut.csv.gz": gzip.compress(statement.header + b"\r\n" + body)[:-9],
        f"{DATASET}_named_gz.csv.gz": b"".join(map(_line, lines(2))),
    }


@pytest.fixture(scope="module")
def plants(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Plants:
    """Drop everything, wait until each file is in the ledger, and return what was planted."""
    plants, folder = Plants(), tmp_path_factory.mktemp("planted")
    statement = _statement(folder, GOOD_ROWS, seed=31)
    good = [_line({**row, **plants.person()} if n < 20 else row) for n, row in enumerate(statement.rows)]
    again = {
        **statement.rows[0],
        NAME: "Outro Nome",
        TAX_NUMBER: plants.people[0][TAX_NUMBER],
        "Documento": "joins",
    }
    files = {
        f"{DATASET}_rows.csv": b"".join(
            [statement.header, b"\r\n", *good[20:], *good[:20], *_rejected_lines(statement, plants)]
        ),
        f"{DATASET}_again.csv": b"".join([statement.header, b"\r\n", _line(again)]),
        **_refused_files(statement, plants),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    cloud.run("drop", *(str(folder / name) for name in files))
    recorded = "SELECT 1 AS n FROM ops.files JOIN ops.batches USING (batch_id)"
    cloud.wait_for(
        "every file is in the ledger, with its batch", lambda: len(cloud.query(recorded)) == len(files)
    )
    return plants


def test_no_planted_value_is_outside_of_the_originals(cloud: Cloud, plants: Plants) -> None:
    needles = _needles()
    originals = [cloud.home / "buckets" / cloud.bucket(purpose).name for purpose in ORIGINALS]
    archived = set().union(*_find(needles, _contents(originals[1])).values())
    assert {
        core.encode(encoding)
        for core in (CORES[0], CORES[2])
        for encoding in ("utf-8", ENCODING, "utf-16-le")
    } <= archived

    searched = [path for path in cloud.home.iterdir() if path.name != "buckets"]
    searched += [path for path in (cloud.home / "buckets").iterdir() if path not in originals]
    reports = (report for folder in originals for report in folder.rglob("*.error.json"))
    found = _find(needles, (pair for path in (*searched, *reports) for pair in _contents(path)))
    assert found == {}
    assert _find(needles, _tables(cloud)) == {}


def test_what_is_kept_of_people_is_protected_as_the_contract_says(cloud: Cloud, plants: Plants) -> None:
    first = plants.people[0]
    key = (cloud.home / "keys" / "token-key" / "1").read_bytes()
    token = hmac.new(key, first[TAX_NUMBER].encode(), hashlib.sha256).hexdigest()
    joined = cloud.query(
        "SELECT a.favorecido AS name, a.email AS email FROM trusted.bank_statement AS a "
        "JOIN trusted.bank_statement AS b USING (cpf_cnpj) "
        f"WHERE b.documento = 'joins' AND a.documento != 'joins' AND cpf_cnpj = '{token}'"
    )
    assert [row["email"] for row in joined] == [hashlib.sha256(first[EMAIL].encode()).hexdigest()]
    assert joined[0]["name"].startswith("***")
    assert first[NAME].endswith(joined[0]["name"][3:])
    keys = {
        row["token_key"]
        for row in cloud.query(
            "SELECT token_key FROM ops.batches WHERE dataset = 'bank_statement' AND rows_accepted > 0"
        )
    }
    assert [key.rpartition("/secrets/")[2] for key in keys] == ["token-key/versions/1"]


def test_every_planted_row_is_accounted_for(cloud: Cloud, plants: Plants) -> None:
    files = {
        row["source_uri"].rpartition("/")[2].removeprefix(f"{DATASET}_"): row
        for row in cloud.query("SELECT * FROM ops.files WHERE dataset = 'bank_statement'")
    }
    rows = files.pop("rows.csv")
    assert [int(rows[name]) for name in ("rows_read", "rows_accepted", "rows_rejected")] == [412, 400, 12]
    assert files.pop("again.csv")["state"] == "loaded"
    assert {name: (row["state"], row["reason"]) for name, row in files.items()} == {
        "renamed.csv": ("rejected", "header_mismatch"),
        "headless.csv": ("rejected", "header_mismatch"),
        "utf8.csv": ("rejected", "header_mismatch"),
        "utf16.csv": ("rejected", "not_text"),
        "binary.csv": ("rejected", "not_text"),
        "cut.csv.gz": ("rejected", "unreadable"),
        "named_gz.csv.gz": ("rejected", "unreadable"),
    }
    reasons = cloud.query(
        "SELECT r.column AS name, r.value AS value FROM ops.rejected_rows, UNNEST(reasons) AS r "
        "WHERE dataset = 'bank_statement'"
    )
    personal = {
        row["value"] for row in reasons if row["name"] in ("favorecido", "cpf_cnpj", "email", "telefone")
    }
    assert personal == {"***"}


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the path by its name, as it is and as what it packs."""
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            content = file.read_bytes() if file.is_file() else b""
        except FileNotFoundError:
            continue  # the cloud is running: a log was turned over, a draft got its name
        yield str(file), content
        if file.suffix == ".parquet":
            yield f"{file} (values)", _text(pq.read_table(file).to_pylist())
        if content.startswith(b"\x1f\x8b"):
            yield f"{file} (unzipped)", zlib.decompressobj(wbits=47).decompress(content)


def _tables(cloud: Cloud) -> Iterator[tuple[str, bytes]]:
    """Every table of the warehouse, as it answers for it: what it writes to its file may be packed."""
    for dataset in ("raw", "trusted", "ops"):
        names = cloud.query(f"SELECT table_name AS name FROM {dataset}.INFORMATION_SCHEMA.TABLES")
        assert names
        for name in (f"{dataset}.{row['name']}" for row in names):
            partition = "WHERE DATE(_ingested_at) >= '2000-01-01'" if dataset == "raw" else ""
            yield name, _text(cloud.query(f"SELECT * FROM {name} {partition}"))


def _text(rows: Any) -> bytes:
    return json.dumps(rows, default=str, ensure_ascii=False).encode()


def _find(needles: set[bytes], haystack: Iterator[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The needles that are found in each content, by its name."""
    found = {name: [needle for needle in needles if needle in content] for name, content in haystack}
    return {name: which for name, which in found.items() if which}
