"""Where files are, found by `landfall where` in a world that the pipeline moved."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from localcloud.command.console import make_console
from localcloud.command.where import where
from localcloud.command.where_view import show_story
from tests.localcloud.command.pipeline_world import SourceFile, World


def name_of(file: SourceFile) -> str:
    return file.uri.rpartition("/")[2]


def pending(world: World) -> str:
    world.deployment.delivered = [
        {"state": "pending", "attempts": 2, "last_status": 503, "last_error": "busy"}
    ]
    return name_of(world.land("price_quote/a.csv"))


def pending_with_run(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.run("queued")
    return name_of(file)


def ignored(world: World) -> str:
    return name_of(world.land("orders/a.csv"))


def running(world: World) -> str:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.run("running", entry)
    world.does("claim_batch", "create_cluster", now_runs="csv_to_parquet")
    return name_of(file)


def failed(world: World) -> str:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.run("failed", entry)
    world.fail(entry, "no machines", "create_cluster", blame=False)
    return name_of(file)


def waiting(world: World) -> str:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.run("failed", entry)
    world.fail(entry, "out of memory")
    return name_of(file)


def loaded(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file))
    return name_of(file)


def loaded_with_rejected_rows(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file), bad_rows=3)
    return name_of(file)


def rejected(world: World) -> str:
    file, other = world.land("price_quote/a.csv"), world.land("price_quote/b.csv")
    world.end(world.claim(file, other), rejected={file: "header_mismatch"})
    return name_of(file)


def refused(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file), {file: "too_many_rejected_rows"}, "9 of 10 rows", bad_rows=9)
    return name_of(file)


def superseded(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file), superseded=[file])
    return name_of(file)


def divided(world: World) -> str:
    files = [world.land(f"price_quote/{name}.csv") for name in "abcd"]
    entry = world.claim(*files)
    world.fail(entry, "out of memory")
    first, second = world.divide(entry)
    # The part without the file is divided too, and is no part of its story.
    world.divide(second)
    world.end(first, run="run_3")
    return name_of(files[0])


def divided_and_open(world: World) -> str:
    files = [world.land(f"price_quote/{name}.csv") for name in "ab"]
    entry = world.claim(*files)
    world.fail(entry, "out of memory")
    world.divide(entry)
    world.run("running", entry, "run_3")
    world.does("claim_batch", now_runs="create_cluster")
    return name_of(files[0])


def replayed(world: World) -> str:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.end(entry, rejected={file: "header_mismatch"})
    world.end(world.claim_replay(file, asked=entry.batch_id))
    return name_of(file)


def replay_given_up(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file))
    world.give_up(world.claim_replay(file, asked=file.identity), "no such column")
    return name_of(file)


def replay_running(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file))
    again = world.claim_replay(file, asked=file.identity)
    world.run("running", again, "replay_1")
    world.does("claim_batch", "create_cluster", "csv_to_parquet", now_runs="load_raw")
    return name_of(file)


def replay_waiting_while_another_runs(world: World) -> str:
    file = world.land("price_quote/a.csv")
    world.end(world.claim(file))
    again = world.claim_replay(file, asked=file.identity, run="replay_2")
    world.run("running", again, "replay_2")
    world.does("claim_batch", now_runs="create_cluster")
    other = world.claim_replay(file, asked=file.identity, run="replay_1")
    world.fail(other, "out of memory", run="replay_1")
    return name_of(file)


Arrange = Callable[[World], str]
# How the file came there; its state; its readings, each step by a sign: ✓ done, … now, ✗ stopped, · ahead,
# – not taken or not known; a part of the reason; a part of what to do.
CASES: dict[str, tuple[Arrange, str, list[tuple[str, str]], str, str]] = {
    "pending": (pending, "pending", [("pending", "✓…·······")], "", "The sweep asks for a run every ten"),
    "pending, its run asked for": (
        pending_with_run,
        "pending",
        [("pending", "✓·✓…·····")],
        "",
        "Nothing: its run is asked for. `landfall tail price_quote`",
    ),
    "ignored": (
        ignored,
        "ignored",
        [("ignored", "✓––––––––")],
        "no dataset 'orders'",
        "Move it to its dataset's",
    ),
    "running": (running, "running", [("running", "✓✓✓✓✓…···")], "", "Nothing: it is on its way"),
    "failed": (
        failed,
        "failed",
        [("failed", "✓✓✓✓✗····")],
        "create_cluster: no machines",
        "the dataset's next run finishes the batch",
    ),
    "waiting": (
        waiting,
        "waiting",
        [("waiting", "✓✓✓✓✓✗···")],
        "out of memory",
        "It is tried again by itself at",
    ),
    "loaded": (loaded, "loaded", [("loaded", "✓✓✓✓✓✓✓✓✓")], "", ""),
    "loaded, with rejected rows": (
        loaded_with_rejected_rows,
        "loaded",
        [("loaded", "✓✓✓✓✓✓✓✓✓")],
        "",
        "`landfall rejects price_quote --batch",
    ),
    "rejected": (
        rejected,
        "rejected",
        [("rejected", "✓✓✓✓✓✗––✓")],
        "header_mismatch: header_mismatch was found",
        "Write the header that the contract names",
    ),
    "refused batch": (
        refused,
        "rejected",
        [("rejected", "✓✓✓✓✓✓✗–✓")],
        "too_many_rejected_rows",
        "`landfall rejects price_quote --batch",
    ),
    "superseded": (
        superseded,
        "superseded",
        [("superseded", "✓✓✓✓––––✓")],
        "Overwritten or deleted in landing",
        "What replaced it is a file of its own",
    ),
    "divided": (
        divided,
        "loaded",
        [("divided", "✓✓✓✓––––✓"), ("loaded", "✓✓✓✓✓✓✓✓✓")],
        "",
        "",
    ),
    "divided, its part open": (
        divided_and_open,
        "running",
        [("divided", "✓✓✓✓––––✓"), ("running", "✓✓✓✓…····")],
        "",
        "Nothing: it is on its way",
    ),
    "replayed": (
        replayed,
        "loaded",
        [("rejected", "✓✓✓✓✓✗––✓"), ("loaded", "✓✓✓✓✓✓✓")],
        "",
        "",
    ),
    "replay that was given up": (
        replay_given_up,
        "loaded",
        [("loaded", "✓✓✓✓✓✓✓✓✓"), ("given up", "✓✓––––✓")],
        "",
        "Trusted stays as it was before this replay",
    ),
    "replay under way": (
        replay_running,
        "running",
        [("loaded", "✓✓✓✓✓✓✓✓✓"), ("running", "✓✓✓✓…··")],
        "",
        "Nothing: it is on its way",
    ),
    "replay under way, another waiting": (
        replay_waiting_while_another_runs,
        "running",
        [("loaded", "✓✓✓✓✓✓✓✓✓"), ("running", "✓✓…····")],
        "",
        "Nothing: it is on its way",
    ),
}
SIGNS = {"done": "✓", "now": "…", "stopped": "✗", "skipped": "–", "ahead": "·"}


@pytest.mark.parametrize(("arrange", "state", "readings", "why", "then"), CASES.values(), ids=CASES)
def test_a_file_is_followed_to_where_it_stands(
    world: World,
    capsys: pytest.CaptureFixture[str],
    arrange: Arrange,
    state: str,
    readings: list[tuple[str, str]],
    why: str,
    then: str,
) -> None:
    name = arrange(world)
    assert where(world.deployment, name, False, as_json=True) == 0
    (story,) = json.loads(capsys.readouterr().out)["files"]
    assert story["state"] == state
    signs = [
        (one["state"], "".join(SIGNS[step["state"]] for step in one["steps"])) for one in story["readings"]
    ]
    assert signs == readings
    assert why in f"{story['reason']}: {story['detail']}"
    assert then in story["next"]
    assert bool(story["next"]) == bool(then)
    # A person is told the same.
    show_story(make_console(), story, datetime.now(UTC))
    shown = capsys.readouterr().out
    assert shown.startswith(f"price_quote/{name}  {state}\n" if state != "ignored" else f"orders/{name}  ")
    lines = [line.split()[:2] for line in shown.splitlines()]
    assert [line[0] for line in lines if line and line[0] in SIGNS.values()] == list(
        "".join(sign for _, sign in signs)
    )
    assert then in shown
    assert why in shown


def test_what_a_batch_started_has_its_link_where_the_installation_has_pages(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deployment.control_room = "https://room.example.com"
    world.deployment.links = {
        "run": "https://airflow.example.com/{dag_id}/{run_id}",
        "dataproc_job": "https://jobs.example.com/{job_id}",
        "bigquery_job": "https://queries.example.com/{job_id}",
        "table": "https://tables.example.com/{dataset}/{table}",
    }
    file = world.land("price_quote/a b.csv")
    world.end(world.claim(file, run="run 1"), bad_rows=1, run="run 1")
    assert where(world.deployment, "a b.csv", False, as_json=True) == 0
    (story,) = json.loads(capsys.readouterr().out)["files"]
    asked = urlencode({"uri": file.uri, "generation": file.generation})
    assert {link["what"]: link["url"] for link in story["links"]} == {
        "control room": f"https://room.example.com/file?{asked}",
        "Airflow run": "https://airflow.example.com/ingest_price_quote/run%201",
        "Spark driver": "https://jobs.example.com/lf-one-spark-1",
        "load of raw": "https://queries.example.com/load_1",
        "merge into trusted": "https://queries.example.com/call_1",
        "trusted table": "https://tables.example.com/trusted/price_quote",
        "rejected rows": "https://tables.example.com/ops/rejected_rows_price_quote",
    }


@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("a b.csv", True),
        ("..a/b..csv", True),
        ("../../b.csv", False),
        ("x/../b.csv", False),
        ("./b.csv", False),
    ],
)
def test_no_name_leads_a_link_out_of_its_bucket(
    world: World, capsys: pytest.CaptureFixture[str], name: str, leads: bool
) -> None:
    world.deployment.links = {"object": "https://objects.example.com/{bucket}/{name}"}
    world.land(f"price_quote/{name}")
    assert where(world.deployment, name, False, as_json=True) == 0
    (story,) = json.loads(capsys.readouterr().out)["files"]
    assert [link["what"] for link in story["links"]] == (["object"] if leads else [])


def test_the_same_content_is_told_of_by_its_newest_reading(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    file = world.land("price_quote/a.csv")
    entry = world.claim(file)
    world.end(entry, rejected={file: "header_mismatch"})
    world.end(world.claim_replay(file, asked=entry.batch_id))
    world.land("price_quote/b.csv")
    assert where(world.deployment, "b.csv", False, as_json=True) == 0
    (story,) = json.loads(capsys.readouterr().out)["files"]
    assert [(one["generation"], one["state"]) for one in story["same_content"]] == [
        (file.generation, "loaded")
    ]


def test_no_name_steers_the_terminal(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.land("price_quote/\x1b[31m[red]a.csv")
    assert where(world.deployment, "\x1b[31m[red]a.csv", False, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "price_quote/\\x1b[31m[red]a.csv  pending" in shown
    assert "\x1b" not in shown
