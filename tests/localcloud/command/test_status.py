import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from rich.text import Text

from localcloud.command.datasets import Dataset
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.status import describe_files, describe_open
from localcloud.command.status_view import show
from localcloud.deployment.deployment import Look
from localcloud.deployment.local import LocalDeployment, describe_parts
from localcloud.launcher.parts import PARTS
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import Running, State, write_state

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DATASETS = {
    "price_quote": Dataset("price_quote", ("id",), "raw.price_quote", "trusted.price_quote", "ops.rejected")
}
BATCH = OpenBatch("price_quote", "b1", "run", AT, frozenset({("gs://l/price_quote/claimed.csv", 2)}))
RECORDED = {
    "dataset": "price_quote",
    "batch_id": "b0",
    "source_uri": "gs://l/price_quote/bad.csv",
    "source_generation": 3,
    "state": "rejected",
    "reason": "header_mismatch",
    "detail": "expected a,b, found b,a",
    "rows_read": 0,
    "rows_accepted": 0,
    "rows_rejected": 0,
    "claimed_at": AT,
    "recorded_at": AT,
}


def test_every_file_has_one_state_and_a_reason_where_it_is_bad() -> None:
    landed = [
        Landed("gs://l/price_quote/new.csv", 1, AT),
        Landed("gs://l/price_quote/claimed.csv", 2, AT),
        Landed("gs://l/price_quote/claimed.csv", 6, AT),
        Landed("gs://l/price_quote/bad.csv", 4, AT),
        Landed("gs://l/notes.txt", 5, AT),
    ]
    running = {"b1": describe_open(BATCH, "create_cluster", None)}
    files = describe_files(landed, [BATCH], [RECORDED], DATASETS, running)
    assert {(file["uri"], file["generation"]): (file["state"], file["reason"]) for file in files} == {
        ("gs://l/price_quote/new.csv", 1): ("pending", None),
        ("gs://l/price_quote/claimed.csv", 2): ("running", None),
        ("gs://l/price_quote/claimed.csv", 6): ("pending", None),
        ("gs://l/price_quote/bad.csv", 3): ("rejected", "header_mismatch"),
        ("gs://l/price_quote/bad.csv", 4): ("pending", None),
        ("gs://l/notes.txt", 5): ("ignored", "outside_grammar"),
    }
    json.dumps(files)


def test_a_file_that_is_read_again_runs_beside_what_became_of_it_before() -> None:
    batch = replace(BATCH, files=frozenset({(RECORDED["source_uri"], 3)}), replay="b0")
    running = {"b1": describe_open(batch, "claim_batch", None)}
    found = describe_files([], [batch], [RECORDED], DATASETS, running)
    assert [(file["batch_id"], file["state"]) for file in found] == [("b1", "running"), ("b0", "rejected")]
    found = describe_files([], [batch], [RECORDED | {"batch_id": "b1"}], DATASETS, running)
    assert [(file["batch_id"], file["state"]) for file in found] == [("b1", "rejected")]


def test_an_open_batch_that_its_run_gave_up_is_failed_until_another_takes_it() -> None:
    failed = {"batch_id": "b1", "state": "failed", "detail": "csv_to_parquet: out of luck"}
    assert describe_open(BATCH, None, None)["state"] == "running"
    assert describe_open(BATCH, None, failed | {"state": "succeeded"})["state"] == "running"
    assert describe_open(BATCH, "csv_to_parquet", failed)["state"] == "running"
    gave_up = describe_open(BATCH, None, failed)
    assert (gave_up["state"], gave_up["detail"]) == ("failed", "csv_to_parquet: out of luck")
    (file,) = describe_files([], [BATCH], [], DATASETS, {"b1": gave_up})
    assert (file["state"], file["detail"]) == ("failed", "csv_to_parquet: out of luck")


