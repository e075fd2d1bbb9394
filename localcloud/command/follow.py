"""Follows dropped or replayed files: asks the parts, keeps each file's way up to date, and judges its end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError

from localcloud.command import ledger, way
from localcloud.command.datasets import Dataset
from localcloud.command.journal import read_open_batches
from localcloud.command.way import Way
from localcloud.deployment.deployment import Deployment
from localcloud.deployment.remedy import is_final
from localcloud.launcher.errors import CommandError
from localcloud.launcher.web import WebError

_WITHOUT_JOURNAL = 5  # rounds between two looks into the ledger for a file that no open batch names


@dataclass(frozen=True)
class Result:
    """A batch that is closed.

    By file (uri, generation): what the ledger says; its rows in raw, and those of them that trusted lacks.
    Where the user may not see all of trusted, `trusted_rows` is None and nothing is said to be lacking.
    `steps` are those of the run that recorded it.
    """

    files: Mapping[tuple[str, int], Mapping[str, Any]]
    counted: Mapping[tuple[str, int], tuple[int, int]]
    trusted_rows: int | None
    steps: Sequence[Mapping[str, Any]] = ()


def judge_loaded(file: Mapping[str, Any], result: Result, dataset: Dataset) -> tuple[str, bool]:
    """The verdict on a file that the ledger calls loaded: its rows are counted where they should be."""
    in_raw, missing = result.counted.get((file["source_uri"], file["source_generation"]), (0, 0))
    counts = (
        f"{file['rows_read']} rows read, {file['rows_accepted']} accepted, {file['rows_rejected']} rejected"
    )
    if result.trusted_rows is None:
        counts += f"; {dataset.trusted} was not looked into, for its contract keeps some of it for its roles"
    else:
        counts += f"; {dataset.trusted} has {result.trusted_rows} rows"
    if in_raw != file["rows_accepted"] or missing:
        return (
            f"the ledger says loaded, but {dataset.raw} holds {in_raw} rows of the file, and "
            f"{missing} of them have no row of their key in {dataset.trusted} ({counts})"
        ), False
    note = f" ({file['detail'] or file['reason']})" if file["reason"] else ""
    return f"loaded{note}: {counts}", True


class Follower:
    """Looks at everything once a round; the view is told after each."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._datasets = deployment.datasets
        self._lake = deployment.storage().bucket(deployment.buckets["lake"])
        self._airflow = deployment.airflow()
        self._bigquery = deployment.bigquery()
        self._results: dict[str, Result] = {}
        self._round = 0

    def follow(self, ways: Sequence[Way], timeout: float | None, show: Callable[[], None]) -> None:
        """Return when every way has a verdict; what is not done after `timeout` seconds gets one too.

        None is as long as it should take at most. Raises what asking again cannot mend, such as a right that
        the user lacks.
        """
        if timeout is None:
            timeout = self._deployment.patience
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._look(ways)
            except (
                WebError,
                CommandError,
                GoogleAPIError,
                GoogleAuthError,
                requests.RequestException,
            ) as error:
                if is_final(error):
                    raise
                # A part may be too busy to answer for a moment, or be started again; the deadline decides.
                trouble = str(error)
            else:
                trouble = ""
            show()
            if all(one.is_over for one in ways):
                return
            if time.monotonic() > deadline:
                for one in ways:
                    if not one.is_over:
                        one.end(self._say_late(one, timeout, trouble))
                show()
                return
            time.sleep(self._deployment.pause)

    def _look(self, ways: Sequence[Way]) -> None:
        self._round += 1
        for dataset in sorted({one.dataset for one in ways if not one.is_over}):
            mine = [one for one in ways if one.dataset == dataset and not one.is_over]
            batches = read_open_batches(self._lake, dataset)
            runs = self._airflow.runs(f"ingest_{dataset}")
            tasks: dict[str, list[dict[str, Any]]] = {}
            for one in mine:
                if way.EVENT in one.steps and way.EVENT not in one.reached:
                    way.see_delivery(one, self._deployment.deliveries(one.uri, one.generation))
                way.see_batch(one, batches)
                run = way.choose_run(one, runs)
                way.see_run(one, run)
                if run and one.batch:
                    name = run["dag_run_id"]
                    if name not in tasks:
                        tasks[name] = self._airflow.tasks(f"ingest_{dataset}", name)
                    way.see_tasks(one, tasks[name])
                open_ids = {batch.batch_id for batch in batches}
                closed = one.batch is not None and one.batch.batch_id not in open_ids
                if closed or (one.batch is None and self._round % _WITHOUT_JOURNAL == 0):
                    self._judge(one)
                if not one.is_over and run and not closed and way.is_lost(one, runs):
                    one.end(self._say_failed(one, run))

    def _judge(self, one: Way) -> None:
        """End the way by what the ledger says, if it says anything yet."""
        found = self._find_end(one)
        if found is None:
            self._judge_given_up(one)
            return
        file, result = found
        one.reach("recorded", file["recorded_at"], f"batch {file['batch_id'][:12]}")
        if file["state"] != "loaded":
            reason = ": ".join(filter(None, (file["reason"], file["detail"])))
            one.end(f"{file['state']}" + (f" ({reason})" if reason else ""))
            return
        one.reach("claimed", file["claimed_at"])
        way.see_steps(one, result.steps)
        for step in ("cluster", "Spark", "loaded", "trusted"):
            one.reach(step, file["recorded_at"])
        verdict, succeeded = judge_loaded(file, result, self._datasets[one.dataset])
        one.end(verdict, succeeded)

    def _judge_given_up(self, one: Way) -> None:
        """End the way of a replay that failed too often: it is closed, and the ledger says failed."""
        batch = ledger.find_batch(self._bigquery, one.batch.batch_id) if one.batch and one.replay else None
        if batch and batch["state"] == "failed":
            one.end(f"failed: {batch['detail']}")

    def _find_end(self, one: Way) -> "tuple[Mapping[str, Any], Result] | None":
        """What the ledger says of the file, in its batch or in a part of that; None before it is closed."""
        for batch_id in (one.batch.batch_id if one.batch else None, self._find_batch(one)):
            result = batch_id and self._result(batch_id, self._datasets[one.dataset])
            file = result and result.files.get((one.uri, one.generation))
            if result and file:
                return file, result
        return None

    def _find_batch(self, one: Way) -> str | None:
        if one.replay is None:
            return ledger.find_batch_of(self._bigquery, one.uri, one.generation, one.began_at)
        return ledger.find_replay(self._bigquery, one.dataset, one.replay, one.began_at)

    def _result(self, batch_id: str, dataset: Dataset) -> "Result | None":
        """What became of a batch, asked for once it is closed; None before."""
        if batch_id not in self._results:
            batch = ledger.find_batch(self._bigquery, batch_id)
            if batch is None or batch["state"] in ("failed", "divided"):
                return None
            files = ledger.list_batch_files(self._bigquery, batch_id, batch["claimed_at"])
            by_file = {(file["source_uri"], file["source_generation"]): file for file in files}
            which = self._bigquery, dataset, batch_id, batch["claimed_at"]
            steps = batch.get("steps") or ()
            if self._deployment.hides(dataset):
                in_raw = {file: (rows, 0) for file, rows in ledger.count_in_raw(*which).items()}
                self._results[batch_id] = Result(by_file, in_raw, None, steps)
            else:
                trusted_rows = ledger.count_trusted(self._bigquery, [dataset])[dataset.name]
                self._results[batch_id] = Result(by_file, ledger.count_missing(*which), trusted_rows, steps)
        return self._results[batch_id]

    def _say_failed(self, one: Way, run: Mapping[str, Any]) -> str:
        dag, name = f"ingest_{one.dataset}", run["dag_run_id"]
        tasks = self._airflow.tasks(dag, name)
        failed = ", ".join(way.failed_tasks(tasks)) or "a task"
        batch = ledger.find_batch(self._bigquery, one.batch.batch_id) if one.batch else None
        detail = f" {batch['detail']}." if batch and batch["detail"] else ""
        then = "the dataset's next run finishes the batch" if one.batch else "then replay it again"
        return (
            f"failed: {failed} of run {name} failed for good.{detail} {self._deployment.say_logs(dag, name)} "
            f"Mend the cause; {then}."
        )

    def _say_late(self, one: Way, timeout: float, trouble: str) -> str:
        step = one.next_step()
        doing = one.now or trouble
        return (
            f"not done after {timeout:.0f} s: it waits for '{step}'"
            + (f" ({doing})" if doing else "")
            + f". {self._deployment.say_where(step)} The file goes on its way meanwhile "
            f"(`{self._deployment.command} where {one.generation}`)."
        )
