"""Exactly once, checked exhaustively: every order of every step of a few runs, and a death at each of them.

At each state that can be reached all processes may be dead: so from each the world goes on with fresh runs
alone, and must end with every file accounted for and trusted equal to what the files say. The search goes on
from there too, with processes that were only taken for dead.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from landfall_dags import journal_object, moving
from landfall_dags.identity import SourceFile, split_uri
from landfall_dags.journal import archive_uri
from landfall_dags.load import JobState
from tests.model import pipeline as steps
from tests.model.explorer import Actor, Search, ViolationError
from tests.model.pipeline import DATASET, make_pipeline, run_dag
from tests.model.world import ARCHIVE, LAKE, LANDING, POISON, REJECTED, World

PIPELINE = make_pipeline(runs=2)
MOST_HEALING_RUNS = 40


class _InTurn:
    """Stands for a pool of threads: an actor has one thread, and its steps are ordered by the search."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> "_InTurn":
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function: Callable[[Any], Any], items: Any) -> list[Any]:
        results = []
        for item in items:  # in variables, which tell one state from another; a comprehension would hide them
            results.append(function(item))  # noqa: PERF401
        return results


@pytest.fixture(autouse=True)
def _one_thread_and_no_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(moving, "ThreadPoolExecutor", _InTurn)
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def rows_of(data: bytes) -> list[tuple[str, str]]:
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in data.decode().split("\n")]


def is_poison(data: bytes) -> bool:
    return POISON in data.decode().split("\n")


def unsafe(world: World) -> str | None:
    """What is wrong with a state at any time, whoever is half way through whatever."""
    kept = {uri for uri in world.objects if split_uri(uri)[0] != LANDING}
    for identity in world.sent:
        uri, _, generation = identity.rpartition("#")
        in_landing = uri in world.objects and world.objects[uri].generation == int(generation)
        is_safe = in_landing or any(f"/{generation}-" in place for place in kept)
        if not is_safe and identity not in world.withdrawn:
            return f"{identity} is lost: neither in landing nor in the archive"
    for batch_id, identity, key, value in set(world.raw):
        if world.raw.count((batch_id, identity, key, value)) != rows_of(world.sent[identity]).count(
            (key, value)
        ):
            return f"batch {batch_id} has row {key} {value} of {identity} twice in raw"
    loaded = [identity for (_, identity), state in world.files.items() if state == "loaded"]
    if len(loaded) != len(set(loaded)):
        return f"a file is loaded by two batches: {sorted(loaded)}"
    return None


def inexact(world: World) -> str | None:
    """What is wrong with a state in which nothing is left to do."""
    if left := world.uris(LANDING):
        return f"left in landing: {left}"
    if open_batches := journal_object.read(world, LAKE, DATASET).journal.batches:
        return f"left in the journal: {open_batches}"
    fates: dict[str, list[str]] = {identity: [] for identity in world.sent}
    for (_, identity), state in world.files.items():
        fates[identity].append(state)
    for identity, found in fates.items():
        allowed = [["rejected"]] if is_poison(world.sent[identity]) else [["loaded"]]
        if identity in world.withdrawn and not is_in(world, ARCHIVE, identity, ".csv"):
            allowed = [["superseded"], []]
        if found not in allowed:
            return f"{identity}: expected one of {allowed} in the ledger, found {found}"
        if found == ["rejected"] and not is_kept(world, identity):
            return f"{identity} is rejected, and not in the rejected bucket"
    expected: dict[str, tuple[int, str]] = {}
    for identity in sorted(fates, key=lambda one: int(one.rpartition("#")[2])):
        if fates[identity] == ["loaded"]:
            generation = int(identity.rpartition("#")[2])
            expected |= {key: (generation, value) for key, value in rows_of(world.sent[identity])}
    if world.trusted != expected:
        return f"expected trusted to hold {expected}, found {world.trusted}"
    if unended := [batch for batch, state in world.batches.items() if state == "failed"]:
        return f"batches that never ended: {unended}"
    return None


def is_kept(world: World, identity: str) -> bool:
    """Whether a rejected file lies beside its report."""
    return all(is_in(world, REJECTED, identity, suffix) for suffix in (".csv", ".csv.error.json"))


