"""What each call to Cloud Storage does when the answer is an error, or is lost after its effect."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from landfall_dags import agenda, journal_object
from landfall_dags.identity import timestamp
from landfall_dags.journal import Journal, open_entry
from landfall_dags.pipeline import Pipeline
from landfall_dags.store import CloudStore, Store
from tests.composer_dags import turns
from tests.composer_dags.conftest import BUCKETS, storage_client
from tests.composer_dags.parts import Part, storage_part
from tests.composer_dags.worlds import CloudWorld

SOURCE, COPY, TEXT = "gs://landing/price_quote/a.csv", "gs://archive/a.csv", "gs://lake/x.json"

_NUMBERS = count()


@dataclass
class Faulty:
    """A storage part, its rules, and what a sender of files sees of it."""

    part: Part
    rules: Path
    world: CloudWorld

    def break_next(self, method: str, action: str, times: int = 1, status: int = 503) -> None:
        """Have the next calls of an HTTP method fail."""
        # A rule's firings are counted by its id.
        rule = {
            "id": f"r{next(_NUMBERS)}",
            "part": "storage",
            "match": {"method": method, "path": "/(o|rewriteTo|storage)"},
        }
        document = {"seed": 1, "rules": [{**rule, "action": action, "times": times, "status": status}]}
        self.rules.with_suffix(".new").write_text(json.dumps(document))
        self.rules.with_suffix(".new").replace(self.rules)
        self.rules.with_suffix(".log").unlink(missing_ok=True)

    def fired(self) -> int:
        log = self.rules.with_suffix(".log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def mend(self) -> None:
        self.rules.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def faulty_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    home = tmp_path_factory.mktemp("faulty")
    rules = home / "faults.json"
    with storage_part(home, rules) as part:
        client = storage_client(part)
        for bucket in BUCKETS:
            client.create_bucket(bucket)
        yield Faulty(part, rules, CloudWorld(client))


@pytest.fixture
def faulty(faulty_part: Faulty, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    from landfall_dags import store

    faulty_part.mend()
    for bucket in BUCKETS:
        for uri in faulty_part.world.uris(bucket):
            faulty_part.world.remove(uri)
    retry = store._PATIENCE["retry"].with_delay(initial=0.01, maximum=0.1)
    monkeypatch.setitem(store._PATIENCE, "retry", retry)
    return faulty_part


def create(store: Store) -> Any:
    return store.create(TEXT, "new")


def replace(store: Store) -> Any:
    stored = store.read(TEXT)
    assert stored is not None
    return store.replace(TEXT, "new", stored.generation)


def delete(store: Store) -> Any:
    stored = store.read(TEXT)
    assert stored is not None
    return store.delete(TEXT, stored.generation)


def copy(store: Store) -> Any:
    (file,) = store.list("landing", "price_quote/")
    return store.copy(SOURCE, file.generation, COPY)


CHANGES: dict[str, tuple[str, Callable[[Store], Any]]] = {
    "create": ("POST", create),
    "replace": ("POST", replace),
    "delete": ("DELETE", delete),
    "copy": ("POST", copy),
}


def prepare(world: CloudWorld, name: str) -> None:
    world.put(SOURCE, b"id\n1\n")
    if name != "create":
        world.put(TEXT, b"old")


def outcome(world: CloudWorld) -> list[bytes]:
    return [world.content(uri) for bucket in ("landing", "archive", "lake") for uri in world.uris(bucket)]


@pytest.mark.parametrize(
    ("action", "status"),
    [("error", 429), ("error", 500), ("error", 503), ("drop_before", 0), ("drop_after", 0)],
)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_takes_effect_once_whatever_is_answered(
    faulty: Faulty, name: str, action: str, status: int
) -> None:
    method, change = CHANGES[name]
    prepare(faulty.world, name)
    assert change(faulty.world.store)
    expected = outcome(faulty.world)
    for bucket in ("landing", "archive", "lake"):
        for uri in faulty.world.uris(bucket):
            faulty.world.remove(uri)
    prepare(faulty.world, name)
    times = 1 if action == "drop_after" else 3
    faulty.break_next(method, action, times, status or 503)
    done = change(faulty.world.store)
    assert faulty.fired() == times
    faulty.mend()
    assert outcome(faulty.world) == expected
    # Of an answer that was lost, the repetition finds the precondition broken; whoever asked looks again.
    assert bool(done) is (action != "drop_after")


@pytest.mark.parametrize("action", ["error", "drop_before", "drop_after"])
def test_what_is_read_is_asked_for_again(faulty: Faulty, action: str) -> None:
    generation = faulty.world.put(SOURCE, b"id\n1\n")
    store = faulty.world.store
    reads: dict[str, Callable[[], Any]] = {
        "list": lambda: [file.generation for file in store.list("landing", "price_quote/")] == [generation],
        "folders": lambda: store.folders("landing") == ("price_quote",),
        "read": lambda: store.read(SOURCE),
        "find": lambda: store.find(SOURCE),
        "is_live": lambda: store.is_live(SOURCE, generation),
    }
    for name, read in reads.items():
        faulty.break_next("GET", action, times=2)
        assert read(), name
        assert faulty.fired() == 2, name


@pytest.mark.parametrize("action", ["error", "drop_before", "drop_after"])
def test_the_journal_is_changed_once_whatever_is_answered(faulty: Faulty, action: str) -> None:
    faulty.world.put(SOURCE, b"id\n1\n")
    files = list(faulty.world.store.list("landing", "price_quote/"))
    entries = [
        open_entry("price_quote", files, f"run-{number}", "1.0.0", timestamp(turns.AT)) for number in range(2)
    ]
    store = faulty.world.store
    for transition in (
        lambda journal: agenda.opened(journal, entries[0]),
        lambda journal: agenda.decided(journal, entries[0].batch_id, "recorded"),
        lambda journal: agenda.closed(journal, entries[0].batch_id),
    ):
        faulty.break_next("POST|DELETE", action)
        expected = transition(turns.journal_of(store))
        assert journal_object.change(store, "lake", "price_quote", transition) == expected
        assert faulty.fired() == 1
        assert turns.journal_of(store) == expected
    assert turns.journal_of(store) == Journal("price_quote")


@pytest.mark.parametrize("action", ["error", "drop_before", "drop_after"])
def test_a_claim_comes_to_its_end_though_every_third_call_fails(
    faulty: Faulty, pipeline: Pipeline, action: str
) -> None:
    for number in range(6):
        faulty.world.put(f"gs://landing/price_quote/{number}.csv", b"x" * number)
    faulty.break_next("", action, times=10_000)
    text = faulty.rules.read_text().replace('"times"', '"probability": 0.33, "times"')
    faulty.rules.write_text(text)
    manifest = turns.claimed(faulty.world.store, pipeline)
    assert faulty.fired() > 5
    faulty.mend()
    assert len(manifest.files) == 6
    assert manifest.superseded == ()
    assert faulty.world.uris("landing") == []
    assert [faulty.world.content(file.archive_uri) for file in manifest.files] == [b"x" * n for n in range(6)]


def test_a_copy_is_what_its_source_is(faulty: Faulty) -> None:
    blob = faulty.world._blob(SOURCE)
    blob.metadata, blob.content_encoding, blob.cache_control = {"sender": "erp"}, "gzip", "no-transform"
    blob.upload_from_string(b"\x1f\x8b", content_type="text/csv")
    assert faulty.world.store.copy(SOURCE, int(blob.generation), COPY)
    copied = faulty.world._blob(COPY)
    copied.reload()
    assert copied.metadata == {"sender": "erp"}
    assert (copied.content_type, copied.content_encoding, copied.cache_control) == (
        "text/csv",
        "gzip",
        "no-transform",
    )


def test_an_outage_is_not_waited_for_without_end(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.api_core.exceptions import RetryError, ServiceUnavailable

    from landfall_dags import store

    monkeypatch.setitem(store._PATIENCE, "retry", store._PATIENCE["retry"].with_timeout(1))
    faulty.break_next("", "error", times=10_000)
    with pytest.raises((RetryError, ServiceUnavailable)):
        CloudStore(storage_client(faulty.part)).create(TEXT, "new")
    faulty.mend()
    assert faulty.world.uris("lake") == []
