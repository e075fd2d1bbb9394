"""`landfall replay`: archived files through the pipeline once more, under today's contract."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.command import ledger
from localcloud.command.console import make_console
from localcloud.command.drop import describe_ways, end
from localcloud.command.follow import Follower
from localcloud.command.output import print_document
from localcloud.command.view import WayView
from localcloud.command.way import Way
from localcloud.deployment.bigquery import BigQuery
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.web import WebError

_BATCH = re.compile(r"[0-9a-f]{4,32}")
_NAMED = 5


@dataclass(frozen=True)
class Replay:
    """What a run is `asked` to read again, a batch's id or a file's identity; files are (uri, generation)."""

    dataset: str
    asked: str
    files: tuple[tuple[str, int], ...]


def replay(
    deployment: Deployment, given: str, wait: bool, timeout: float | None, as_json: bool = False
) -> int:
    """Ask for the run that reads a batch or a file again; with `wait`, 0 only when all of it is in trusted.

    As JSON the document comes last, and progress goes to standard error. Raises UsageError for what the
    ledger does not know, or knows several of.
    """
    deployment.require_all()
    bigquery = deployment.bigquery()
    asked = choose(given, _batches(bigquery, given), _files(bigquery, given))
    console = make_console(stderr=as_json)
    began = datetime.now(UTC)
    run = f"{asked.dataset}__replay_{began:%Y-%m-%dT%H:%M:%S.%fZ}"
    try:
        deployment.airflow().trigger(f"ingest_{asked.dataset}", run, {"replay": asked.asked})
    except WebError as error:
        raise CommandError(
            f"Airflow did not take the run: {error}. {deployment.say_where('Airflow')}"
        ) from error
    console.print(f"run {run} of ingest_{asked.dataset} reads again, from the archive:")
    for uri, generation in asked.files:
        console.print(f"  {uri}#{generation}", markup=False)
    ways = [
        Way(uri.rpartition("/")[2], asked.dataset, uri, generation, began, asked.asked)
        for uri, generation in asked.files
    ]
    head = {"dataset": asked.dataset, "replay": asked.asked, "run_id": run}
    if not wait:
        console.print(
            "Its rows replace what these files gave to trusted before. Follow it: "
            f"{deployment.command} tail {asked.dataset}"
        )
        if as_json:
            print_document(describe_ways(ways, **head))
        return 0
    with WayView(console, ways) as view:
        Follower(deployment).follow(ways, timeout, view.show)
    return end(console, ways, as_json, **head)


def choose(
    given: str, batches: Mapping[str, Sequence[Mapping[str, Any]]], files: Iterable[Mapping[str, Any]]
) -> Replay:
    """The one batch that `given` is or begins, else the one file that it names, in its newest generation.

    `batches` are the files of each matching batch, `files` the matching ones, as the ledger has them.
    """
    if len(batches) > 1:
        named = ", ".join(sorted(batch[:12] for batch in batches)[:_NAMED])
        raise UsageError(f"{len(batches)} batches begin with {given!r}: {named}. Give more of the id.")
    for batch, members in batches.items():
        identities = sorted((file["source_uri"], file["source_generation"]) for file in members)
        return Replay(members[0]["dataset"], batch, tuple(identities))
    newest = {(file["dataset"], file["source_uri"]): 0 for file in files}
    for file in files:
        place = file["dataset"], file["source_uri"]
        newest[place] = max(newest[place], file["source_generation"])
    if len(newest) > 1:
        named = "\n  ".join(sorted(f"{uri}#{generation}" for (_, uri), generation in newest.items())[:_NAMED])
        raise UsageError(f"{len(newest)} files are called {given!r}; give one of these:\n  {named}")
    for (dataset, uri), generation in newest.items():
        return Replay(dataset, f"{uri}#{generation}", ((uri, generation),))
    raise UsageError(
        f"there is no archived file and no batch {given!r} in the ledger. Expected a batch's id or how it "
        "begins, a file as gs://bucket/name#generation, or a file's name; `landfall status` lists them."
    )


def _batches(bigquery: BigQuery, given: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if _BATCH.fullmatch(given):
        for file in ledger.list_archived(bigquery, "STARTS_WITH(batch_id, @given)", given):
            found.setdefault(file["batch_id"], []).append(file)
    return found


def _files(bigquery: BigQuery, given: str) -> list[dict[str, Any]]:
    identity = "CONCAT(source_uri, '#', CAST(source_generation AS STRING)) = @given"
    named = "ENDS_WITH(source_uri, CONCAT('/', @given))"
    return ledger.list_archived(bigquery, f"({identity} OR source_uri = @given OR {named})", given)
