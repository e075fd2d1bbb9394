"""What waits in landing and in the journals, and how much of it is looked at."""

import gc
import json
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from room import pending
from room.journal import parse_journal
from room.pending import Waiting
from tests.bigquery.world import NOON
from tests.functions.control_room.world import LAKE, World, batch_id, open_batch


def look(world: World) -> Waiting:
    """What is seen by one that has not looked before."""
    world.open()
    return world.room.pending.look()


def land(world: World, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(world.land, names))


@pytest.mark.parametrize(
    "name, is_pending",
    [
        ("comp_boss/a.csv", True),
        ("comp_boss/2026/11/a.csv.gz", True),
        ("comp_boss/ü #1?.csv", True),
        ("comp_boss/a.CSV", False),
        ("comp_boss/a.txt", False),
        ("comp_boss/", False),
        ("comp_boss.csv", False),
        ("comp_bosses/a.csv", False),
        ("a.csv", False),
    ],
)
def test_the_grammar_of_landing(world: World, name: str, is_pending: bool) -> None:
    generation = world.land(name)
    seen = look(world)
    found, other = (seen.pending, seen.ignored) if is_pending else (seen.ignored, seen.pending)
    assert [(file.name, file.generation) for file in found] == [(name, generation)]
    assert other == ()


@pytest.mark.parametrize(
    "landed, more, counts",
    [
        ({"comp_boss": 4, "price_quote": 5}, set(), {"comp_boss": 4, "price_quote": 5}),
        # A page of ten is full: the others' files are looked for too.
        ({"bank_statement": 3, "comp_boss": 20, "price_quote": 5}, {"comp_boss"}, {"bank_statement": 3}),
        ({"comp_boss": 20, "price_quote": 12}, {"comp_boss", "price_quote"}, {}),
        ({"price_quote": 20}, {"price_quote"}, {}),
        # Names come in the order of their folders with the slash.
        ({"price_quote-old": 20, "price_quote": 5}, set(), {"price_quote": 5}),
        ({"comp_boss": 3, "price_quote-old": 4, "price_quote": 20}, {"price_quote"}, {"comp_boss": 3}),
        ({"price_quote": 20, "price_quote.old": 3}, {"price_quote"}, {}),
        # A folder that is no dataset's fills the page.
        ({"aaa": 20, "price_quote": 5}, set(), {"price_quote": 5}),
        ({"comp_boss": 3, "dddd": 20, "price_quote": 5}, set(), {"comp_boss": 3, "price_quote": 5}),
    ],
)
def test_a_dataset_with_very_many_files_does_not_hide_the_others(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    landed: dict[str, int],
    more: set[str],
    counts: dict[str, int],
) -> None:
    monkeypatch.setattr(pending, "MOST_LISTED", 10)
    land(world, [f"{name}/{number:02}.csv" for name, many in landed.items() for number in range(many)])
    seen = look(world)
    assert seen.more & world.room.catalogue.datasets.keys() == more
    found = {name: len(seen.pending_of(name)) for name in landed if name in world.room.catalogue.datasets}
    assert {name: found[name] for name in counts} == counts
    # Of those with more than a page, a page.
    assert all(found[name] == 10 for name in more)
    assert len({file.key for file in seen.pending}) == len(seen.pending)


def test_open_batches_are_read_as_their_journal_has_them(world: World) -> None:
    first, second = open_batch("comp_boss", 1), open_batch("comp_boss", 2)
    second |= {"retry_at": "2026-11-21T12:05:00+00:00", "failures": 2, "replay": batch_id(9)}
    world.open_journal("comp_boss", first, second)
    world.open_journal("price_quote")
    seen = look(world)
    assert [(one.batch_id, one.state(NOON)) for one in seen.open_batches] == [
        (batch_id(1), "running"),
        (batch_id(2), "waiting"),
    ]
    found = seen.find("comp_boss", batch_id(2))
    assert found is not None and (found.failures, found.replay) == (2, batch_id(9))
    assert found.files[0].uri == second["files"][0]["uri"]
    assert seen.find("comp_boss", batch_id(3)) is None and seen.find("price_quote", batch_id(1)) is None
    assert seen.batches["price_quote"] == ()
    # Only what is in work makes progress.
    assert list(seen.progress) == [batch_id(1)]


def test_what_others_keep_beside_the_journals_is_not_read(world: World) -> None:
    for name in ("comp_boss/old.json", "unknown/open.json", "open.json"):
        world.storage.bucket(LAKE).blob(f"journal/{name}").upload_from_string("{}")
    assert look(world).batches == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"batches": []}',
        *(f'{{"not_before": null, "batches": {batches}}}' for batches in ("5", "[{}]", "[[]]", "[null]")),
    ],
)
def test_a_journal_that_is_none(world: World, text: str) -> None:
    with pytest.raises(ValueError):
        parse_journal(text.encode())
    world.storage.bucket(LAKE).blob("journal/comp_boss/open.json").upload_from_string(text)
    assert look(world).batches == {"comp_boss": None}


@pytest.mark.parametrize(
    "field, value",
    [
        ("claimed_at", "yesterday"),
        ("claimed_at", None),
        ("retry_at", "soon"),
        ("failures", "many"),
        ("files", None),
        ("files", [1]),
    ],
)
def test_a_journal_with_a_batch_that_is_none(field: str, value: Any) -> None:
    journal = {"not_before": None, "batches": [open_batch("comp_boss", 1) | {field: value}]}
    with pytest.raises(ValueError):
        parse_journal(json.dumps(journal, default=str).encode())


@pytest.mark.parametrize("not_before", ["soon", 5])
def test_a_journal_with_a_pause_that_is_none(not_before: Any) -> None:
    with pytest.raises(ValueError):
        parse_journal(json.dumps({"not_before": not_before, "batches": []}).encode())


def test_it_is_looked_once_in_some_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SECONDS", 600.0)
    world.open()
    before = world.room.pending.look()
    world.land("comp_boss/a.csv")
    assert world.room.pending.look() is before
    assert world.room.pending.begin().result() is before
    assert look(world) != before


def test_a_journal_is_read_again_when_it_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SECONDS", 0.0)
    world.open_journal("comp_boss", open_batch("comp_boss", 1))
    world.open()
    looks = world.room.pending
    assert [one.batch_id for one in looks.look().open_batches] == [batch_id(1)]
    world.open_journal("comp_boss", open_batch("comp_boss", 2))
    assert [one.batch_id for one in looks.look().open_batches] == [batch_id(2)]
    world.open_journal("comp_boss")
    assert looks.look().open_batches == []


def test_a_journal_that_changed_often_is_kept_as_it_is_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_SECONDS", 0.0)
    world.open_journal("comp_boss", open_batch("comp_boss", 1))
    world.open()
    looks = world.room.pending
    first = weakref.ref(looks.look().open_batches[0])
    assert first() is not None
    for number in range(len(world.room.catalogue.datasets) + 1):
        world.open_journal("comp_boss", open_batch("comp_boss", number + 2))
        looks.look()
    gc.collect()
    assert first() is None
