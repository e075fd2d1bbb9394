"""What has passed: remembered in a file, with the sources that it passed on, so that a run can be resumed."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.chaos.datasets import ROOT
from tests.chaos.play import Outcome

# What a result depends on. A change in any of it, and everything is to be run again.
_SOURCES = ("functions", "composer_dags", "spark_jobs", "bigquery", "localcloud", "tests/chaos")
_SUFFIXES = (".py", ".sql", ".json")


def fingerprint(root: Path = ROOT) -> str:
    """A digest of the sources: the same for the same files, committed or not."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:16]


class Memory:
    """The outcomes that passed on these sources, in one file of JSON lines."""

    def __init__(self, file: Path, sources: str) -> None:
        self._file = file
        self._sources = sources

    def passed(self) -> dict[tuple[int, str], Outcome]:
        """By seed and engine."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        known = (json.loads(line) for line in lines)
        outcomes = (_outcome(one["outcome"]) for one in known if one["sources"] == self._sources)
        return {(outcome.seed, outcome.engine): outcome for outcome in outcomes}

    def add(self, outcome: Outcome) -> None:
        """Remember one that passed; it is on disk when this returns."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as stream:
            stream.write(json.dumps({"sources": self._sources, "outcome": asdict(outcome)}) + "\n")

    def forget(self, runs: Iterable[tuple[int, str]]) -> None:
        """Take these seeds of these engines out again."""
        gone = set(runs)
        kept = [outcome for run, outcome in self.passed().items() if run not in gone]
        self._file.unlink(missing_ok=True)
        for outcome in kept:
            self.add(outcome)


def _outcome(document: dict[str, object]) -> Outcome:
    return Outcome(**{**document, "problems": ()})  # type: ignore[arg-type]