def is_in(world: World, bucket: str, identity: str, suffix: str) -> bool:
    generation = identity.rpartition("#")[2]
    return any(f"/{generation}-" in uri and uri.endswith(suffix) for uri in world.uris(bucket))


class Healing:
    """The check of every state: nothing is wrong now, and fresh runs alone bring it to an exact end."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.known: dict[object, str | None] = {}

    def __call__(self, world: World) -> str | None:
        fingerprint = world.fingerprint()
        if fingerprint not in self.known:
            self.known[fingerprint] = unsafe(world) or self._heal(world.copy_of())
        return self.known[fingerprint]

    def _heal(self, world: World) -> str | None:
        for number in range(MOST_HEALING_RUNS):
            if not run_dag(world, self.pipeline, f"{DATASET}__heal{number}"):
                return unsafe(world) or inexact(world)
        return f"not at rest after {MOST_HEALING_RUNS} runs"


def explore(files: dict[str, str], actors: dict[str, Actor], most: int = 200_000) -> Search:
    """Search every state of these actors over files that are in landing already."""

    def make_world() -> World:
        world = World()
        for name, text in files.items():
            world.send(f"{DATASET}/{name}", text)
        return world

    found = Search(make_world, actors, Healing(PIPELINE), most_states=most)
    found.run()
    return found


def run(name: str) -> Callable[[Any], object]:
    return lambda view: run_dag(view, PIPELINE, f"{DATASET}__{name}")


def overwrite(view: Any) -> None:
    view.send(f"{DATASET}/a.csv", "k1 2")


def replace_another(view: Any) -> None:
    view.take_back(f"{DATASET}/b.csv")
    view.send(f"{DATASET}/c.csv", "k1 3")


TWO_FILES = {"a.csv": "k1 1\nk2 1", "b.csv": "k1 2"}
TWO_RUNS = {"one": Actor(run("1")), "two": Actor(run("2"))}


CASES = {
    "two schedulers": (TWO_FILES, TWO_RUNS),
    "a zombie and its retry": (
        {"a.csv": "k1 1\nk2 1"},
        {"try": Actor(run("1")), "retry": Actor(run("1"), after="try")},
    ),
    "a file that always fails": ({"a.csv": POISON}, TWO_RUNS),
    "one bad file of two": ({"a.csv": "k1 1", "b.csv": POISON}, TWO_RUNS),
    "a sender who overwrites": ({"a.csv": "k1 1"}, {**TWO_RUNS, "sender": Actor(overwrite)}),
}
LONG_CASES = {
    "a sender who takes back": (TWO_FILES, {**TWO_RUNS, "sender": Actor(replace_another)}),
    "a bad file and three schedulers": (
        {"a.csv": "k1 1", "b.csv": POISON},
        {**TWO_RUNS, "three": Actor(run("3"))},
    ),
}
CHECKED = {**CASES, **(LONG_CASES if os.environ.get("LANDFALL_MODEL") == "all" else {})}


@pytest.mark.parametrize("case", CHECKED)
def test_whoever_dies_wherever_every_file_counts_once(case: str) -> None:
    started = time.monotonic()
    found = explore(*CHECKED[case])
    print(f"\n{case}: {found.states} states, {time.monotonic() - started:.0f} s")
    assert found.states > 100


def _delete_first(store: Any, archive: str, dataset: str, file: SourceFile) -> bool:
    store.delete(file.uri, file.generation)
    return store.copy(file.uri, file.generation, archive_uri(archive, dataset, file)) is not None


def _always_another(stem: str, state_of: Callable[[str], JobState]) -> tuple[str, JobState]:
    return next(
        (f"{stem}_{n}", JobState.ABSENT) for n in count() if state_of(f"{stem}_{n}") is JobState.ABSENT
    )


@pytest.mark.parametrize(
    ("module", "name", "broken", "case", "found"),
    [
        (moving, "_move", _delete_first, "a file that always fails", "is lost"),
        (steps, "first_unspent", _always_another, "a zombie and its retry", "twice in raw|not at rest"),
    ],
)
def test_the_search_finds_what_is_broken(
    module: Any, name: str, broken: Any, case: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(ViolationError, match=found):
        explore(*CHECKED[case])
