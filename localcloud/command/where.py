"""`landfall where`: one file, through every step, to where it stands."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound

from localcloud.airflow.api import parse_time
from localcloud.command import file_ledger, way
from localcloud.command.advice import advise
from localcloud.command.console import make_console
from localcloud.command.datasets import why_ignored
from localcloud.command.finder import Finder, is_local
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.links import list_links
from localcloud.command.output import print_document
from localcloud.command.status import describe_open
from localcloud.command.story import NOW, STOPPED, Facts, Open, tell
from localcloud.command.where_view import show_others, show_story
from localcloud.command.world import World, find_airflow, find_step, look_around
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.web import WebError

VERSION = 1


def where(deployment: Deployment, given: str, everything: bool, as_json: bool) -> int:
    """Tell the story of the file that is asked for, of the newest where there are several, or of all of them.

    Raises CommandError, with what to try, when there is none.
    """
    now, world = datetime.now(UTC), look_around(deployment)
    finder, teller = Finder(deployment, world, now), Teller(deployment, world)
    found = finder.find(given)
    told = found if everything else found[:1]
    stories = [teller.tell(file, finder.list_twins(file)) for file in told]
    others = [finder.summarise(file) for file in found[len(told) :]]
    if as_json:
        print_document({"version": VERSION, "asked": given, "files": stories, "others": others})
        return 0
    console = make_console()
    by_content = is_local(given)
    what = f"with the content of {given}" if by_content else repr(given)
    if by_content and found[0].name.rpartition("/")[2] != Path(given).name:
        console.print(f"The newest file {what}:")
    for story in stories:
        show_story(console, story, now)
    show_others(console, others, f"{deployment.command} where", what)
    return 0


class Teller:
    """Gathers what the ledger, the journals, Airflow and the storage know of a file, and tells it."""

    def __init__(self, deployment: Deployment, world: World) -> None:
        self._deployment = deployment
        self._datasets = deployment.datasets
        self._bigquery = deployment.bigquery()
        self._lake = deployment.storage().bucket(deployment.buckets["lake"])
        self._airflow = find_airflow(deployment)
        self._world = world

    def tell(self, file: Landed, twins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The story of a file, with its `twins` of the same content, links, and what to do next."""
        since = file.created_at or datetime.fromtimestamp(0, UTC)
        ended = file_ledger.list_readings(self._bigquery, file.uri, file.generation, since)
        dataset = ended[-1]["dataset"] if ended else file.name.partition("/")[0]
        opened = self._find_open(file)
        ids = [row["batch_id"] for row in ended] + ([opened.batch_id] if opened else [])
        batches = file_ledger.list_batches_of(self._bigquery, dataset, ids, since) if ids else []
        by_id = {batch["batch_id"]: batch for batch in batches}
        runs = self._list_runs(dataset)
        facts = Facts(
            file,
            dataset if dataset in self._datasets or ended else None,
            ignored=why_ignored(file.name, self._datasets),
            run=_coming(runs),
            deliveries=self._deliveries(file),
            open=self._open(opened, by_id, runs) if opened else None,
            ended=ended,
            batches=by_id,
            unread=self._list_unread(file, ended, opened, batches),
            asked={run["dag_run_id"]: parse_time(run["queued_at"]) for run in runs},
        )
        story = tell(facts) | {"same_content": twins}
        places = self._deployment.links, self._deployment.control_room
        story["links"] = list_links(*places, story, self._datasets.get(dataset))
        story["next"] = self._advise(story)
        return story

    def _find_open(self, file: Landed) -> OpenBatch | None:
        """The open batch with the file: of several the one in work, else the newest, those that wait last."""
        holding = (one for one in reversed(self._world.all_batches) if file.key in one.files)
        working = self._world.working
        return min(
            holding,
            key=lambda one: (one.batch_id not in working, one.retry_at is not None),
            default=None,
        )

    def _list_runs(self, dataset: str) -> list[dict[str, Any]]:
        if self._airflow is None or dataset not in self._datasets:
            return []
        try:
            return self._airflow.runs(f"ingest_{dataset}")
        except WebError:
            return []

    def _deliveries(self, file: Landed) -> list[dict[str, Any]] | None:
        if not self._deployment.sees_events:
            return None
        try:
            return self._deployment.deliveries(file.uri, file.generation)
        except WebError:
            return []

    def _open(
        self, batch: OpenBatch, known: Mapping[str, Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
    ) -> Open:
        is_working = batch.batch_id in self._world.working
        row = known.get(batch.batch_id)
        described = describe_open(batch, find_step(self._airflow, batch) if is_working else None, row)
        run = next((run for run in runs if run["state"] == "running"), None)
        if run is None or self._airflow is None or not is_working or described["state"] != "running":
            return Open(batch, described, row, None, [])
        try:
            tasks = self._airflow.tasks(f"ingest_{batch.dataset}", run["dag_run_id"])
        except WebError:
            tasks = []
        return Open(batch, described, row, run, tasks)

    def _list_unread(
        self,
        file: Landed,
        ended: Sequence[Mapping[str, Any]],
        opened: OpenBatch | None,
        batches: Sequence[Mapping[str, Any]],
    ) -> list[Mapping[str, Any]]:
        """The batches that had the file and ended without reading it: its parts share the claim's time."""
        own = {row["batch_id"] for row in ended}
        asked = {f"{file.uri}#{file.generation}", *own}
        claims = {row["claimed_at"] for row in ended} | ({opened.claimed_at} if opened else set())
        is_open = {one.batch_id for one in self._world.all_batches}
        found = []
        for batch in batches:
            if batch["batch_id"] in is_open:
                continue
            given_up = batch["state"] == "failed" and batch["replay"] in asked
            divided = batch["state"] == "divided" and batch["claimed_at"] in claims
            if given_up or (divided and self._names(batch, file)):
                found.append(batch)
        return found

    def _names(self, batch: Mapping[str, Any], file: Landed) -> bool:
        """Whether the manifest of a batch names the file."""
        blob = self._lake.blob(f"{batch['dataset']}/{batch['batch_id']}/manifest.json")
        try:
            manifest = json.loads(blob.download_as_bytes(timeout=20))
        except NotFound:
            return False
        return any((one["uri"], int(one["generation"])) == file.key for one in manifest["files"])

    def _advise(self, story: Mapping[str, Any]) -> str:
        last, dag = story["readings"][-1], f"ingest_{story['dataset']}"
        step = next((one["step"] for one in last["steps"] if one["state"] in (NOW, STOPPED)), "recorded")
        logs = self._deployment.say_logs(dag, last["run_id"]) if last["run_id"] else ""
        says_more = self._deployment.say_where(step)
        return advise(story, self._deployment.command, self._deployment.buckets["landing"], logs, says_more)


def _coming(runs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The run that will take what is pending: the earliest that is queued, else the one that runs."""
    active = [run for run in runs if run["state"] in way.ACTIVE]
    queued = [run for run in active if run["state"] == "queued"]
    return next(iter([*reversed(queued), *active]), None)
