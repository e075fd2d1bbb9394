"""What Airflow's database holds, as far as the executor needs it: runs, tasks, XComs. One SQLite file.

It outlives the processes that use it. Every change is one transaction: a process that is killed at any point
leaves the old or the new state.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

QUEUED, RUNNING, UP_FOR_RETRY = "queued", "running", "up_for_retry"
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    dag_id TEXT, run_id TEXT, state TEXT, conf TEXT, run_after TEXT, started_at TEXT, ended_at TEXT,
    PRIMARY KEY (dag_id, run_id));
CREATE TABLE IF NOT EXISTS tasks (
    dag_id TEXT, run_id TEXT, task_id TEXT, map_index INTEGER, id TEXT, state TEXT, try_number INTEGER,
    max_tries INTEGER, started_at TEXT, ended_at TEXT, retry_at TEXT, pid INTEGER,
    PRIMARY KEY (dag_id, run_id, task_id, map_index));
CREATE TABLE IF NOT EXISTS xcoms (
    dag_id TEXT, run_id TEXT, task_id TEXT, map_index INTEGER, key TEXT, value TEXT,
    PRIMARY KEY (dag_id, run_id, task_id, map_index, key));
CREATE TABLE IF NOT EXISTS lengths (
    dag_id TEXT, run_id TEXT, task_id TEXT, length INTEGER, PRIMARY KEY (dag_id, run_id, task_id));
"""


@dataclass(frozen=True)
class Run:
    """A DAG run; `state` is queued, running, success or failed."""

    dag_id: str
    run_id: str
    state: str
    conf: dict[str, Any]
    run_after: datetime
    started_at: datetime | None


