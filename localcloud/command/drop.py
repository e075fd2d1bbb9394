"""`landfall drop`: files into the landing bucket, and the way of each to trusted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from localcloud.command.console import make_console
from localcloud.command.datasets import Dataset, infer_dataset, why_ignored
from localcloud.command.follow import Follower
from localcloud.command.output import print_document
from localcloud.command.query import to_json
from localcloud.command.view import WayView, final_line
from localcloud.command.way import Way
from localcloud.deployment.deployment import Deployment
from localcloud.deployment.words import describe
from localcloud.launcher.errors import CommandError, UsageError

VERSION = 1
_AT_ONCE = 4


def drop(
    deployment: Deployment,
    files: Sequence[Path],
    dataset: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool = False,
) -> int:
    """Upload every file; with `wait`, 0 only when the rows of all of them are in trusted.

    As JSON the document comes last, and progress goes to standard error.
    """
    if dataset is not None:
        deployment.require_dataset(dataset)
    targets = choose_targets(files, dataset, deployment.contracted)
    for _, name in targets:
        deployment.require_dataset(name)
    if wait:
        deployment.require_all()
    # Without `wait`, whatever else is down: what lands is found later.
    console = make_console(stderr=as_json)
    ways = _upload(deployment, targets)
    for one in ways:
        why = why_ignored(one.uri.split("/", 3)[3], deployment.datasets)
        if why:
            one.end(f"ignored: {why}")
    if not wait:
        if as_json:
            print_document(describe_ways(ways))
        for one in ways if not as_json else ():
            console.print(f"{one.uri}#{one.generation}" + (f"  {one.verdict}" if one.verdict else ""))
        return 0
    try:
        with WayView(console, ways) as view:
            Follower(deployment).follow(ways, timeout, view.show)
    except Exception:
        for one in ways:
            console.print(f"{one.uri}#{one.generation}  landed, and goes on its way; it cannot be followed")
        raise
    return end(console, ways, as_json)


def end(console: Console, ways: Sequence[Way], as_json: bool, **head: Any) -> int:
    """Say what became of the files that were followed; 0 when the rows of all of them are in trusted."""
    for one in ways:
        console.print(final_line(one))
    if as_json:
        print_document(describe_ways(ways, **head))
    return 0 if all(one.succeeded for one in ways) else 1


def describe_ways(ways: Sequence[Way], **head: Any) -> dict[str, Any]:
    """What `drop --json` says: where each file is and how far it came; `succeeded` is None before its end."""
    return {"version": VERSION, **head, "files": [_describe(one) for one in ways]}


def _describe(one: Way) -> dict[str, Any]:
    return {
        "file": one.label,
        "dataset": one.dataset,
        "uri": one.uri,
        "generation": one.generation,
        "batch_id": one.batch.batch_id if one.batch else None,
        "succeeded": one.succeeded if one.is_over else None,
        "verdict": one.verdict or None,
        "steps": [
            {"step": step, "at": to_json(one.reached[step][0]), "seconds": round(one.seconds(step), 3)}
            for step in one.steps
            if step in one.reached
        ],
    }


def choose_targets(
    files: Sequence[Path], dataset: str | None, datasets: dict[str, Dataset]
) -> list[tuple[Path, str]]:
    """Each file with its dataset; raises UsageError, naming the datasets, where there is none."""
    known = ", ".join(sorted(datasets)) or "none (run `make render`)"
    targets = []
    for file in files:
        if not file.is_file():
            raise UsageError(f"{file}: expected a file, found {'a folder' if file.is_dir() else 'nothing'}.")
        chosen = dataset or infer_dataset(file.name, datasets)
        if chosen is None:
            raise UsageError(
                f"{file}: expected a name that starts with a dataset's, or --dataset (the datasets: {known})."
            )
        targets.append((file, chosen))
    names = [(chosen, file.name) for file, chosen in targets]
    twice = {file for chosen, file in names if names.count((chosen, file)) > 1}
    if twice:
        raise UsageError(
            f"{', '.join(sorted(twice))}: given twice; the second would overwrite the first in landing."
        )
    return targets


def _upload(deployment: Deployment, targets: Sequence[tuple[Path, str]]) -> list[Way]:
    from google.api_core.exceptions import GoogleAPICallError

    bucket = deployment.storage().bucket(deployment.buckets["landing"])

    def upload(target: tuple[Path, str]) -> Way:
        file, dataset = target
        blob = bucket.blob(f"{dataset}/{file.name}")
        try:
            blob.upload_from_filename(str(file), content_type="text/csv", timeout=60)
        except (GoogleAPICallError, OSError) as error:
            said = describe(error) if isinstance(error, GoogleAPICallError) else str(error)
            raise CommandError(
                f"{file}: could not be put at gs://{bucket.name}/{blob.name}: {said}"
            ) from error
        created = blob.time_created or datetime.now(UTC)
        uri = f"gs://{bucket.name}/{blob.name}"
        return Way(file.name, dataset, uri, int(blob.generation), created, sees_event=deployment.sees_events)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(upload, targets))
