"""A local BigQuery with the rendered tables and procedures, and rows to send through them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from localcloud import warehouse
from localcloud.launcher.ports import choose_ports

ROOT = Path(__file__).parents[2]
PROJECT = "landfall-test"
LOCATION = "us-central1"
# How long an answer may take where the machine has much else to do.
PATIENCE = 120
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = NOON.date()

Row = dict[str, Any]


@dataclass
class Warehouse:
    """The local BigQuery with the rendered tables and procedures, and the folder of its lake bucket."""

    client: bigquery.Client
    lake: Path
    loads: int = 0

    def run(self, sql: str, *parameters: Any) -> list[Row]:
        """The rows of a query; an error at once, without retries."""
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        once: dict[str, Any] = {"retry": None, "job_retry": None, "timeout": PATIENCE}
        return [dict(row) for row in self.client.query(sql, config, **once).result(**once)]

    def load(self, dataset: str, rows: Sequence[Row]) -> None:
        """Append rows to raw as the pipeline does: Parquet of the contract's types, by a load job."""
        self.loads += 1
        pq.write_table(
            pa.Table.from_pylist(list(rows), schema=arrow_schema(dataset)),
            self.lake / f"{self.loads}.parquet",
        )
        config = bigquery.LoadJobConfig(
            source_format="PARQUET",
            write_disposition="WRITE_APPEND",
            create_disposition="CREATE_NEVER",
            decimal_target_types=["NUMERIC", "BIGNUMERIC"],
        )
        uri = f"gs://lake/{self.loads}.parquet"
        self.client.load_table_from_uri(uri, f"raw.{dataset}", job_config=config).result(timeout=PATIENCE)

    def call(self, dataset: str, batch: str, expected: int, arrived_on: date = TODAY) -> int:
        """Call the dataset's procedure; the number of rows that it says it merged."""
        sql = f"CALL ops.sp_trusted_{dataset}('{batch}', DATE '{arrived_on}', {expected})"
        (result,) = self.run(sql)
        assert list(result) == ["rows_merged"]
        return int(result["rows_merged"])

    def replay(
        self, dataset: str, batch: str, expected: int, files: Sequence[str], arrived_on: date = TODAY
    ) -> int:
        """Call the dataset's procedure for a replay of `files`; the number of rows that it says it merged."""
        sql = f"CALL ops.sp_replay_{dataset}('{batch}', DATE '{arrived_on}', {expected}, @identities)"
        (result,) = self.run(sql, bigquery.ArrayQueryParameter("identities", "STRING", list(files)))
        assert list(result) == ["rows_merged"]
        return int(result["rows_merged"])

    def record(
        self,
        dataset: str,
        batch: str,
        files: Sequence[str],
        state: str = "succeeded",
        claimed: datetime = NOON,
    ) -> None:
        """Write a batch and its files, `gs://bucket/name#generation` each, into the ledger."""
        end = "loaded" if state == "succeeded" else "rejected"
        for file in files:
            uri, _, generation = file.partition("#")
            self.run(
                "INSERT INTO ops.files (dataset, batch_id, source_uri, source_generation, state, claimed_at) "
                f"VALUES ('{dataset}', '{batch}', '{uri}', {generation}, '{end}', TIMESTAMP '{claimed}')"
            )
        self.run(
            "INSERT INTO ops.batches (dataset, batch_id, state, claimed_at) "
            f"VALUES ('{dataset}', '{batch}', '{state}', TIMESTAMP '{claimed}')"
        )

    def arrive(self, dataset: str, rows: Sequence[Row]) -> int:
        """Load the rows of one batch and call the procedure for it."""
        self.load(dataset, rows)
        return self.call(dataset, rows[0]["_batch_id"], len(rows), rows[0]["_ingested_at"].date())

    def trusted(self, dataset: str) -> list[Row]:
        return self.run(f"SELECT * FROM trusted.{dataset}")

    def empty(self, *datasets: str) -> None:
        """Delete every row of these datasets, and the ledger."""
        tables = [f"{layer}.{dataset}" for layer in ("raw", "trusted") for dataset in datasets]
        for table in (*tables, "ops.files", "ops.batches"):
            self.run(f"DELETE FROM {table} WHERE TRUE")


def arrow_schema(dataset: str) -> pa.Schema:
    types = {
        "STRING": pa.string(),
        "INT64": pa.int64(),
        "BOOL": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    }
    pipeline = json.loads((ROOT / "bigquery/datasets" / dataset / "pipeline.json").read_text())
    digits = {column["name"]: column for column in pipeline["columns"] if "precision" in column}
    fields = json.loads((ROOT / "bigquery/datasets" / dataset / "raw.schema.json").read_text())
    return pa.schema(
        (
            name,
            pa.decimal128(digits[name]["precision"], digits[name]["scale"])
            if name in digits
            else types[field["type"]],
        )
        for field in fields
        for name in [field["name"]]
    )


@contextmanager
def start(folder: Path) -> Iterator[Warehouse]:
    """Run a local BigQuery with its data in `folder` until the block ends."""
    lake = folder / "buckets" / "lake"
    lake.mkdir(parents=True)
    # Not one that the system gives away to others while the process starts.
    port = choose_ports(["bigquery"], {}, folder)["bigquery"]
    places = ["--data", str(folder / "data"), "--buckets", str(folder / "buckets")]
    process = subprocess.Popen(
        [sys.executable, "-m", "localcloud.bigquery", "--port", str(port), "--project", PROJECT, *places],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: list[str] = []
    listening = threading.Event()

    def follow() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            if "rest.listen" in line:
                listening.set()
            elif listening.is_set() and " INFO " not in line:
                sys.stderr.write(line)  # pytest shows it beside the test that fails
        listening.set()

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        assert listening.wait(60), "the local BigQuery said nothing for 60 s"
        assert process.poll() is None, "".join(log)
        client = warehouse.connect(f"http://127.0.0.1:{port}", PROJECT, LOCATION)
        warehouse.provision(client, ROOT / "bigquery/datasets", ROOT / "bigquery/ops", LOCATION)
        yield Warehouse(client, lake)
    finally:
        process.terminate()
        process.wait(timeout=60)
        reader.join()


def source(batch: str, generation: int = 1, row: int = 1, minutes: int = 0, claimed: datetime = NOON) -> Row:
    """The lineage of a row; `minutes` is when its object was created, in minutes after an instant."""
    return {
        "_batch_id": batch,
        "_source_uri": f"gs://landing/{generation}.csv",
        "_source_generation": generation,
        "_source_row": row,
        "_source_created_at": datetime(2026, 11, 21, 9, tzinfo=UTC) + timedelta(minutes=minutes),
        "_ingested_at": claimed,
    }


def quote(cost: str, lineage: Row, **key: Any) -> Row:
    usual = {
        "tube_assembly_id": "TA-1",
        "supplier": "S-1",
        "quote_date": date(2024, 5, 6),
        "annual_usage": 10,
        "min_order_quantity": 0,
        "bracket_pricing": True,
        "quantity": 1,
    }
    return usual | {"cost": Decimal(cost)} | key | lineage


def component(lineage: Row, **columns: Any) -> Row:
    return dict.fromkeys(arrow_schema("comp_boss").names) | {"component_id": "C-1"} | columns | lineage


def identity(row: Row) -> str:
    """The file of a row, as a replay names it."""
    return f"{row['_source_uri']}#{row['_source_generation']}"


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))
