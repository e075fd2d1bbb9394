"""Finds files in landing, in the journals and in the ledger."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.command import file_ledger
from localcloud.command.datasets import why_ignored
from localcloud.command.landing import Landed
from localcloud.command.query import to_json
from localcloud.command.wanted import Content, Wanted, parse_names, read_content, same_content
from localcloud.command.world import World
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.errors import CommandError

_MOST, _TWINS = 20, 10
_SHORTEST_PART, _MOST_LIKE = 3, 3


class Finder:
    """Finds files, by what is open in the world and by the ledger."""

    def __init__(self, deployment: Deployment, world: World, now: datetime) -> None:
        self._bigquery = deployment.bigquery()
        self._command = deployment.command
        self._datasets = deployment.datasets
        self._world = world
        self._now = now
        self._states: dict[tuple[str, int], str] = {}

    def find(self, given: str) -> list[Landed]:
        """The files that are asked for, those that landed last first; CommandError where there are none."""
        content = read_local(given)
        wanted = [Wanted(given, content)] if content else parse_names(given)
        for one in wanted:
            if found := self._find(one):
                return found
        raise CommandError(self._say_other(given, content) if content else self._say_unknown(given))

    def list_twins(self, file: Landed) -> list[dict[str, Any]]:
        """The other files of the dataset with the same content, oldest first: a summary of each."""
        dataset = file.name.partition("/")[0]
        if file.size is None or file.crc32c is None or dataset not in self._datasets:
            return []
        content, since = Content(file.size, file.crc32c, file.md5), file.created_at or self._now
        rows = file_ledger.list_twins(self._bigquery, dataset, *same_content(content), _TWINS, since)
        of_dataset = f"{dataset}/"
        found = self._newest_first(lambda one: content.is_of(one) and one.name.startswith(of_dataset), rows)
        return [
            self.summarise(one) | {"before": _landing_order(one) < _landing_order(file)}
            for one in reversed(found)
            if one.key != file.key
        ]

    def summarise(self, file: Landed) -> dict[str, Any]:
        """A file in one line: what it is, and what became of it; `open` while a batch with it is."""
        return {
            "uri": file.uri,
            "generation": file.generation,
            "landed_at": to_json(file.created_at),
            "size": file.size,
            "state": self._state_of(file),
        }

    def _find(self, wanted: Wanted) -> list[Landed]:
        rows = file_ledger.find_files(self._bigquery, *wanted.condition(), _MOST, self._now)
        return self._newest_first(wanted.matches, rows)[:_MOST]

    def _newest_first(
        self, matches: Callable[[Landed], bool], rows: Iterable[Mapping[str, Any]]
    ) -> list[Landed]:
        """The files of the ledger's rows, and those that are open and match."""
        found: dict[tuple[str, int], Landed] = {}
        for row in rows:
            file = _as_landed(row)
            found[file.key] = file
            # The reading that was recorded last comes first.
            self._states.setdefault(file.key, row["state"])
        opened = (file for batch in self._world.all_batches for file in batch.landed)
        found |= {file.key: file for file in [*opened, *self._world.landed] if matches(file)}
        return sorted(found.values(), key=_landing_order, reverse=True)

    def _state_of(self, file: Landed) -> str:
        if any(file.key in batch.files for batch in self._world.all_batches):
            return "open"
        if file.key in self._states:
            return self._states[file.key]
        return "ignored" if why_ignored(file.name, self._datasets) else "pending"

    def _say_other(self, given: str, content: Content) -> str:
        said = f"no file with the content of {given} ({content.size} bytes, md5 {content.md5}) has landed."
        if others := self._find(Wanted(given, name=Path(given).name)):
            newest = others[0].generation
            said += f" One of its name has, with another content: `{self._command} where {newest}`."
        return f"{said} `{self._command} drop {given}` puts it in."

    def _say_unknown(self, given: str) -> str:
        said = (
            f"no file {given!r} has landed. Expected a local file, an object's name or how it ends, "
            f"gs://bucket/name with #generation or without, or a generation."
        )
        if like := self._list_like(given):
            return f"{said} Names like it are {', '.join(map(repr, like))}."
        newest, drop = f"`{self._command} status` lists the newest files", f"`{self._command} drop FILE`"
        return f"{said} {newest}; {drop} puts one in."

    def _list_like(self, given: str) -> list[str]:
        """A few names with what is asked for somewhere in them, the newest first."""
        part = given.rstrip("/").rpartition("/")[2]
        if len(part) < _SHORTEST_PART:
            return []
        names = dict.fromkeys(file.name for file in self._find(Wanted(given, part=part)))
        return list(names)[:_MOST_LIKE]


def is_local(given: str) -> bool:
    """Whether a local file has that name."""
    try:
        return Path(given).is_file()
    except (OSError, ValueError):
        # An object's name may be no path, or be too long for one.
        return False


def read_local(given: str) -> Content | None:
    """The content of the local file of that name; None when there is none, CommandError for an unreadable."""
    if not is_local(given):
        return None
    path = Path(given)
    try:
        return read_content(path)
    except OSError as error:
        raise CommandError(f"{path}: expected a file that can be read, found {error}.") from error


def _as_landed(row: Mapping[str, Any]) -> Landed:
    return Landed(
        row["source_uri"],
        row["source_generation"],
        row["source_created_at"],
        row["size"],
        row["crc32c"],
        row["md5"],
    )


def _landing_order(file: Landed) -> tuple[datetime, int]:
    return file.created_at or datetime.fromtimestamp(0, UTC), file.generation
