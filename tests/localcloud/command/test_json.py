"""Every command that reports does so as JSON too: one document with a version, and nothing else beside it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.command import doctor
from localcloud.command.drop import drop
from localcloud.command.env import env
from localcloud.command.follow import Follower
from localcloud.command.rejects import rejects
from localcloud.command.replay import replay
from localcloud.command.status import status
from localcloud.launcher.place import ROOT, Place
from tests.localcloud.command.pipeline_world import SourceFile, World


@dataclass
class Scene:
    """A file with rejected rows, and what was asked of Airflow."""

    world: World
    file: SourceFile
    folder: Path
    triggered: list[str] = field(default_factory=list)


@pytest.fixture
def scene(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.end(entry, bad_rows=1)
    world.warehouse.run("DELETE FROM ops.rejected_rows_price_quote WHERE TRUE")
    reason = "'ragged_row' AS code, CAST(NULL AS STRING) AS `column`, CAST(NULL AS STRING) AS value"
    world.warehouse.run(
        "INSERT INTO ops.rejected_rows_price_quote (dataset, batch_id, source_uri, source_generation, "
        f"source_row, raw, reasons, ingested_at) VALUES ('price_quote', '{entry.batch_id}', '{file.uri}', "
        f"{file.generation}, 3, 'x\x1b,\"y\"', [STRUCT({reason}, 'expected 8 fields' AS detail)], "
        "CURRENT_TIMESTAMP())"
    )
    found = Scene(world, file, tmp_path)
    monkeypatch.setattr(
        world.deployment.said, "trigger", lambda dag, run, conf: found.triggered.append(run), False
    )
    return found


def local(scene: Scene) -> list[Path]:
    path = scene.folder / "price_quote_new.csv"
    path.write_text("a\n1\n")
    return [path]


def read(capsys: pytest.CaptureFixture[str], act: Callable[[], int]) -> dict[str, Any]:
    capsys.readouterr()
    assert act() == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    return document


@pytest.fixture
def one_day() -> None:
    """The test begins and ends on one day: today ends at midnight, UTC."""
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    if midnight - now < timedelta(seconds=30):
        time.sleep((midnight - now).total_seconds() + 1)


def test_status_says_how_fresh_a_dataset_is_and_what_today_brought(
    one_day: None, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    world = scene.world
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    world.warehouse.run(
        "INSERT INTO ops.batches (dataset, batch_id, state, files, rows_accepted, rows_rejected, claimed_at, "
        f"recorded_at) VALUES ('price_quote', 'old', 'succeeded', 1, 500, 50, TIMESTAMP '{yesterday}', "
        f"TIMESTAMP '{yesterday}')"
    )
    bad = world.land("price_quote/bad.csv")
    world.end(world.claim(bad), {bad: "too_many_rejected_rows"}, "9 of 10 rows", bad_rows=9)
    world.bucket("lake").blob("journal/comp_boss/open.json").upload_from_string("{}")
    waits = world.land("bill_of_materials/a.csv")
    document = read(capsys, lambda: status(world.deployment, as_json=True))
    by_name = {one["dataset"]: one for one in document["datasets"]}
    quote = by_name["price_quote"]
    # A refused batch gave no row; its rejected rows came today all the same.
    assert quote["today"] == {"batches": 2, "files_rejected": 1, "rows_accepted": 9, "rows_rejected": 10}
    assert quote["last_batch"]["state"] == "rejected"
    assert quote["freshness"]["state"] == "fresh"
    assert quote["freshness"]["trusted_at"] < quote["last_batch"]["recorded_at"]
    assert {name: one["freshness"]["state"] for name, one in by_name.items()} == {
        "price_quote": "fresh",
        "bill_of_materials": "fresh",
        "comp_boss": "unreadable",
        "bank_statement": "empty",
    }
    assert by_name["bill_of_materials"]["pending"] == 1
    assert by_name["bill_of_materials"]["freshness"]["waiting_seconds"] >= 0
    assert by_name["bill_of_materials"]["today"]["rows_accepted"] == 0
    assert [file["uri"] for file in document["files"] if file["state"] == "pending"] == [waits.uri]
    # A person is told the same.
    assert status(world.deployment, as_json=False) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(row for row in rows if row[:1] == ["comp_boss"])[1] == "unreadable"
    assert next(row for row in rows if row[:1] == ["price_quote"])[-6:-4] == ["9", "10"]


def test_rejected_rows_come_whole(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    document = read(capsys, lambda: rejects(scene.world.deployment, "price_quote", None, None, as_json=True))
    (row,) = document["rows"]
    assert (row["uri"], row["generation"], row["row"]) == (scene.file.uri, scene.file.generation, 3)
    assert row["raw"] == 'x\x1b,"y"'
    assert row["reasons"] == [
        {"code": "ragged_row", "column": None, "value": None, "detail": "expected 8 fields"}
    ]
    nothing = read(capsys, lambda: rejects(scene.world.deployment, "comp_boss", None, None, as_json=True))
    assert nothing["rows"] == []


def test_a_dropped_file_is_told_with_its_identity(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    document = read(
        capsys, lambda: drop(scene.world.deployment, local(scene), None, False, None, as_json=True)
    )
    (file,) = document["files"]
    assert file["uri"].endswith("-landing/price_quote/price_quote_new.csv")
    assert (file["dataset"], file["succeeded"], file["verdict"]) == ("price_quote", None, None)
    assert [step["step"] for step in file["steps"]] == ["landed"]


@pytest.mark.parametrize("succeeded", [True, False])
def test_progress_stays_out_of_the_document(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, succeeded: bool
) -> None:
    def follow(_: Follower, ways: Any, timeout: float | None, show: Callable[[], None]) -> None:
        for one in ways:
            one.reach("claimed", datetime.now(UTC), "batch ab12")
            one.reach("recorded", datetime.now(UTC))
            show()
            one.end("it is over", succeeded)

    monkeypatch.setattr(Follower, "follow", follow)
    capsys.readouterr()
    code = drop(scene.world.deployment, local(scene), None, True, None, as_json=True)
    said = capsys.readouterr()
    (file,) = json.loads(said.out)["files"]
    assert (code, file["succeeded"], file["verdict"]) == (0 if succeeded else 1, succeeded, "it is over")
    assert [step["step"] for step in file["steps"]] == ["landed", "claimed", "recorded"]
    assert "claimed  batch ab12" in said.err
    assert "it is over" in said.err


def test_a_replay_names_its_run_and_its_files(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    document = read(capsys, lambda: replay(scene.world.deployment, "a.csv", False, None, as_json=True))
    assert document["replay"] == scene.file.identity
    assert [document["run_id"]] == scene.triggered
    assert [(file["uri"], file["generation"]) for file in document["files"]] == [
        (scene.file.uri, scene.file.generation)
    ]


def test_the_variables_come_by_their_names(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    document = read(capsys, lambda: env(scene.world.deployment, as_json=True))
    assert document["variables"] == {"LANDFALL_PROJECT": "landfall-test"}


@pytest.mark.parametrize("java", [True, False])
def test_the_doctor_lists_what_it_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, java: bool
) -> None:
    found = [doctor.Finding("Java", "ok" if java else "missing", "Java 17", "17", "install it")]
    monkeypatch.setattr(doctor, "check_machine", lambda _: found)
    assert doctor.doctor(Place(ROOT, tmp_path), as_json=True) == (0 if java else 1)
    document = json.loads(capsys.readouterr().out)
    assert document["missing"] == ([] if java else ["Java"])
    assert document["findings"][0]["remedy"] == "install it"
