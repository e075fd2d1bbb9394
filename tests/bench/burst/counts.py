"""What the parts of the local cloud counted: runs, batches, clusters, jobs, deliveries, seconds."""

import json
import sqlite3
import statistics
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.airflow.api import Airflow, LocalSession
from localcloud.launcher.web import fetch_json
from tests.whole_lines import read_whole_lines

_PAGE = 100


@dataclass(frozen=True)
class Steps:
    """The seconds that one task took, in every run that ran it."""

    task: str
    seconds: tuple[float, ...]

    def row(self) -> str:
        middle, most, total = statistics.median(self.seconds), max(self.seconds), sum(self.seconds)
        return f"| {self.task} | {len(self.seconds)} | {middle:.1f} | {most:.1f} | {total:.0f} |"


def count_runs(airflow: Airflow, dataset: str) -> int:
    """Every run of a dataset's DAG so far."""
    return int(_get(airflow, f"dags/ingest_{dataset}/dagRuns", limit=1)["total_entries"])


def list_steps(airflow: Airflow, datasets: list[str]) -> list[Steps]:
    """Each task of the DAGs, with its seconds wherever it was carried out."""
    seconds: dict[str, list[float]] = {}
    for dataset in datasets:
        for task in _pages(airflow, f"dags/ingest_{dataset}/dagRuns/~/taskInstances", "task_instances"):
            if task["duration"] is not None and task["state"] == "success":
                seconds.setdefault(task["task_id"], []).append(float(task["duration"]))
    return [Steps(task, tuple(found)) for task, found in sorted(seconds.items())]


def count_clusters(home: Path) -> tuple[int, int]:
    """Clusters that were made, and jobs that were submitted, as the Dataproc part remembers them."""
    (path,) = (home / "dataproc").glob("*.sqlite")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        clusters = database.execute("SELECT COUNT(DISTINCT cluster_uuid) FROM operations").fetchone()[0]
        jobs = database.execute("SELECT COUNT(*) FROM jobs").fetchone()[0]
    return int(clusters), int(jobs)


def count_deliveries(home: Path) -> tuple[int, int]:
    """Events that were delivered, and the attempts that it took."""
    with sqlite3.connect(f"file:{home / 'storage.sqlite'}?mode=ro", uri=True) as database:
        events, attempts = database.execute(
            "SELECT COUNT(*), SUM(attempts) FROM deliveries WHERE state = 'delivered'"
        ).fetchone()
    return int(events), int(attempts or 0)


def count_outcomes(log: Path) -> Counter[str]:
    """How often the function has recorded each outcome so far."""
    outcomes: Counter[str] = Counter()
    for line in read_whole_lines(log):
        if line.startswith("{"):
            outcomes[json.loads(line)["logging.googleapis.com/labels"]["outcome"]] += 1
    return outcomes


def _pages(airflow: Airflow, path: str, key: str) -> Iterator[dict[str, Any]]:
    offset = 0
    while page := _get(airflow, path, limit=_PAGE, offset=offset)[key]:
        yield from page
        offset += len(page)


def _get(airflow: Airflow, path: str, **query: int) -> Any:
    address = f"{airflow.url}/api/v2/{path}?{urllib.parse.urlencode(query)}"
    return fetch_json(address, {"Authorization": f"Bearer {LocalSession(airflow.url).token()}"}, timeout=60)
