"""What the commands ask the ledger, of batches that went as the pipeline lets them go."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import pytest

from landfall_dags.journal import Entry
from localcloud.command import ledger
from tests.localcloud.command.pipeline_world import SourceFile, World

DATASET = "price_quote"
Arrange = Callable[[World], Sequence[Entry]]


def reject(world: World, entry: Entry, files: Iterable[SourceFile]) -> None:
    """A run loads one rejected row of each of these files of a batch."""
    for file in files:
        world.warehouse.run(
            f"INSERT INTO ops.rejected_rows_{DATASET} (dataset, batch_id, source_uri, source_generation, "
            f"source_row, ingested_at) VALUES ('{DATASET}', '{entry.batch_id}', '{file.uri}', "
            f"{file.generation}, 7, TIMESTAMP '{entry.claimed_at}')"
        )


def two_files(world: World) -> list[SourceFile]:
    return [world.land(f"{DATASET}/{name}.csv") for name in "ab"]


def read(world: World) -> tuple[list[SourceFile], Entry]:
    files = two_files(world)
    entry = world.claim(*files)
    reject(world, entry, files)
    world.end(entry, bad_rows=1)
    return files, entry


def divided(world: World) -> Sequence[Entry]:
    files = two_files(world)
    entry = world.claim(*files)
    reject(world, entry, files)
    world.fail(entry, "no such procedure", "call_trusted")
    parts = world.divide(entry)
    for part in parts:
        reject(world, part, part.files)
        world.end(part, bad_rows=1)
    return parts


def one_part_read(world: World) -> Sequence[Entry]:
    files = two_files(world)
    entry = world.claim(*files)
    reject(world, entry, files)
    world.fail(entry, "no such procedure", "call_trusted")
    first, _ = world.divide(entry)
    reject(world, first, first.files)
    world.end(first, bad_rows=1)
    return [first]


def running(world: World) -> Sequence[Entry]:
    files = two_files(world)
    reject(world, world.claim(*files), files)
    return []


def failed(world: World) -> Sequence[Entry]:
    files = two_files(world)
    entry = world.claim(*files)
    reject(world, entry, files)
    world.fail(entry, "no such procedure", "call_trusted")
    return []


def replayed(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    again = world.claim_replay(*files, asked=entry.batch_id)
    reject(world, again, files)
    world.end(again, bad_rows=1)
    return again, again


def replay_running(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    reject(world, world.claim_replay(*files, asked=entry.batch_id), files)
    return entry, entry


def second_replay_running(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    again = world.claim_replay(*files, asked=entry.batch_id)
    reject(world, again, files)
    world.end(again, bad_rows=1)
    reject(world, world.claim_replay(*files, asked=again.batch_id, run="replay_2"), files)
    return again, again


def replay_tried_again(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    again = world.claim_replay(*files, asked=entry.batch_id)
    reject(world, again, files)
    world.fail(again, "no such procedure", "call_trusted")
    return entry, entry


def replay_tried_well(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    again = world.claim_replay(*files, asked=entry.batch_id)
    reject(world, again, files)
    world.fail(again, "no such procedure", "call_trusted")
    world.end(again, bad_rows=1)
    return again, again


def replay_given_up(world: World) -> Sequence[Entry]:
    files, entry = read(world)
    again = world.claim_replay(*files, asked=entry.batch_id)
    reject(world, again, files)
    world.fail(again, "no such procedure", "call_trusted")
    world.give_up(again)
    return entry, entry


# What became of two files, each with a rejected row in every reading: the batches whose rows count.
READINGS: dict[str, Arrange] = {
    "running": running,
    "failed once": failed,
    "divided": divided,
    "divided, one part read": one_part_read,
    "replayed": replayed,
    "replay that runs": replay_running,
    "second replay that runs": second_replay_running,
    "replay that will be tried again": replay_tried_again,
    "replay that was tried again": replay_tried_well,
    "replay that was given up": replay_given_up,
}


@pytest.mark.parametrize("arrange", READINGS.values(), ids=READINGS)
def test_a_row_is_rejected_once_by_the_last_reading_in_the_ledger(world: World, arrange: Arrange) -> None:
    world.warehouse.run(f"DELETE FROM ops.rejected_rows_{DATASET} WHERE TRUE")
    counting = [entry.batch_id for entry in arrange(world)]
    bigquery, dataset = world.deployment.bigquery(), world.deployment.datasets[DATASET]
    rows = list(ledger.list_rejected(bigquery, dataset, ""))
    assert [row["batch_id"] for row in rows] == counting
    assert [row["source_uri"][-5:] for row in rows] == ["a.csv", "b.csv"][: len(counting)]
    counted = ledger.count_rejected(bigquery, dataset, "")
    assert [(file["batch_id"], file["row_count"]) for file in counted] == [(one, 1) for one in counting]
    # An export needs them all.
    assert all(file["archive_uri"] for file in counted)


# Which of two files was rejected, and whether the batch brought anything to trusted.
@pytest.mark.parametrize(("rejected", "reaches"), [("", True), ("a", True), ("ab", False)])
def test_a_batch_of_rejected_files_alone_brings_nothing_to_trusted(
    world: World, rejected: str, reaches: bool
) -> None:
    files = dict(zip("ab", two_files(world), strict=True))
    world.end(world.claim(*files.values()), {files[name]: "header_mismatch" for name in rejected})
    last = ledger.list_last_batches(world.deployment.bigquery(), datetime.now(UTC))[DATASET]
    assert last["state"] == "succeeded"
    assert last["trusted_at"] == (last["recorded_at"] if reaches else None)