def test_a_batch_that_waits_says_why_and_until_when() -> None:
    failed = {"batch_id": "b1", "state": "failed", "detail": "csv_to_parquet: out of luck"}
    waiting = describe_open(replace(BATCH, failures=1, retry_at=AT), None, failed)
    assert (waiting["state"], waiting["failures"], waiting["retry_at"]) == ("waiting", 1, AT.isoformat())
    assert waiting["detail"] == "csv_to_parquet: out of luck"


def test_a_part_is_up_only_when_its_very_process_runs() -> None:
    me = Running(os.getpid(), psutil.Process().create_time())
    other = Running(os.getpid(), 1.0)
    parts = describe_parts(State({"storage": 20001}, {"storage": me, "bigquery": other}))
    assert [part["name"] for part in parts] == list(PARTS)
    assert {part["name"] for part in parts if part["state"] == "up"} == {"storage"}
    assert parts[0] == {"name": "storage", "state": "up", "pid": os.getpid(), "port": 20001}


DOCUMENT = {
    "at": AT.isoformat(),
    "datasets": [
        {
            "dataset": "price_quote",
            "freshness": {
                "state": "late",
                "promise_seconds": 900,
                "waiting_seconds": 2100,
                "trusted_at": None,
            },
            "today": {"rows_accepted": 30213, "rows_rejected": 7},
            "pending": 1,
            "running": None,
            "waiting": [{"retry_at": AT.isoformat()}, {"retry_at": "2027-01-01T00:00:00+00:00"}],
            "last_batch": None,
            "trusted_rows": 5,
        }
    ],
    "files": describe_files([Landed("gs://l/a.csv", 1, AT)], [], [RECORDED], DATASETS, {}),
}


def test_the_view_says_what_runs_and_why_a_file_is_bad() -> None:
    out = io.StringIO()
    look = Look({}, [Text("up    storage")], "", sound=True)
    show(Console(file=out, width=200), look, DOCUMENT, "landfall --env dev")
    assert out.getvalue().startswith("up    storage\n")
    assert "expected a,b, found b,a" in out.getvalue()
    assert "the datasets are price_quote" in out.getvalue()
    assert f"2 failed, tried again at {AT:%H:%M:%S}" in out.getvalue()
    (row,) = (line.split() for line in out.getvalue().splitlines() if "30213" in line)
    assert row[:6] == ["price_quote", "late", "by", "20", "min", "1"]
    assert "\x1b" not in out.getvalue()


def test_where_nothing_has_landed_the_view_says_how_to_begin() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    show(console, Look({}, [], "", sound=True), DOCUMENT | {"files": []}, "landfall --env dev")
    assert out.getvalue().endswith("No file has landed yet: landfall --env dev drop --wait FILE.csv\n")


@pytest.mark.parametrize(
    ("running", "lines", "blind", "sound"),
    [
        ([], [], "The local cloud in {home} is down. Start it with `landfall up`.", True),
        (["storage"], ["up    storage", "down  bigquery, "], "Without storage and bigquery nothing", False),
        (["storage", "bigquery"], ["up    storage, bigquery", "down  dataproc, "], "", False),
        (list(PARTS), ["up    storage, bigquery, dataproc"], "", True),
    ],
)
def test_a_local_cloud_is_sound_when_all_of_it_or_nothing_runs(
    tmp_path: Path, running: list[str], lines: list[str], blind: str, sound: bool
) -> None:
    me = Running(os.getpid(), psutil.Process().create_time())
    place = Place(ROOT, tmp_path)
    write_state(place.state, State(dict.fromkeys(PARTS, 20001), dict.fromkeys(running, me)))
    look = LocalDeployment(place).look()
    assert [line.plain[: len(begin)] for line, begin in zip(look.lines, lines, strict=True)] == lines
    assert look.blind.startswith(blind.format(home=tmp_path))
    assert bool(look.blind) == bool(blind)
    assert look.sound is sound


def test_status_of_an_empty_folder_is_pure_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from localcloud.cli import main

    monkeypatch.setenv("LANDFALL_HOME", str(tmp_path))
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {part["state"] for part in document["parts"]} == {"down"}
