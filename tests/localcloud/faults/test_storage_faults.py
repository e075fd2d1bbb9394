"""A storage that fails on purpose: each action has its own effect on a request, and no other's."""

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from localcloud.cli import main
from localcloud.launcher import process
from localcloud.launcher.clients import storage_client
from localcloud.launcher.cloud import BUCKETS, Cloud
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import State, write_state
from tests.localcloud.storage.conftest import StorageProcess

from .conftest import Client, RulesFile, wait_until

Start = Callable[..., StorageProcess]
Clients = Callable[..., Client]

UPLOAD = {"part": "storage", "match": {"method": "^POST$", "path": "/upload/.*name=a"}}
DROPPED = (http.client.RemoteDisconnected, ConnectionError)


@pytest.fixture
def storage(start_storage: Start) -> StorageProcess:
    process = start_storage()
    process.client().create_bucket("box")
    return process


def exists(storage: StorageProcess, name: str = "a") -> bool:
    return storage.call("GET", f"/storage/v1/b/box/o/{name}").status == 200


def test_without_rules_nothing_changes(storage: StorageProcess, rules: RulesFile) -> None:
    assert storage.upload("box", "a", b"x").status == 200
    assert rules.lines() == []


def test_an_error_is_answered_in_googles_form_and_had_no_effect(
    storage: StorageProcess, rules: RulesFile
) -> None:
    rules.set({**UPLOAD, "action": "error", "status": 429, "times": 1})
    answer = storage.upload("box", "a", b"x" * 1_000_000)
    assert (answer.status, answer.reason) == (429, "rateLimitExceeded")
    assert "on purpose, by the rule r0" in answer.json["error"]["message"]
    assert not exists(storage)
    assert storage.upload("box", "a", b"x").status == 200
    assert exists(storage)


def test_a_request_dropped_before_had_no_effect(storage: StorageProcess, rules: RulesFile) -> None:
    rules.set({**UPLOAD, "action": "drop_before"})
    with pytest.raises(DROPPED):
        storage.upload("box", "a", b"x")
    assert not exists(storage)


def test_an_answer_dropped_after_had_its_effect(storage: StorageProcess, rules: RulesFile) -> None:
    rules.set({**UPLOAD, "action": "drop_after"})
    with pytest.raises(DROPPED):
        storage.upload("box", "a", b"x")
    assert exists(storage)


def test_a_delay_is_waited_and_then_all_is_as_ever(storage: StorageProcess, rules: RulesFile) -> None:
    rules.set({**UPLOAD, "action": "delay", "seconds": 0.5})
    began = time.monotonic()
    assert storage.upload("box", "a", b"x").status == 200
    assert time.monotonic() - began >= 0.5
    assert exists(storage)


@pytest.mark.parametrize(("action", "effect"), [("kill_client_before", False), ("kill_client_after", True)])
def test_a_kill_ends_whoever_asked_and_no_other(
    storage: StorageProcess, rules: RulesFile, start_client: Clients, action: str, effect: bool
) -> None:
    guilty, bystander, stranger = (start_client(storage.port, *mark) for mark in ((), (), ("/elsewhere",)))
    rules.set({**UPLOAD, "action": action})
    path = "/upload/storage/v1/b/box/o?uploadType=media&name=a"
    guilty.ask("POST", path)
    assert guilty.process.wait(30) == -9
    assert exists(storage) is effect
    # It is written down once it is done.
    wait_until(lambda: rules.fired() == [action, "killed"])
    assert rules.lines()[-1]["process"] == guilty.process.pid
    # The process of another state folder loses its connection, and lives.
    stranger.ask("POST", path)
    assert stranger.answer() in ("RemoteDisconnected", "ConnectionResetError")
    bystander.ask("GET", "/storage/v1/b")
    assert bystander.answer() == "200"
    assert (bystander.process.poll(), stranger.process.poll()) == (None, None)
    assert rules.fired() == [action, "killed", action, "killed"]
    assert rules.lines()[-1]["process"] is None


def test_the_launchers_question_after_its_health_is_always_answered(
    storage: StorageProcess, rules: RulesFile
) -> None:
    rules.set({"part": "storage", "action": "error"})
    assert storage.call("GET", "/healthz").status == 200
    assert storage.call("GET", "/_landfall/deliveries").status == 200
    assert storage.call("GET", "/storage/v1/b").status == 503


def test_googles_client_gets_through_errors_and_lost_answers(
    storage: StorageProcess, rules: RulesFile
) -> None:
    rules.set(
        {"part": "storage", "action": "error", "status": 503, "probability": 0.3, "times": 4},
        {"part": "storage", "action": "drop_after", "probability": 0.3, "times": 3},
        seed=4,
    )
    bucket = storage.client().bucket("box")
    # The library waits seconds between attempts; the order of things is what counts here.
    retry = DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.05)
    for number in range(10):
        bucket.blob(f"file-{number}").upload_from_string(f"{number}", retry=retry)
    found = {blob.name: blob.download_as_bytes(retry=retry) for blob in bucket.list_blobs(retry=retry)}
    assert found == {f"file-{number}": f"{number}".encode() for number in range(10)}
    assert sorted(rules.fired()) == ["drop_after"] * 3 + ["error"] * 4


def test_the_command_is_spared_and_drops_while_other_parts_are_down(
    storage: StorageProcess,
    rules: RulesFile,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules.set({"part": "storage", "action": "error"})
    place = Place(ROOT, home)
    cloud = Cloud(place, {"storage": storage.port})
    storage_client(cloud).create_bucket(BUCKETS["landing"])
    write_state(place.state, State(dict(cloud.ports), {"storage": process.describe(storage.pid)}))
    (home / "price_quote.csv").write_text("a\n")
    monkeypatch.setenv("LANDFALL_HOME", str(home))
    assert main(["drop", str(home / "price_quote.csv")]) == 0
    assert capsys.readouterr().out.startswith(f"gs://{BUCKETS['landing']}/price_quote/price_quote.csv#")
    assert main(["drop", "--wait", str(home / "price_quote.csv")]) == 1
    assert "found bigquery, " in capsys.readouterr().err
    # Google's client asks for the bucket in the background, without the header.
    assert {line["path"].split("?")[0] for line in rules.lines()} <= {f"/storage/v1/b/{BUCKETS['landing']}"}


def test_the_rules_outlive_the_storage(storage: StorageProcess, rules: RulesFile) -> None:
    rules.set({"part": "storage", "action": "error", "match": {"path": "/o/a"}})
    storage.kill()
    storage.start()
    assert storage.call("GET", "/storage/v1/b/box/o/a").status == 503
    rules.path.unlink()
    assert json.loads(storage.call("GET", "/storage/v1/b/box/o/a").body)["error"]["code"] == 404
