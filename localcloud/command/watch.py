"""Looks at what is open, again and again, and tells how it changes; asks the ledger how a batch ended."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from localcloud.command import changes, ledger, way
from localcloud.command.changes import Change
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.way import Way
from localcloud.command.world import World, find_airflow, look_around
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.web import WebError

_ROUNDS_FOR_DETAIL = 5  # that a failure waits for the ledger to say why


@dataclass
class Followed:
    """An open batch, the steps of it that were told, and what works on it now."""

    batch: OpenBatch
    way: Way
    told: set[str]


class Watcher:
    """What is known of the installation; the first look finds what there is, and tells nothing.

    `followed` are the open batches by id, `pending` is how many files wait in landing.
    """

    def __init__(self, deployment: Deployment, dataset: str | None) -> None:
        self._deployment = deployment
        self._dataset = dataset
        self._datasets = deployment.datasets
        self._bigquery = deployment.bigquery()
        self._landing: dict[tuple[str, int], Landed] = {}
        self._troubled: dict[str, str] = {}
        self._untold: list[Change] = []
        self._unexplained: dict[str, tuple[OpenBatch, int]] = {}
        self._is_first = True
        self.followed: dict[str, Followed] = {}
        self.pending = 0

    def look(self, now: datetime) -> list[Change]:
        """What has changed since the last look, in the order in which it happened.

        A look that raises loses nothing: the next one tells what it would have told.
        """
        world = look_around(self._deployment, self._dataset)
        turned, troubled = changes.find_troubled(self._troubled, world, self._datasets, now)
        if not self._is_first:
            self._untold += [*self._compare(world, now), *turned]
        # From here on nothing is asked that may fail, but Airflow.
        self._troubled = troubled
        self._take_in(world)
        self._untold += self._follow(world.working)
        self._is_first = False
        found, self._untold = self._untold, []
        return sorted(found, key=lambda one: one.at)

    def _compare(self, world: World, now: datetime) -> Iterator[Change]:
        before = {name: one.batch for name, one in self.followed.items()}
        files = [*self._landing, *(file for batch in before.values() for file in batch.files)]
        open_now = {batch.batch_id for batch in world.all_batches}
        unreadable = _unreadable(world)
        ended = [
            name for name, batch in before.items() if name not in open_now and batch.dataset not in unreadable
        ]
        vanished, deleted = self._find_vanished(world, before)
        yield from changes.find_landed(files, world, self._datasets)
        yield from changes.find_claims(before, world)
        yield from (changes.tell_deleted(file, self._dataset_of(file), now) for file in deleted)
        yield from self._end([*ended, *vanished])
        yield from self._explain(changes.find_failed(before, world), now)

    def _find_vanished(self, world: World, before: Iterable[str]) -> tuple[set[str], list[Landed]]:
        """What left landing without a look at its batch: the batches that the ledger has, else the files."""
        here = {file.key for file in world.landed} | {
            file for batch in world.all_batches for file in batch.files
        }
        known = {file for name in before for file in self.followed[name].batch.files}
        batches, deleted = set(), []
        for key, file in self._landing.items():
            if key in here or key in known or file.created_at is None:
                continue
            batch = ledger.find_batch_of(self._bigquery, file.uri, file.generation, file.created_at)
            if batch is None:
                deleted.append(file)
            else:
                batches.add(batch)
        return batches, deleted

    def _end(self, batch_ids: Iterable[str]) -> Iterator[Change]:
        for batch_id, row in ledger.find_batches(self._bigquery, list(batch_ids)).items():
            followed = self.followed.get(batch_id)
            files = ledger.list_batch_files(self._bigquery, batch_id, row["claimed_at"])
            one = followed.way if followed else self._way(row["dataset"], row["claimed_at"])
            way.see_steps(one, row["steps"] or ())
            told = set(followed.told) if followed else set()
            yield from changes.tell_steps(one, batch_id, told)
            yield from changes.tell_end(row, files)

    def _explain(self, failed: Iterable[OpenBatch], now: datetime) -> Iterator[Change]:
        """The failures that the ledger explains, or that it had time to."""
        self._unexplained |= {batch.batch_id: (batch, _ROUNDS_FOR_DETAIL) for batch in failed}
        rows = ledger.find_batches(self._bigquery, list(self._unexplained))
        for batch_id, (batch, rounds) in list(self._unexplained.items()):
            row = rows.get(batch_id)
            explained = row is not None and row["run_id"] == batch.failed_run
            if explained or not rounds:
                del self._unexplained[batch_id]
                yield changes.tell_failure(batch, row if explained else None, now)
            else:
                self._unexplained[batch_id] = batch, rounds - 1

    def _take_in(self, world: World) -> None:
        self._landing = {file.key: file for file in world.unclaimed}
        self.pending = sum(len(world.pending(name, self._datasets)) for name in world.batches)
        unreadable = _unreadable(world)
        followed = {name: one for name, one in self.followed.items() if one.batch.dataset in unreadable}
        for batch in world.all_batches:
            known = self.followed.get(batch.batch_id)
            # The next try of a batch goes all its steps again.
            again = known is None or (known.batch.retry_at is not None and batch.retry_at is None)
            one = self._way(batch.dataset, batch.claimed_at) if again or known is None else known.way
            one.batch = batch
            followed[batch.batch_id] = Followed(batch, one, set() if again or known is None else known.told)
        self.followed = followed

    def _follow(self, working: set[str]) -> Iterator[Change]:
        """The steps that the batches in work have done since."""
        airflow = find_airflow(self._deployment)
        for batch_id in working:
            one = self.followed[batch_id]
            if airflow is None:
                continue
            try:
                runs = airflow.runs(f"ingest_{one.batch.dataset}")
                run = next((run for run in runs if run["state"] == "running"), None)
                tasks = airflow.tasks(f"ingest_{one.batch.dataset}", run["dag_run_id"]) if run else []
            except WebError:
                continue
            way.see_tasks(one.way, tasks)
            told = list(changes.tell_steps(one.way, one.batch.batch_id, one.told))
            if not self._is_first:
                yield from told

    def _way(self, dataset: str, claimed_at: datetime) -> Way:
        """The way of a whole batch: no file of it is meant."""
        return Way("", dataset, "", 0, claimed_at)

    def _dataset_of(self, file: Landed) -> str | None:
        dataset = file.name.partition("/")[0]
        return dataset if dataset in self._datasets else None


def _unreadable(world: World) -> set[str]:
    """The datasets of whose batches nothing is known now."""
    return {name for name, batches in world.batches.items() if batches is None}
