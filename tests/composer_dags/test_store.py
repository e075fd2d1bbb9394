"""What the claim relies on: preconditions on every change, in memory and in the local cloud's storage."""

import pytest

from landfall_dags.store import Content
from tests.composer_dags.memory_store import crc32c
from tests.composer_dags.worlds import World

HOSTILE = "gs://landing/price_quote/ä b/../#1?x=%2F&\"'+.csv"


def test_only_the_generation_that_is_named_is_deleted(world: World) -> None:
    older = world.put("gs://landing/a.csv", b"older")
    newer = world.put("gs://landing/a.csv", b"newer")
    world.store.delete("gs://landing/a.csv", older)
    assert world.content("gs://landing/a.csv") == b"newer"
    for _ in range(2):
        world.store.delete("gs://landing/a.csv", newer)
        assert world.uris("landing") == []


def test_what_exists_is_not_created_again(world: World) -> None:
    assert world.store.create("gs://lake/x.json", "first")
    assert not world.store.create("gs://lake/x.json", "second")
    stored = world.store.read("gs://lake/x.json")
    assert stored is not None
    assert stored.text == "first"
    world.store.delete("gs://lake/x.json", stored.generation)
    assert world.store.read("gs://lake/x.json") is None


def test_a_generation_that_was_overwritten_is_not_copied(world: World) -> None:
    older = world.put("gs://landing/a.csv", b"older")
    newer = world.put("gs://landing/a.csv", b"newer")
    assert world.store.copy("gs://landing/a.csv", older, "gs://archive/a.csv") is None
    assert world.store.find("gs://archive/a.csv") is None
    expected = Content(5, crc32c(b"newer"))
    assert world.store.copy("gs://landing/a.csv", newer, "gs://archive/a.csv") == expected
    assert world.store.find("gs://archive/a.csv") == expected


def test_a_copy_never_replaces_what_is_there(world: World) -> None:
    generation = world.put("gs://landing/a.csv", b"mine")
    world.put("gs://archive/a.csv", b"theirs")
    assert world.store.copy("gs://landing/a.csv", generation, "gs://archive/a.csv") is None
    assert world.content("gs://archive/a.csv") == b"theirs"


@pytest.mark.parametrize("data", [b"", b"id\n1\n"])
def test_a_listing_says_all_that_identifies_a_file(world: World, data: bytes) -> None:
    generation = world.put(HOSTILE, data)
    world.put("gs://landing/other/a.csv", b"")
    (file,) = world.store.list("landing", "price_quote/")
    assert (file.uri, file.generation, file.size, file.crc32c) == (
        HOSTILE,
        generation,
        len(data),
        crc32c(data),
    )
    assert file.created_at.endswith("Z")
    assert len(file.created_at) == 27
