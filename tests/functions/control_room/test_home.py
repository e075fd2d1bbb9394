"""The first page: how each dataset stands, and what it says when something is away or wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.bigquery.world import NOON
from tests.functions.control_room.reading import Element, read
from tests.functions.control_room.world import LAKE, LANDING, PROJECT, World, batch, batch_id, open_batch


def cards(html: str) -> dict[str, Element]:
    """The card of each dataset, by its name, in the order of the page."""
    return {card.all("h3")[0].text: card for card in read(html).all("article")}


def figures(html: str) -> dict[str, str]:
    return read(html).one("dl", class_="figures").facts()


def test_an_empty_installation_says_that_nothing_has_come_yet(world: World) -> None:
    html = world.show("/")
    assert figures(html) == {
        "Files read": "0",
        "Rows accepted": "0",
        "Rows rejected": "0",
        "Files pending now": "0",
    }
    found = cards(html)
    assert list(found) == sorted(world.room.catalogue.datasets)
    for name, card in found.items():
        assert card.one("header").text == f"{name} no data yet"
        facts = card.facts()
        assert facts["Last batch"] == "none yet"
        assert facts["Pending"] == facts["In work"] == "nothing"
    assert f"Upload one as gs://{LANDING}/DATASET/NAME.csv" in read(html).one("div", class_="note").text
    world.record(batch("comp_boss", 1))
    assert "Upload one" not in world.show("/")


def test_the_search_asks_for_files(world: World) -> None:
    (form,) = read(world.show("/")).all("form")
    assert form.attributes["action"] == "/files" and form.attributes.get("method", "get") == "get"
    assert form.one("input").attributes["name"] == "q"


def test_figures_and_cards_show_what_today_brought(world: World) -> None:
    yesterday = 24 * 60
    world.record(
        batch("comp_boss", 1, files=2, rows_accepted=90, rows_rejected=10),
        batch("comp_boss", 2, 20, rows_accepted=7),
        # No row of a refused batch is accepted; its rejected ones are in the ledger.
        batch("comp_boss", 3, 30, state="rejected", rows_accepted=50, rows_rejected=50, files_rejected=1),
        # It is still open: its files are not read yet.
        batch("comp_boss", 4, 40, state="failed", files=5, rows_accepted=None, rows_rejected=None),
        batch("comp_boss", 5, yesterday, files=9, rows_accepted=900, rows_rejected=9),
        batch("price_quote", 6, 50, rows_accepted=1_000),
    )
    html = world.show("/")
    assert figures(html) == {
        "Files read": "5",
        "Rows accepted": "1,097",
        "Rows rejected": "60",
        "Files pending now": "0",
    }
    card = cards(html)["comp_boss"]
    assert card.facts()["Today"] == "97 rows accepted 60 rows rejected"
    assert card.links()["60 rows rejected"] == "/rejected?dataset=comp_boss"
    assert card.facts()["Last batch"] == f"succeeded {batch_id(1)[:12]} 10 minutes ago · all batches"
    assert card.links()[batch_id(1)[:12]] == f"/batches/comp_boss/{batch_id(1)}"


def test_pending_files_are_counted_by_dataset_and_strays_are_named(world: World) -> None:
    world.land("comp_boss/a.csv")
    world.land("comp_boss/b.csv.gz")
    world.land("comp_boss/notes.txt")
    world.land("unknown/<b>.csv")
    world.now = datetime.now(UTC)
    html = world.show("/")
    assert figures(html)["Files pending now"] == "2"
    card = cards(html)["comp_boss"]
    assert card.facts()["Pending"].startswith("2 files the oldest landed ")
    assert card.links()["2 files"] == "/files?dataset=comp_boss&state=pending"
    (note,) = read(html).all("div", class_="note")
    assert note.text.startswith("2 files in the landing bucket belong to no dataset")
    assert [code.text for code in note.all("code")] == ["comp_boss/notes.txt", "unknown/<b>.csv"]


def test_a_file_that_an_open_batch_claimed_is_not_pending(world: World) -> None:
    generation = world.land("comp_boss/open.csv")
    claimed = open_batch("comp_boss", 7)
    claimed["files"][0] |= {"uri": "gs://room-landing/comp_boss/open.csv", "generation": generation}
    world.open_journal("comp_boss", claimed)
    facts = cards(world.show("/"))["comp_boss"].facts()
    assert facts["Pending"] == "nothing"
    assert facts["In work"].startswith(f"{batch_id(7)[:12]} files are being claimed, began 60 seconds ago")


@pytest.mark.parametrize(
    "written, phase",
    [
        ([], "files are being claimed"),
        (["manifest.json"], "the cluster starts and Spark reads"),
        (["manifest.json", "attempts/1/accepted/0.parquet"], "Spark writes Parquet"),
        (["manifest.json", "attempts/1/metrics.json", "metrics.json"], "rows are being loaded and merged"),
    ],
)
def test_what_the_lake_holds_says_how_far_a_batch_has_come(
    world: World, written: list[str], phase: str
) -> None:
    world.open_journal("comp_boss", open_batch("comp_boss", 7))
    for name in written:
        world.storage.bucket(LAKE).blob(f"comp_boss/{batch_id(7)}/{name}").upload_from_string("{}")
    assert phase in cards(world.show("/"))["comp_boss"].facts()["In work"]


LATE = 4_000  # seconds; comp_boss promises 3,600


@pytest.mark.parametrize(
    "opened, state, said",
    [
        ([open_batch("comp_boss", 7, minutes_ago=59)], "fresh", None),
        ([open_batch("comp_boss", 7, minutes_ago=61)], "late", "Late by 1 min: something has waited"),
        (
            [open_batch("comp_boss", 7, minutes_ago=5, failures=1, retry_at=NOON + timedelta(minutes=3))],
            "fresh",
            "A batch failed and is tried again at 12:03:00",
        ),
        (
            [
                open_batch("comp_boss", 7, minutes_ago=5, failures=1, retry_at=NOON + timedelta(minutes=9)),
                open_batch("comp_boss", 8, minutes_ago=5, failures=1, retry_at=NOON + timedelta(minutes=4)),
            ],
            "fresh",
            "2 batches failed; the next is tried again at 12:04:00",
        ),
        ([{"not": "a batch"}], "held up", "The journal of this dataset cannot be read"),
    ],
)
def test_freshness_is_that_of_the_alerts(
    world: World, opened: list[dict[str, Any]], state: str, said: str | None
) -> None:
    world.record(batch("comp_boss", 1, minutes_ago=600))
    world.open_journal("comp_boss", *opened)
    card = cards(world.show("/"))["comp_boss"]
    assert card.one("header").text == f"comp_boss {state}"
    notes = [note.text for note in card.all("div", class_="note")]
    assert len(notes) == (said is not None)
    assert said is None or notes[0].startswith(said)


def test_a_batch_that_failed_and_rests_makes_its_dataset_late(world: World) -> None:
    entry = open_batch("comp_boss", 7, minutes_ago=61, failed_run="comp_boss__2026-11-21T10:59:00Z")
    world.open_journal("comp_boss", entry, not_before=NOON + timedelta(minutes=2))
    world.record(batch("comp_boss", 7, 61, state="failed", detail="create_cluster: no quota"))
    note = cards(world.show("/"))["comp_boss"].one("div", class_="note").text
    assert "Late by 1 min" in note and "The last batch failed." in note
    assert note.endswith("create_cluster: no quota")


def test_a_pending_file_makes_its_dataset_late(world: World) -> None:
    world.land("comp_boss/a.csv")
    world.now = datetime.now(UTC) + timedelta(seconds=LATE)
    card = cards(world.show("/"))["comp_boss"]
    assert card.one("header").text == "comp_boss late"
    assert "Files are pending and no run has taken them" in card.one("div", class_="note").text


@pytest.mark.parametrize("state", ["rejected", "failed"])
def test_why_the_last_batch_ended_badly_is_told_first(world: World, state: str) -> None:
    why = "<img src=x> expected a share of at most 0.1"
    world.record(batch("price_quote", 1, state=state, detail=why), batch("comp_boss", 2))
    html = world.show("/")
    assert next(iter(cards(html))) == "price_quote"
    assert cards(html)["price_quote"].one("div", class_="note").text.endswith(why)
    assert "<img" not in html


@pytest.mark.parametrize(
    ("fields", "state", "said"),
    [
        ({"files": 1, "files_rejected": 1, "rows_accepted": 0}, "no data yet", "A file of the last batch"),
        ({"files": 3, "files_rejected": 2}, "fresh", "2 files of the last batch could not be read"),
        ({"files": 1, "files_rejected": None}, "fresh", None),
    ],
)
def test_files_that_could_not_be_read_make_no_dataset_fresh(
    world: World, fields: dict[str, Any], state: str, said: str | None
) -> None:
    world.record(batch("price_quote", 1, **fields))
    html = world.show("/")
    card = cards(html)["price_quote"]
    assert card.one("header").text == f"price_quote {state}"
    trusted_at = card.facts()["Brought up to date"]
    assert trusted_at.startswith("not yet" if state == "no data yet" else "10 minutes ago")
    notes = [note.text for note in card.all("div", class_="note")]
    assert len(notes) == (said is not None)
    if said:
        assert notes[0].startswith(said)
        assert next(iter(cards(html))) == "price_quote"
        assert card.links()["See the rejected files"] == "/files?dataset=price_quote&state=rejected"


def test_a_divided_batch_or_an_older_failure_is_no_trouble(world: World) -> None:
    world.record(
        batch("price_quote", 1, state="divided", detail="divided"),
        batch("comp_boss", 2, 30, state="failed", detail="old"),
        batch("comp_boss", 3),
        batch("bill_of_materials", 4, 30, files_rejected=1),
        batch("bill_of_materials", 5),
    )
    assert read(world.show("/")).all("div", class_="note") == []


def test_the_order_is_that_of_trouble(world: World) -> None:
    world.record(batch("price_quote", 1, state="rejected"), batch("comp_boss", 2))
    world.record(batch("bank_statement", 4, files_rejected=1))
    world.open_journal("comp_boss", open_batch("comp_boss", 3, minutes_ago=90))
    world.open_journal("bill_of_materials", {"no": "batch"})
    found = list(cards(world.show("/")))
    assert found == ["bill_of_materials", "comp_boss", "price_quote", "bank_statement"]


def test_without_storage_the_ledger_is_shown(world: World) -> None:
    world.record(batch("comp_boss", 1, rows_accepted=42))
    away = storage.Client(
        PROJECT,
        AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": "http://127.0.0.1:9"},
    )
    world.open(storage_client=away)
    html = world.client().get("/").text
    assert "Cloud Storage did not answer" in read(html).one("div", class_="note").text
    assert figures(html)["Rows accepted"] == "42"
    assert figures(html)["Files pending now"] == "–"
    card = cards(html)["comp_boss"]
    assert card.one("header").text == "comp_boss unknown"
    assert card.facts()["Pending"] == card.facts()["In work"] == "not known"


def test_portuguese(world: World) -> None:
    world.record(batch("comp_boss", 1, rows_accepted=30_213))
    page = read(world.show("/", "pt-BR,pt;q=0.9,en;q=0.8"))
    assert page.one("html").attributes["lang"] == "pt"
    assert page.one("h1").text == "Onde está meu arquivo?"
    assert page.one("dl", class_="figures").facts()["Linhas aceitas"] == "30.213"