@dataclass(frozen=True)
class Task:
    """A task instance; `id` names its present try, `map_index` is -1 when it is not mapped (or not yet)."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    id: str
    state: str | None
    try_number: int
    max_tries: int
    started_at: datetime | None
    ended_at: datetime | None
    retry_at: datetime | None
    pid: int | None

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.dag_id, self.run_id, self.task_id, self.map_index

    @property
    def may_retry(self) -> bool:
        return self.max_tries != 0 and self.try_number <= self.max_tries


_TASK = ", ".join(Task.__dataclass_fields__)
_KEY = "dag_id = ? AND run_id = ? AND task_id = ? AND map_index = ?"


class State:
    """The database at `path`; not to be carried across a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Whoever commits must not wait for a disk: a killed process loses nothing that it wrote.
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make what happens inside one transaction, alone."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def version(self) -> int:
        """A number that changes whenever another connection has changed something."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def clear(self) -> None:
        with self.change():
            for table in ("runs", "tasks", "xcoms", "lengths"):
                self._db.execute(f"DELETE FROM {table}")

    # Runs

    def add_run(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None, run_after: datetime) -> bool:
        """Queue a run; False, and nothing changed, when there is one of that id."""
        row = (dag_id, run_id, QUEUED, json.dumps(dict(conf or {})), _text(run_after))
        added = self._db.execute(
            "INSERT OR IGNORE INTO runs (dag_id, run_id, state, conf, run_after) VALUES (?, ?, ?, ?, ?)", row
        )
        return added.rowcount == 1

    def runs(self, *states: str) -> list[Run]:
        """The runs in these states (none given: all), by the time after which they may start."""
        chosen = f"WHERE state IN ({_marks(states)})" if states else ""
        rows = self._db.execute(
            "SELECT dag_id, run_id, state, conf, run_after, started_at "
            f"FROM runs {chosen} ORDER BY run_after, dag_id, run_id",
            states,
        )
        return [
            Run(dag_id, run_id, state, json.loads(conf), _time(after), _moment(started))
            for dag_id, run_id, state, conf, after, started in rows
        ]

    def count_runs(self, dag_id: str, run_ids: Iterable[str] | None, states: Iterable[str] | None) -> int:
        """How many runs of a DAG there are, of these ids and in these states (None: any)."""
        sql, values = "SELECT COUNT(*) FROM runs WHERE dag_id = ?", [dag_id]
        for column, wanted in (("run_id", run_ids), ("state", states)):
            if wanted:
                chosen = [str(value) for value in wanted]
                sql += f" AND {column} IN ({_marks(chosen)})"
                values += chosen
        return int(self._db.execute(sql, values).fetchone()[0])

    def start_run(self, run: Run, max_tries: Mapping[str, int], now: datetime) -> None:
        """Let a queued run begin, with a row for each task and how often it may be tried again."""
        with self.change():
            self._db.execute(
                "UPDATE runs SET state = ?, started_at = ? WHERE dag_id = ? AND run_id = ?",
                (RUNNING, _text(now), run.dag_id, run.run_id),
            )
            for task_id, retries in max_tries.items():
                self._add_task(run, task_id, -1, retries)

    def end_run(self, run: Run, state: str, now: datetime) -> None:
        self._db.execute(
            "UPDATE runs SET state = ?, ended_at = ? WHERE dag_id = ? AND run_id = ?",
            (state, _text(now), run.dag_id, run.run_id),
        )

    # Tasks

    def tasks(self, run: Run) -> list[Task]:
        """All task instances of a run."""
        return self._tasks("dag_id = ? AND run_id = ?", run.dag_id, run.run_id)

    def running(self) -> list[Task]:
        """The task instances that are being tried, of all runs."""
        return self._tasks("state = ?", RUNNING)

    def expand(self, run: Run, task: Task, length: int) -> None:
        """Give a mapped task its instances; with none to make, it is skipped."""
        if length == 0:
            self.end_task(task, "skipped", task.started_at or datetime.now(UTC))
            return
        with self.change():
            self._db.execute(f"UPDATE tasks SET map_index = 0 WHERE {_KEY}", task.key)
            for index in range(1, length):
                self._add_task(run, task.task_id, index, task.max_tries)

    def length(self, run: Run, task_id: str) -> int | None:
        """How many instances a task's result maps to; None when it pushed none."""
        row = self._db.execute(
            "SELECT length FROM lengths WHERE dag_id = ? AND run_id = ? AND task_id = ?",
            (run.dag_id, run.run_id, task_id),
        ).fetchone()
        return None if row is None else int(row[0])

    def begin_try(self, task: Task, now: datetime) -> Task:
        """Count a new try of the task, and return it; what an older one reports is not heard from now on."""
        self._db.execute(
            "UPDATE tasks SET id = ?, state = ?, try_number = try_number + 1, started_at = ?, "
            f"ended_at = NULL, retry_at = NULL, pid = NULL WHERE {_KEY}",
            (str(uuid.uuid4()), RUNNING, _text(now), *task.key),
        )
        return self._tasks(_KEY, *task.key)[0]

    def note_pid(self, try_id: str, pid: int) -> None:
        self._db.execute("UPDATE tasks SET pid = ? WHERE id = ?", (pid, try_id))

    def end_task(self, task: Task, state: str, now: datetime) -> None:
        """Set the end of a task that did not run."""
        self._db.execute(
            f"UPDATE tasks SET state = ?, ended_at = ? WHERE {_KEY}", (state, _text(now), *task.key)
        )

    def end_try(self, try_id: str, state: str, now: datetime, retry_at: datetime | None = None) -> bool:
        """Set how a try ended; False, and nothing changed, when it is not the one that counts (any more)."""
        ended = self._db.execute(
            "UPDATE tasks SET state = ?, ended_at = ?, retry_at = ? WHERE id = ? AND state = ?",
            (state, _text(now), None if retry_at is None else _text(retry_at), try_id, RUNNING),
        )
        return ended.rowcount == 1

    def forget_running(self) -> int:
        """Let whatever is being tried be tried anew, as after the death of a scheduler; returns how many.

        What still runs is not heard any more.
        """
        return sum(
            self._db.execute(
                "UPDATE tasks SET id = ?, state = NULL, pid = NULL WHERE id = ? AND state = ?",
                (str(uuid.uuid4()), task.id, RUNNING),
            ).rowcount
            for task in self.running()
        )

    # XComs

    def push(self, key: tuple[str, str, str, int], name: str, value: Any, length: int | None) -> None:
        with self.change():
            self._db.execute(
                "INSERT OR REPLACE INTO xcoms VALUES (?, ?, ?, ?, ?, ?)", (*key, name, json.dumps(value))
            )
            if length is not None:
                self._db.execute("INSERT OR REPLACE INTO lengths VALUES (?, ?, ?, ?)", (*key[:3], length))

    def pull(self, dag_id: str, run_id: str, task_id: str, name: str) -> list[tuple[int, Any]]:
        """The values that a task's instances pushed, each with its map index."""
        rows = self._db.execute(
            "SELECT map_index, value FROM xcoms WHERE dag_id = ? AND run_id = ? AND task_id = ? AND key = ? "
            "ORDER BY map_index",
            (dag_id, run_id, task_id, name),
        )
        return [(int(index), json.loads(value)) for index, value in rows]

    def drop(self, key: tuple[str, str, str, int], name: str) -> None:
        self._db.execute(f"DELETE FROM xcoms WHERE {_KEY} AND key = ?", (*key, name))

    def pushed(self, key: tuple[str, str, str, int]) -> list[str]:
        """The names of what a task instance pushed."""
        return [row[0] for row in self._db.execute(f"SELECT key FROM xcoms WHERE {_KEY}", key)]

    def _add_task(self, run: Run, task_id: str, map_index: int, max_tries: int) -> None:
        self._db.execute(
            "INSERT INTO tasks (dag_id, run_id, task_id, map_index, id, try_number, max_tries) "
            "VALUES (?, ?, ?, ?, ?, 0, ?)",
            (run.dag_id, run.run_id, task_id, map_index, str(uuid.uuid4()), max_tries),
        )

    def _tasks(self, where: str, *values: Any) -> list[Task]:
        rows = self._db.execute(
            f"SELECT {_TASK} FROM tasks WHERE {where} ORDER BY task_id, map_index", values
        )
        found = []
        for *names, started, ended, again, pid in rows:
            row: list[Any] = [*names, _moment(started), _moment(ended), _moment(again), pid]
            found.append(Task(*row))
        return found


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)


def _text(moment: datetime) -> str:
    # Of one length, so that texts sort as times do.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else _time(text)
