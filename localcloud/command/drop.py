"""`landfall drop`: files into the landing bucket, and the way of each to trusted."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from localcloud.command.console import is_live, make_console, seconds
from localcloud.command.datasets import Dataset, infer_dataset, read_datasets, why_ignored
from localcloud.command.follow import Follower
from localcloud.command.session import find_cloud
from localcloud.command.way import STEPS, Way
from localcloud.launcher.clients import storage_client
from localcloud.launcher.cloud import BUCKETS, Cloud
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import Place

_AT_ONCE = 4
_MOST_COLUMNS, _MOST_ROWS = 3, 12  # of a live table; more would not fit a screen


def drop(place: Place, files: Sequence[Path], dataset: str | None, wait: bool, timeout: float) -> int:
    """Upload every file; with `wait`, 0 only when the rows of all of them are in trusted."""
    datasets = read_datasets(place.datasets)
    targets = choose_targets(files, dataset, datasets)
    cloud = find_cloud(place)
    console = make_console()
    ways = _upload(cloud, targets)
    for one in ways:
        why = why_ignored(one.uri.split("/", 3)[3], datasets)
        if why:
            one.end(f"ignored: {why}")
    if not wait:
        for one in ways:
            console.print(f"{one.uri}#{one.generation}" + (f"  {one.verdict}" if one.verdict else ""))
        return 0
    with _View(console, ways) as view:
        Follower(cloud, datasets).follow(ways, timeout, view.show)
    for one in ways:
        console.print(_final_line(one))
    return 0 if all(one.succeeded for one in ways) else 1


def choose_targets(
    files: Sequence[Path], dataset: str | None, datasets: dict[str, Dataset]
) -> list[tuple[Path, str]]:
    """Each file with its dataset; raises UsageError, naming the datasets, where there is none."""
    known = ", ".join(sorted(datasets)) or "none (run `make render`)"
    if dataset is not None and dataset not in datasets:
        raise UsageError(f"there is no dataset {dataset!r}; the datasets are {known}.")
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


def _upload(cloud: Cloud, targets: Sequence[tuple[Path, str]]) -> list[Way]:
    from google.api_core.exceptions import GoogleAPICallError

    bucket = storage_client(cloud).bucket(BUCKETS["landing"])

    def upload(target: tuple[Path, str]) -> Way:
        file, dataset = target
        blob = bucket.blob(f"{dataset}/{file.name}")
        try:
            blob.upload_from_filename(str(file), content_type="text/csv", timeout=60)
        except (GoogleAPICallError, OSError) as error:
            raise CommandError(
                f"{file}: could not be put at gs://{bucket.name}/{blob.name}: {error}"
            ) from error
        created = blob.time_created or datetime.now(UTC)
        return Way(file.name, dataset, f"gs://{bucket.name}/{blob.name}", int(blob.generation), created)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(upload, targets))


def _final_line(one: Way) -> Text:
    took = f" after {one.seconds('recorded'):.1f} s" if one.succeeded else ""
    line = Text("✓ " if one.succeeded else "✗ ", "green" if one.succeeded else "red")
    return line.append(f"{one.label}{took}: {one.verdict}", "default")


class _View:
    """A table that is redrawn on a terminal; elsewhere a line for each step of each file, once."""

    def __init__(self, console: Console, ways: Sequence[Way]) -> None:
        self._console = console
        self._ways = ways
        self._printed: set[tuple[int, str]] = set()
        self._began = time.monotonic()
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=4)
            if is_live(console)
            else None
        )

    def __enter__(self) -> "_View":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self) -> None:
        if self._live:
            return
        for index, one in enumerate(self._ways):
            for step in STEPS:
                if step in one.reached and (index, step) not in self._printed:
                    self._printed.add((index, step))
                    remark = one.reached[step][1]
                    self._console.print(
                        f"{seconds(one.seconds(step))}  {one.label}  {step}  {remark}".rstrip()
                    )

    def _table(self) -> Group:
        table = steps_down(self._ways) if len(self._ways) <= _MOST_COLUMNS else files_down(self._ways)
        over = sum(one.is_over for one in self._ways)
        doing = next((f"{one.label}: {one.now}" for one in self._ways if one.now and not one.is_over), "")
        foot = f"{time.monotonic() - self._began:.0f} s, {over} of {len(self._ways)} done. {doing}"
        return Group(table, Text(foot, "dim"))


def steps_down(ways: Sequence[Way]) -> Table:
    """A row for each step, a column for each file."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for one in ways:
        table.add_column(one.label, justify="right", overflow="ellipsis", no_wrap=True)
    for step in STEPS:
        table.add_row(step, *(_cell(one, step) for one in ways))
    return table


def files_down(ways: Sequence[Way]) -> Table:
    """A row for each file, those under way first: how far it is."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for one in sorted(ways, key=lambda one: one.is_over)[:_MOST_ROWS]:
        done = sum(step in one.reached for step in STEPS)
        bar = Text("●" * done, "green").append("○" * (len(STEPS) - done), "dim")
        table.add_row(
            Text(one.label, overflow="ellipsis", no_wrap=True), bar, one.verdict[:40] or one.next_step()
        )
    return table


def _cell(one: Way, step: str) -> Text:
    if step in one.reached:
        return Text(seconds(one.seconds(step)), "green")
    return Text("…" if step == one.next_step() and not one.is_over else "·", "dim")
