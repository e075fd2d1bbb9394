"""One burst: a cloud comes up, files arrive, and what becomes of them is waited for, checked and counted."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from google.cloud import bigquery

from localcloud.airflow.api import Airflow
from localcloud.command.session import find_cloud
from localcloud.launcher.clients import bigquery_client
from localcloud.launcher.cloud import BUCKETS, Cloud
from localcloud.launcher.place import find_place
from tests.bench.burst import counts
from tests.bench.burst.contracts import write_contracts
from tests.bench.burst.uploads import find_truth, upload

_LOOK_SECONDS = 5.0
_MOST_JOBS = 10_000  # what the API gives at once
_LANDFALL = Path(sys.executable).with_name("landfall")


class BurstError(Exception):
    """The burst failed; the message says how."""


class Burst:
    """A burst of `files` files over `datasets` datasets on a cloud below `folder`."""

    def __init__(self, folder: Path, files: int, datasets: int) -> None:
        self._files, self._home = files, folder / "cloud"
        self._datasets = write_contracts(folder / "datasets", datasets)
        self._environment = {
            **os.environ,
            "LANDFALL_HOME": str(self._home),
            "LANDFALL_DATASETS_DIR": str(folder / "datasets"),
            "NO_COLOR": "1",
        }

    def up(self) -> None:
        self._landfall("up")

    def down(self) -> None:
        self._landfall("down")

    def run(self, within: float, limit: float) -> None:
        """Upload, wait, check and report. BurstError: not all were trusted in time, or not exactly."""
        cloud = find_cloud(find_place(self._environment))
        client = bigquery_client(cloud)
        began = time.monotonic()
        took = upload(cloud.url("storage"), BUCKETS["landing"], self._datasets, self._files, within)
        print(
            f"{self._files:,} files landed within {took:.0f} s ({self._files / took:.0f} a second)",
            flush=True,
        )
        self._wait(client, began, limit)
        seconds = time.monotonic() - began
        self._check(client)
        self._report(cloud, client)
        print(
            f"\n{self._files:,} files over {len(self._datasets)} datasets: landed within {took:.0f} s, "
            f"all trusted and exact {seconds:.0f} s after the first"
        )

    def _wait(self, client: "bigquery.Client", began: float, limit: float) -> None:
        last = -1
        while (
            found := _number(client, "SELECT COUNT(*) FROM ops.files WHERE state = 'loaded'")
        ) < self._files:
            seconds = time.monotonic() - began
            if found != last:
                print(f"{seconds:6.0f} s  {found:,} files loaded", flush=True)
            if seconds > limit:
                raise BurstError(
                    f"expected {self._files:,} files loaded within {limit:.0f} s, found {found:,}"
                )
            last = found
            time.sleep(_LOOK_SECONDS)

    def _check(self, client: "bigquery.Client") -> None:
        for dataset, truth in find_truth(self._datasets, self._files).items():
            sql = f"SELECT COUNT(*) AS n, SUM(weight) AS weight FROM trusted.{dataset}"
            (row,) = _rows(client, sql)
            if (int(row["n"]), int(row["weight"])) != (truth.rows, truth.weight):
                raise BurstError(f"trusted.{dataset}: expected {truth}, found {dict(row)}")
        told = _number(client, "SELECT COUNT(*) FROM ops.files")
        if told != self._files:
            raise BurstError(f"ops.files: expected {self._files:,} rows, one for each file, found {told:,}")

    def _report(self, cloud: Cloud, client: "bigquery.Client") -> None:
        airflow = Airflow(cloud.url("api-server"))
        clusters, jobs = counts.count_clusters(self._home)
        events, attempts = counts.count_deliveries(self._home)
        outcomes = counts.count_outcomes(self._home / "logs" / "function.log")
        loads = sum(
            job.job_type == "load" for job in client.list_jobs(all_users=True, max_results=_MOST_JOBS)
        )
        batches = _rows(client, "SELECT COUNT(*) AS n, MAX(files) AS most FROM ops.batches")[0]
        runs = sum(counts.count_runs(airflow, dataset) for dataset in self._datasets)
        print(
            "\n| events delivered | attempts | runs asked for anew | DAG runs | batches | "
            "largest batch, files | clusters | Spark jobs | load jobs |\n|" + " ---: |" * 9
        )
        print(
            f"| {events:,} | {attempts:,} | {outcomes['triggered']:,} | {runs:,} | {batches['n']:,} | "
            f"{batches['most']:,} | {clusters:,} | {jobs:,} | {loads:,} |"
        )
        print(
            "\n| task | times | median, s | longest, s | together, s |\n| --- | ---: | ---: | ---: | ---: |"
        )
        for steps in counts.list_steps(airflow, self._datasets):
            print(steps.row())

    def _landfall(self, command: str) -> None:
        done = subprocess.run([str(_LANDFALL), command], env=self._environment, check=False)
        if done.returncode != 0:
            raise BurstError(f"landfall {command} ended with {done.returncode}")


def _rows(client: "bigquery.Client", sql: str) -> list[Any]:
    return list(client.query(sql, timeout=60).result(timeout=120))


def _number(client: "bigquery.Client", sql: str) -> int:
    (row,) = _rows(client, sql)
    return int(row[0])
