"""What survives a restart: clusters, jobs, operations and request ids, in one SQLite file.

A row holds the resource as Google's own serialized protobuf message beside the columns that are searched.
What belongs together is written in one transaction, which only one thread is in at a time: whoever reads in
order to write is in it meanwhile, and a kill leaves all of it or nothing.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from google.cloud.dataproc_v1.types import Cluster, Job
from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped]

from .names import Scope

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clusters (
    project TEXT, region TEXT, name TEXT, uuid TEXT, created INTEGER, body BLOB,
    PRIMARY KEY (project, region, name));
CREATE TABLE IF NOT EXISTS jobs (
    project TEXT, region TEXT, id TEXT, cluster_uuid TEXT, created INTEGER, body BLOB,
    PRIMARY KEY (project, region, id));
CREATE TABLE IF NOT EXISTS operations (
    name TEXT, project TEXT, region TEXT, cluster_uuid TEXT, created INTEGER, due REAL, body BLOB,
    PRIMARY KEY (name));
CREATE TABLE IF NOT EXISTS requests (
    method TEXT, project TEXT, region TEXT, request_id TEXT, target TEXT,
    PRIMARY KEY (method, project, region, request_id));
"""
_PUT_CLUSTER = """
INSERT INTO clusters VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(created), 0) + 1 FROM clusters), ?)
ON CONFLICT DO UPDATE SET body = excluded.body"""
_PUT_JOB = """
INSERT INTO jobs (project, region, id, cluster_uuid, created, body)
VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(created), 0) + 1 FROM jobs), ?)
ON CONFLICT DO UPDATE SET body = excluded.body"""
_PUT_OPERATION = """
INSERT INTO operations VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(created), 0) + 1 FROM operations), ?, ?)
ON CONFLICT DO UPDATE SET body = excluded.body, due = excluded.due"""


class PendingOperation(NamedTuple):
    """An operation that is not done, and when (seconds since the epoch) it will be."""

    name: str
    scope: Scope
    cluster_uuid: str
    due: float


class Store:
    """The state of the part; every method is a transaction of its own unless its caller is in one."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone meanwhile; an error undoes what was written."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            # The connection commits, or rolls back after an error.
            with self._db:
                yield

    def cluster(self, scope: Scope, name: str) -> Cluster | None:
        """The cluster of that name, or None."""
        query = "SELECT body FROM clusters WHERE project = ? AND region = ? AND name = ?"
        return next((Cluster.deserialize(body) for (body,) in self._rows(query, *scope, name)), None)

    def clusters(self, scope: Scope | None = None) -> list[Cluster]:
        """The clusters of a scope, or all; newest first."""
        return [Cluster.deserialize(body) for body in self._bodies("clusters", scope)]

    def scope_of_cluster(self, uuid: str) -> Scope:
        """The project and region of a cluster that exists."""
        return next(
            Scope(*row) for row in self._rows("SELECT project, region FROM clusters WHERE uuid = ?", uuid)
        )

    def put_cluster(self, scope: Scope, cluster: Cluster) -> None:
        """Insert or replace a cluster."""
        body = Cluster.serialize(cluster)
        self._write(_PUT_CLUSTER, *scope, cluster.cluster_name, cluster.cluster_uuid, body)

    def drop_cluster(self, uuid: str) -> None:
        """Forget a cluster; its name can be used again."""
        self._write("DELETE FROM clusters WHERE uuid = ?", uuid)

    def job(self, scope: Scope, job_id: str) -> Job | None:
        """The job of that id, or None."""
        query = "SELECT body FROM jobs WHERE project = ? AND region = ? AND id = ?"
        return next((Job.deserialize(body) for (body,) in self._rows(query, *scope, job_id)), None)

    def jobs(self, scope: Scope | None = None) -> list[Job]:
        """The jobs of a scope, or all; newest first."""
        return [Job.deserialize(body) for body in self._bodies("jobs", scope)]

    def jobs_of_cluster(self, uuid: str) -> list[tuple[Scope, Job]]:
        """The jobs that were submitted to a cluster, with their scope."""
        query = "SELECT project, region, body FROM jobs WHERE cluster_uuid = ?"
        return [(Scope(*row[:2]), Job.deserialize(row[2])) for row in self._rows(query, uuid)]

    def every_job(self) -> list[tuple[Scope, Job]]:
        """All jobs with their scope."""
        query = "SELECT project, region, body FROM jobs"
        return [(Scope(*row[:2]), Job.deserialize(row[2])) for row in self._rows(query)]

    def put_job(self, scope: Scope, job: Job) -> None:
        """Insert or replace a job."""
        body = Job.serialize(job)
        self._write(_PUT_JOB, *scope, job.reference.job_id, job.placement.cluster_uuid, body)

    def drop_job(self, scope: Scope, job_id: str) -> None:
        """Forget a job."""
        self._write("DELETE FROM jobs WHERE project = ? AND region = ? AND id = ?", *scope, job_id)

    def operation(self, name: str) -> Operation | None:
        """The operation of that full name, or None."""
        rows = self._rows("SELECT body FROM operations WHERE name = ?", name)
        return next((Operation.FromString(body) for (body,) in rows), None)

    def operations(self, scope: Scope) -> list[Operation]:
        """The operations of a scope, newest first."""
        return [Operation.FromString(body) for body in self._bodies("operations", scope)]

    def pending_operations(self) -> list[PendingOperation]:
        """The operations that are not done, the one that is due first first."""
        columns = "name, project, region, cluster_uuid, due"
        query = f"SELECT {columns} FROM operations WHERE due IS NOT NULL ORDER BY due"  # noqa: S608 (literals)
        return [PendingOperation(row[0], Scope(row[1], row[2]), row[3], row[4]) for row in self._rows(query)]

    def put_operation(self, scope: Scope, operation: Operation, cluster_uuid: str, due: float | None) -> None:
        """Insert or replace an operation; `due` is None once it is done."""
        body = operation.SerializeToString()
        self._write(_PUT_OPERATION, operation.name, *scope, cluster_uuid, due, body)

    def drop_operation(self, name: str) -> None:
        """Forget an operation."""
        self._write("DELETE FROM operations WHERE name = ?", name)

    def target_of_request(self, method: str, scope: Scope, request_id: str) -> str | None:
        """What the first request with that id made (an operation name or a job id), or None."""
        query = (
            "SELECT target FROM requests WHERE method = ? AND project = ? AND region = ? AND request_id = ?"
        )
        return next((target for (target,) in self._rows(query, method, *scope, request_id)), None)

    def remember_request(self, method: str, scope: Scope, request_id: str, target: str) -> None:
        """Remember what a request made; an empty id is not remembered."""
        if request_id:
            self._write(
                "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?)", method, *scope, request_id, target
            )

    def _bodies(self, table: str, scope: Scope | None) -> Iterator[bytes]:
        where, values = (" WHERE project = ? AND region = ?", scope) if scope else ("", ())
        query = f"SELECT body FROM {table}{where} ORDER BY created DESC"  # noqa: S608 (names are literals here)
        return (body for (body,) in self._rows(query, *values))

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _write(self, query: str, *values: object) -> None:
        with self._lock:
            self._db.execute(query, values)
