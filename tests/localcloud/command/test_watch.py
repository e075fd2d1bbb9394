"""What `landfall tail` tells while the pipeline moves files."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.command import ledger
from localcloud.command import tail as subject
from localcloud.command.changes import Change
from localcloud.command.tail_view import line_of
from localcloud.command.watch import Watcher
from localcloud.launcher.errors import UsageError
from localcloud.launcher.web import WebError
from tests.localcloud.command.pipeline_world import ALL_TASKS, World

Told = list[tuple[str, ...]]


def told(changes: list[Change]) -> Told:
    """The changes in short: what, of which file, in which state or step."""
    return [
        tuple(
            filter(
                None,
                (
                    one.change,
                    str(one.facts.get("uri", "")).rpartition("/")[2],
                    one.facts.get("step"),
                    one.facts.get("state"),
                ),
            )
        )
        for one in changes
    ]


@pytest.fixture
def look(world: World) -> Callable[..., Told]:
    """What has changed since the last look; the first has been."""
    watcher = Watcher(world.deployment, None)
    assert watcher.look(datetime.now(UTC)) == []

    def again(at: datetime | None = None) -> Told:
        return told(watcher.look(at or datetime.now(UTC)))

    return again


Look = Callable[..., Told]


def test_a_file_is_told_of_from_landing_to_the_ledger(world: World, look: Look) -> None:
    file, bad = world.land("price_quote/a.csv"), world.land("price_quote/b.csv")
    world.land("notes.txt")
    assert sorted(look()) == [("ignored", "notes.txt"), ("landed", "a.csv"), ("landed", "b.csv")]
    assert look() == []
    entry = world.claim(file, bad)
    world.run("running", entry)
    world.does("claim_batch")
    assert look() == [("claimed",)]
    world.does(*ALL_TASKS[:3], now_runs="load_raw")
    assert look() == [("step", "cluster"), ("step", "Spark")]
    assert look() == []
    world.end(entry, rejected={bad: "not_text"})
    assert sorted(look()) == [
        ("recorded", "a.csv", "loaded"),
        ("recorded", "b.csv", "rejected"),
        ("step", "loaded"),
        ("step", "trusted"),
    ]
    assert look() == []


def test_what_came_and_went_between_two_looks_is_told_from_the_ledger(world: World, look: Look) -> None:
    file = world.land("price_quote/a.csv")
    assert look() == [("landed", "a.csv")]
    world.end(world.claim(file))
    assert ("recorded", "a.csv", "loaded") in look()
    assert look() == []


def test_a_file_that_is_claimed_at_once_has_landed_too(world: World, look: Look) -> None:
    world.claim(world.land("price_quote/a.csv"))
    assert look() == [("landed", "a.csv"), ("claimed",)]


def test_a_file_that_somebody_deletes_is_told(world: World, look: Look) -> None:
    file = world.land("price_quote/a.csv")
    look()
    world.take_from_landing([file])
    assert look() == [("deleted", "a.csv")]
    assert look() == []


def test_a_failure_is_told_with_its_reason_and_the_next_try_from_the_beginning(world: World) -> None:
    watcher = Watcher(world.deployment, None)
    file, other = world.land("price_quote/a.csv"), world.land("price_quote/b.csv")
    entry = world.claim(file, other)
    world.run("running", entry)
    world.does("claim_batch", "create_cluster")
    watcher.look(datetime.now(UTC))
    world.fail(entry, "out of memory")
    (failure,) = watcher.look(datetime.now(UTC))
    assert (failure.change, failure.facts["failures"]) == ("failed", 1)
    assert failure.facts["detail"] == "csv_to_parquet: out of memory"
    assert "tried again at" in line_of(failure).plain
    assert watcher.look(datetime.now(UTC)) == []
    world.take_up(entry)
    assert told(watcher.look(datetime.now(UTC))) == [("step", "cluster")]
    # By the surroundings' fault: the batch does not wait, yet it is told.
    world.fail(entry, "no machines", "create_cluster", run="run_2", blame=False)
    assert told(watcher.look(datetime.now(UTC))) == [("failed",)]
    first, second = world.divide(entry)
    world.does("claim_batch")
    assert told(watcher.look(datetime.now(UTC))) == [("divided",)]
    world.end(first)
    world.end(second)
    ends = [one for one in told(watcher.look(datetime.now(UTC))) if one[0] == "recorded"]
    assert sorted(ends) == [("recorded", "a.csv", "loaded"), ("recorded", "b.csv", "loaded")]


def test_a_replay_neither_lands_nor_hides_that_it_is_given_up(world: World, look: Look) -> None:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file))
    look()
    again = world.claim_replay(file, asked=file.identity)
    assert look() == [("claimed",)]
    world.give_up(again)
    assert look() == [("given up",)]


def test_a_dataset_is_late_when_what_waits_is_older_than_its_promise(world: World, look: Look) -> None:
    file = world.land("price_quote/a.csv")

    def look_after(seconds: float) -> Told:
        return look(datetime.fromisoformat(file.created_at) + timedelta(seconds=seconds))

    assert look_after(900) == [("landed", "a.csv")]
    assert look_after(901) == [("late",)]
    assert look_after(902) == []
    world.take_from_landing([file])
    assert sorted(look_after(903)) == [("deleted", "a.csv"), ("in time",)]


def test_a_journal_that_cannot_be_read_ends_no_batch(world: World, look: Look) -> None:
    entry = world.claim(world.land("price_quote/a.csv"))
    look()
    blob = world.bucket("lake").blob("journal/price_quote/open.json")
    text = blob.download_as_text()
    blob.upload_from_string("{}")
    assert look() == [("unreadable",)]
    assert look() == []
    blob.upload_from_string(text)
    assert look() == [("in time",)]
    world.end(entry)
    assert ("recorded", "a.csv", "loaded") in look()


def test_one_dataset_is_followed_alone(world: World) -> None:
    watcher = Watcher(world.deployment, "comp_boss")
    watcher.look(datetime.now(UTC))
    world.claim(world.land("price_quote/a.csv"))
    world.land("comp_boss/b.csv")
    assert told(watcher.look(datetime.now(UTC))) == [("landed", "b.csv")]
    with pytest.raises(UsageError, match="there is no dataset 'nope'"):
        subject.tail(world.deployment, "nope", as_json=False)


def test_a_look_that_fails_loses_nothing(world: World, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [world.claim(world.land(f"{dataset}/a.csv")) for dataset in ("price_quote", "comp_boss")]
    look()
    for entry in entries:
        world.end(entry)
    ask, answers = ledger.list_batch_files, iter([True, False])

    def busy(*which: Any) -> Any:
        if next(answers):
            return ask(*which)
        raise WebError("busy")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "list_batch_files", busy)
        with pytest.raises(WebError):
            look()
    found = look()
    assert found.count(("recorded", "a.csv", "loaded")) == 2
    assert found.count(("step", "Spark")) == 2


@pytest.mark.parametrize("as_json", [True, False])
def test_it_tells_until_it_is_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    rounds: list[Callable[[], Any]] = [lambda: world.land("price_quote/a.csv"), lambda: None]

    def sleep(_: float) -> None:
        if not rounds:
            raise KeyboardInterrupt
        rounds.pop(0)()

    # Not that of the module `time`: clients of the world sleep too.
    monkeypatch.setattr(subject, "time", SimpleNamespace(sleep=sleep))
    with pytest.raises(KeyboardInterrupt):
        subject.tail(world.deployment, None, as_json)
    (line,) = capsys.readouterr().out.splitlines()
    if as_json:
        document = json.loads(line)
        assert (document["version"], document["change"], document["dataset"]) == (1, "landed", "price_quote")
    else:
        assert line.split()[1:] == ["price_quote", "landed", "price_quote/a.csv", "4", "bytes"]


@pytest.mark.parametrize(("final", "rounds"), [(False, 3), (True, 1)])
def test_a_part_that_does_not_answer_is_waited_for_unless_asking_again_cannot_help(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    final: bool,
    rounds: int,
) -> None:
    watcher = Watcher(world.deployment, None)
    looks = []

    def look(_: datetime) -> list[Change]:
        looks.append(1)
        if len(looks) < 3:
            raise WebError("nobody answers", 403 if final else 503)
        return []

    monkeypatch.setattr(watcher, "look", look)
    found = subject.watch(watcher, 0)
    if final:
        with pytest.raises(WebError):
            next(found)
    else:
        assert [next(found) for _ in range(3)] == [([], "nobody answers"), ([], "nobody answers"), ([], "")]
        said = capsys.readouterr().err.splitlines()
        assert said == ["landfall: nobody answers", "landfall: all parts answer again"]
    assert len(looks) == rounds
