"""The claim, in memory and against the local cloud's storage: nothing is lost, whenever the process dies."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from landfall_dags import claim
from landfall_dags.agenda import Wait
from landfall_dags.errors import TerminalError
from landfall_dags.identity import archive_name
from landfall_dags.journal import Manifest, folder_uri, open_uri, parse_manifest
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.store import Store
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.memory_store import Interrupted, PowerCutError, crc32c
from tests.composer_dags.turns import journal_of, take_turn
from tests.composer_dags.worlds import MemoryWorld, World

OPEN = open_uri("lake", "price_quote")
NAMES = ("price_quote/a.csv", "price_quote/in/b c.csv.gz", "price_quote/ä#?.csv")


def claim_all(
    store: Store,
    pipeline: Pipeline,
    run: str = "run-1",
    ledger: MemoryLedger | None = None,
    most: int = 10_000,
    token_key: str | None = None,
) -> Manifest | None:
    manifest = take_turn(store, pipeline, run, ledger, most=most, token_key=token_key)
    if isinstance(manifest, Wait):
        assert manifest.until is None
        return None
    return manifest


def drop(world: World, *names: str) -> None:
    for name in names:
        world.put(f"gs://landing/{name}", name.encode())


def archived_content(world: World, manifest: Manifest) -> dict[str, bytes]:
    return {file.source.uri: world.content(file.archive_uri) for file in manifest.files}


def test_pending_files_move_into_the_archive_and_the_batch_is_written_down(
    world: World, pipeline: Pipeline
) -> None:
    drop(world, *NAMES)
    world.put("gs://landing/price_quote/readme.txt", b"no file of the grammar")
    world.put("gs://landing/comp_boss/a.csv", b"another dataset's")
    manifest = claim_all(world.store, pipeline)
    assert manifest is not None
    assert archived_content(world, manifest) == {f"gs://landing/{name}": name.encode() for name in NAMES}
    assert world.uris("landing") == ["gs://landing/comp_boss/a.csv", "gs://landing/price_quote/readme.txt"]
    folder = folder_uri("lake", "price_quote", manifest.entry.batch_id)
    assert world.uris("lake") == sorted([OPEN, f"{folder}/manifest.json", f"{folder}/pipeline.json"])
    assert world.content(f"{folder}/pipeline.json").decode() == pipeline.text
    assert parse_manifest(world.content(f"{folder}/manifest.json").decode(), folder) == manifest


def test_the_manifest_is_what_spark_reads(world: World, pipeline: Pipeline) -> None:
    generation = world.put("gs://landing/price_quote/a.csv", b"x,y\n1,2\n")
    manifest = claim_all(world.store, pipeline)
    assert manifest is not None
    batch = manifest.entry.batch_id
    document = json.loads(world.content(f"{folder_uri('lake', 'price_quote', batch)}/manifest.json"))
    (file,) = document.pop("files")
    assert document == {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": batch,
        "claim": batch,
        "run_id": "run-1",
        "contract_version": "1.0.0",
        "claimed_at": "2025-11-21T01:26:03.000500Z",
        "arrived_on": "2025-11-21",
        "replay": None,
        "token_key": None,
        "superseded": [],
    }
    created_at = manifest.files[0].source.created_at
    assert file == {
        "uri": "gs://landing/price_quote/a.csv",
        "generation": generation,
        "size": 8,
        "crc32c": crc32c(b"x,y\n1,2\n"),
        "md5": manifest.files[0].source.md5,
        "created_at": created_at,
        "archive_uri": f"gs://archive/{archive_name('price_quote', manifest.files[0].source)}",
    }


def test_nothing_pending_is_no_batch(world: World, pipeline: Pipeline) -> None:
    assert claim_all(world.store, pipeline) is None
    assert world.uris("lake") == []


def test_the_oldest_files_come_first_and_a_batch_has_its_limit(world: World, pipeline: Pipeline) -> None:
    drop(world, "price_quote/z.csv", "price_quote/m.csv", "price_quote/a.csv")
    first = claim_all(world.store, pipeline, most=2)
    assert first is not None
    assert [file.source.uri[-5:] for file in first.files] == ["z.csv", "m.csv"]
    claim.close(world.store, "lake", "price_quote", first.entry.batch_id)
    second = claim_all(world.store, pipeline, most=2)
    assert second is not None
    assert [file.source.uri[-5:] for file in second.files] == ["a.csv"]


@pytest.mark.parametrize(("most_bytes", "taken"), [(1, 1), (141, 1), (142, 2), (161, 2), (162, 3)])
def test_a_batch_has_a_limit_in_bytes_but_never_no_file(most_bytes: int, taken: int) -> None:
    """17, 25 and 20 bytes, the second under gzip, which counts five times."""
    memory = MemoryWorld()
    drop(memory, *NAMES)
    listed = list(memory.store.list("landing", "price_quote/"))
    assert claim.choose("price_quote", listed, most_bytes=most_bytes) == tuple(listed[:taken])


def test_an_open_batch_is_finished_before_another_is_made(world: World, pipeline: Pipeline) -> None:
    drop(world, "price_quote/a.csv")
    first = claim_all(world.store, pipeline)
    drop(world, "price_quote/b.csv")
    newer = replace(pipeline, contract_version="2.0.0", text=pipeline.text.replace("1.0.0", "2.0.0"))
    assert claim_all(world.store, newer, run="run-2") == first
    assert world.uris("landing") == ["gs://landing/price_quote/b.csv"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whenever_the_process_dies_a_retry_ends_as_if_it_had_not(
    world: World, pipeline: Pipeline, after: bool
) -> None:
    for dies_at in range(1, 100):
        for bucket in ("landing", "archive", "lake"):
            for uri in world.uris(bucket):
                world.remove(uri)
        drop(world, *NAMES)
        dropped = {f"gs://landing/{name}": name.encode() for name in NAMES}
        try:
            claim_all(Interrupted(world.store, dies_at, after), pipeline)
        except PowerCutError:
            manifest = claim_all(world.store, pipeline, run="run-2")
            assert manifest is not None
            assert archived_content(world, manifest) == dropped
            assert manifest.superseded == ()
            assert world.uris("landing") == []
            assert len(world.uris("archive")) == len(NAMES)
            (open_batch,) = journal_of(world.store).batches
            entry = open_batch.entry
            assert (entry.batch_id, entry.run_id) == (manifest.entry.batch_id, manifest.entry.run_id)
        else:
            assert dies_at > 10
            return
    raise AssertionError("the claim never came to its end")


def test_a_file_overwritten_at_any_moment_loses_no_generation_that_was_listed(pipeline: Pipeline) -> None:
    uri, old, new = f"gs://landing/{NAMES[0]}", NAMES[0].encode(), b"newer"
    for moment in range(1, 30):
        world, overwritten = MemoryWorld(), False
        drop(world, *NAMES)

        def overwrite(call: int, world: World = world, moment: int = moment) -> None:
            nonlocal overwritten
            if call == moment:
                overwritten = True
                world.put(uri, new)

        batches = [claim_all(Interrupted(world.store, 1000, False, overwrite), pipeline)]
        while batches[-1] is not None:
            claim.close(world.store, "lake", "price_quote", batches[-1].entry.batch_id)
            batches.append(claim_all(world.store, pipeline))
        claimed = [batch for batch in batches if batch is not None]
        contents = [content for batch in claimed for content in archived_content(world, batch).values()]
        superseded = [file for batch in claimed for file in batch.superseded]
        assert world.uris("landing") == []
        assert contents.count(new) == (1 if overwritten else 0)
        # The journal is read first, then landing is listed; before that the old generation was never seen.
        assert contents.count(old) + len(superseded) == (0 if moment <= 2 else 1)
    assert not overwritten, "the last moments lie after the claim"


def test_a_generation_gone_before_its_copy_is_superseded_for_good(world: World, pipeline: Pipeline) -> None:
    drop(world, *NAMES)
    with pytest.raises(PowerCutError):
        claim_all(Interrupted(world.store, dies_at=3, after=True), pipeline)  # read, list, create
    world.put(f"gs://landing/{NAMES[0]}", b"newer")
    world.remove(f"gs://landing/{NAMES[1]}")
    first = claim_all(world.store, pipeline)
    again = claim_all(world.store, pipeline)
    assert first == again
    assert first is not None
    assert [file.uri for file in first.superseded] == [f"gs://landing/{name}" for name in NAMES[:2]]
    assert archived_content(world, first) == {f"gs://landing/{NAMES[2]}": NAMES[2].encode()}
    assert world.uris("landing") == [f"gs://landing/{NAMES[0]}"]


def test_a_batch_without_any_file_left_is_recorded_closed_and_followed_by_the_next(
    world: World, pipeline: Pipeline
) -> None:
    drop(world, NAMES[0])
    with pytest.raises(PowerCutError):
        claim_all(Interrupted(world.store, dies_at=3, after=True), pipeline)
    world.put(f"gs://landing/{NAMES[0]}", b"newer")
    ledger = MemoryLedger()
    manifest = claim_all(world.store, pipeline, ledger=ledger)
    assert [(row["source_uri"], row["state"]) for row in ledger.files.values()] == [
        (f"gs://landing/{NAMES[0]}", "superseded")
    ]
    assert manifest is not None
    assert archived_content(world, manifest) == {f"gs://landing/{NAMES[0]}": b"newer"}
    assert [batch.batch_id for batch in journal_of(world.store).batches] == [manifest.entry.batch_id]


def test_two_claimers_at_once_end_with_one_batch(world: World, pipeline: Pipeline) -> None:
    names = [f"price_quote/{number}.csv" for number in range(20)]
    drop(world, *names)
    start = Barrier(2)

    def contend(run: str) -> Manifest | None:
        start.wait()
        return claim_all(world.store, pipeline, run=run)

    with ThreadPoolExecutor(2) as claimers:
        one, other = claimers.map(contend, ("run-1", "run-2"))
    assert one == other
    assert one is not None
    assert archived_content(world, one) == {f"gs://landing/{name}": name.encode() for name in names}
    assert world.uris("landing") == []
    assert len(world.uris("archive")) == len(names)


def test_a_different_object_in_the_archive_keeps_the_original_in_landing(
    world: World, pipeline: Pipeline
) -> None:
    drop(world, NAMES[0])
    (file,) = claim.choose("price_quote", world.store.list("landing", "price_quote/"))
    world.put(f"gs://archive/{archive_name('price_quote', file)}", b"something else")
    with pytest.raises(TerminalError, match=r"a copy of gs://landing/price_quote/a\.csv#\d+ with 17 bytes"):
        claim_all(world.store, pipeline)
    assert world.uris("landing") == [f"gs://landing/{NAMES[0]}"]


def test_a_missing_archive_makes_no_file_pass_for_overwritten(
    world: World, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(world, NAMES[0])
    with monkeypatch.context() as missing, pytest.raises(FileNotFoundError, match="is still in landing"):
        missing.setattr(type(world.store), "copy", lambda *_: None)
        claim_all(world.store, pipeline)
    assert world.uris("landing") == [f"gs://landing/{NAMES[0]}"]
    manifest = claim_all(world.store, pipeline)
    assert manifest is not None
    assert archived_content(world, manifest) == {f"gs://landing/{NAMES[0]}": NAMES[0].encode()}


def test_only_the_journal_of_the_batch_itself_is_closed(world: World, pipeline: Pipeline) -> None:
    drop(world, NAMES[0])
    manifest = claim_all(world.store, pipeline)
    assert manifest is not None
    claim.close(world.store, "lake", "price_quote", "00" * 16)
    assert journal_of(world.store).find(manifest.entry.batch_id) is not None
    for _ in range(2):
        claim.close(world.store, "lake", "price_quote", manifest.entry.batch_id)
        assert journal_of(world.store).batches == ()


def tokenising(pipeline: Pipeline) -> Pipeline:
    """The contract with a column that is tokenised."""
    document = json.loads(pipeline.text)
    document["columns"].append({"name": "tax_id", "type": "STRING", "protection": {"method": "tokenise"}})
    return parse_pipeline(json.dumps(document), "here")


def test_without_the_key_of_its_tokens_nothing_of_a_dataset_is_claimed(
    world: World, pipeline: Pipeline
) -> None:
    drop(world, NAMES[0])
    with pytest.raises(TerminalError, match=r"LANDFALL_TOKEN_KEY .* price_quote .* found it not set"):
        claim_all(world.store, tokenising(pipeline))
    assert world.uris("landing") == [f"gs://landing/{NAMES[0]}"]
    assert world.uris("lake") == world.uris("archive") == []


def test_a_batch_keeps_the_key_that_it_was_claimed_with(world: World, pipeline: Pipeline) -> None:
    old, new = (f"projects/p/secrets/s/versions/{version}" for version in (1, 2))
    drop(world, NAMES[0])
    first = claim_all(world.store, tokenising(pipeline), token_key=old)
    assert first is not None
    assert first.token_key == old
    assert claim_all(world.store, tokenising(pipeline), run="run-2", token_key=new) == first


def test_a_dataset_without_tokens_names_no_key(world: World, pipeline: Pipeline) -> None:
    drop(world, NAMES[0])
    manifest = claim_all(world.store, pipeline, token_key="projects/p/secrets/s/versions/1")
    assert manifest is not None
    assert manifest.token_key is None
