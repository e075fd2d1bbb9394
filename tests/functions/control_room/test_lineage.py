"""Where rows come from: what is declared as a picture, and over it what the Data Lineage API has seen."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from flask.testing import FlaskClient
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials

from localcloud.lineage.app import build_app
from room import lineage
from room.app import make_app
from room.catalogue import Catalogue
from room.flow import Flow, Place, flow_of_dataset, flow_of_mart
from room.lineage import name_folder, name_table
from room.lineage_picture import Picture, draw
from room.seen import Seen
from tests.bigquery.world import LOCATION, NOON, PROJECT
from tests.functions.control_room.documents import CATALOGUE, DATASETS, MARTS, Documents
from tests.functions.control_room.reading import Element, read
from tests.functions.control_room.world import LANDING, World, batch, batch_id, steps

Pairs = set[tuple[str, str]]


def declared(dataset: str) -> Pairs:
    """What the dataset's page must draw, from the documents alone."""
    own = {(f"{dataset}/", f"raw.{dataset}"), (f"{dataset}/", f"ops.rejected_rows_{dataset}")}
    own.add((f"raw.{dataset}", f"trusted.{dataset}"))
    reached = {name for pair in own for name in pair}
    marts = CATALOGUE.marts.values()
    return own | {(table, mart["table"]) for mart in marts for table in mart["reads"] if table in reached}


def pairs(flow: Flow) -> Pairs:
    return {(step.source.name, step.target.name) for step in flow.steps}


def picture_of(flow: Flow) -> Picture:
    seen = [Seen(step, "unseen") for step in flow.steps]
    return draw(flow, seen, lambda place: (place.kind, ["há 4 minutos", "30.213 linhas movidas"]))


def drawing(page: Element) -> Element:
    return page.one("div", class_="flow").one("svg")


def arrows(page: Element) -> Counter[str]:
    """How many arrows of the picture are in each state."""
    drawn = [one for one in drawing(page).all("path", class_="arrow") if "marker-end" in one.attributes]
    return Counter(one.attributes["class"].partition("is-")[2] for one in drawn)


def steps_shown(page: Element) -> dict[tuple[str, str], list[str]]:
    """By source and target, what the table beside the picture says of each step."""
    return {(source, target): cells for source, target, *cells in page.one("details").rows()}


# What is declared


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_picture_of_a_dataset_has_what_is_declared_and_no_more(dataset: str) -> None:
    assert pairs(flow_of_dataset(CATALOGUE, dataset)) == declared(dataset)
    page = Documents().show(f"/catalogue/{dataset}")
    assert set(steps_shown(page)) == declared(dataset)
    assert arrows(page).total() == len(declared(dataset))
    names = [
        "".join(line.text for line in box.all("text", class_="box-name")) for box in drawing(page).all("g")
    ]
    assert sorted(names) == sorted({name for pair in declared(dataset) for name in pair})


def made_up(reads: dict[str, list[str]]) -> Catalogue:
    """The datasets that there are, and marts that read these tables."""
    marts = {
        name: {"name": name, "table": f"marts.{name}", "reads": tables, "columns": []}
        for name, tables in reads.items()
    }
    return Catalogue(CATALOGUE.datasets, marts)


def test_a_mart_is_followed_through_marts_to_the_files_and_to_what_reads_it() -> None:
    catalogue = made_up(
        {
            "first": ["trusted.price_quote", "ops.batches"],
            "second": ["marts.first", "raw.comp_boss_live"],
            "third": ["marts.second"],
            "other": ["trusted.price_quote"],
            "alone": [],
        }
    )
    assert pairs(flow_of_mart(catalogue, "second")) == {
        ("price_quote/", "raw.price_quote"),
        ("raw.price_quote", "trusted.price_quote"),
        ("trusted.price_quote", "marts.first"),
        ("ops.batches", "marts.first"),
        ("marts.first", "marts.second"),
        ("comp_boss/", "raw.comp_boss"),
        ("raw.comp_boss", "raw.comp_boss_live"),
        ("raw.comp_boss_live", "marts.second"),
        ("marts.second", "marts.third"),
    }
    lefts = {box.place.name: box.x for box in picture_of(flow_of_mart(catalogue, "second")).boxes}
    assert lefts["trusted.price_quote"] < lefts["marts.first"] < lefts["marts.second"] < lefts["marts.third"]
    assert flow_of_mart(catalogue, "alone").places == (Place("marts.alone", "mart", "alone"),)


def test_marts_that_read_each_other_end_the_walk() -> None:
    flow = flow_of_mart(made_up({"one": ["marts.two"], "two": ["marts.one"]}), "one")
    assert pairs(flow) == {("marts.two", "marts.one"), ("marts.one", "marts.two")}
    assert len(picture_of(flow).boxes) == 2


CROWD = made_up(
    {f"m{number}": ["trusted.price_quote"] for number in range(40)} | {"a" * 63: ["trusted.comp_boss"]}
)
FLOWS = {
    **{name: flow_of_dataset(CATALOGUE, name) for name in DATASETS},
    **{name: flow_of_mart(CATALOGUE, name) for name in MARTS},
    "many marts": flow_of_dataset(CROWD, "price_quote"),
    "a long name": flow_of_dataset(CROWD, "comp_boss"),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_boxes_lie_apart_within_the_frame_and_hold_their_text(flow: Flow) -> None:
    picture = picture_of(flow)
    assert len(picture.boxes) == len(flow.places) and len(picture.arrows) == len(flow.steps)
    for one in picture.boxes:
        assert one.width <= 300, "a long name is broken into lines"
        right, bottom = one.x + one.width, one.y + one.height
        assert min(one.x, one.y) >= 0 and right <= picture.width and bottom <= picture.height
        assert "".join(text.text for text in one.texts if text.kind == "name") == one.place.name
        for text in one.texts:
            # A letter of the fixed-width font, at 12.5 pixels, is 7.53 wide.
            width = 7.53 * len(text.text) if text.kind == "name" else 0
            assert one.x < text.x and text.x + width < right
            assert one.y + 10 < text.y < bottom - 5
        for other in picture.boxes:
            aside = right < other.x or other.x + other.width < one.x
            above = bottom < other.y or other.y + other.height < one.y
            assert aside or above or one is other


def test_the_picture_is_named_and_its_boxes_lead_on() -> None:
    svg = drawing(Documents().show("/catalogue/price_quote"))
    assert svg.attributes["role"] == "group"
    named = svg.attributes["aria-labelledby"].split()
    assert [svg.one(tag).attributes["id"] for tag in ("title", "desc")] == named
    assert svg.one("title").text.startswith("Where the rows of price_quote come from")
    assert {link.attributes["href"] for link in svg.all("a")} >= {
        "/files?dataset=price_quote",
        "/rejected?dataset=price_quote",
        "/catalogue/marts/fact_quote",
    }


@pytest.mark.parametrize(
    ("name", "full"),
    [
        (name_table("p", "raw.orders"), "bigquery:p.raw.orders"),
        (name_table("example.com:p", "raw.orders"), "bigquery:`example.com:p`.raw.orders"),
        (name_folder("landing", "orders/"), "gcs:landing.orders"),
        (name_folder("landing.example.com", "orders/"), "gcs:`landing.example.com`.orders"),
        (name_folder("odd`bucket", "or ders"), "gcs:`odd``bucket`.`or ders`"),
    ],
)
def test_fully_qualified_names_are_googles(name: str, full: str) -> None:
    assert name == full


# What was seen


@contextmanager
def lineage_server(events: Path) -> Iterator[str]:
    """The local Data Lineage API over a file of events; its address."""
    config = uvicorn.Config(build_app(PROJECT, LOCATION, events), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the lineage server does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def table(name: str) -> tuple[str, str]:
    return "bigquery", f"{PROJECT}.{name}"


FOLDER = (f"gs://{LANDING}", "price_quote")
RAW, TRUSTED = table("raw.price_quote"), table("trusted.price_quote")
REJECTED = table("ops.rejected_rows_price_quote")


def event(task: str, source: tuple[str, str], target: tuple[str, str], at: datetime) -> dict[str, Any]:
    """An event as the DAG's are."""
    inputs, outputs = ([{"namespace": space, "name": name}] for space, name in (source, target))
    return {
        "eventType": "COMPLETE",
        "eventTime": at.isoformat(),
        "run": {"runId": f"{task}-{at.isoformat()}"},
        "job": {"namespace": "landfall-test", "name": f"ingest_price_quote.{task}"},
        "inputs": inputs,
        "outputs": outputs,
        "producer": "urn:landfall:dags",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def went_through(
    number: int, minutes_ago: float, accepted: int, rejected: int, merged: int
) -> dict[str, Any]:
    """A batch of price_quote with these rows, its steps three seconds each from then on."""
    counts = {"rows_accepted": accepted, "rows_rejected": rejected, "rows_merged": merged}
    done = steps(NOON - timedelta(minutes=minutes_ago), ("load_raw", "load_rejected", "call_trusted"))
    return batch("price_quote", number, minutes_ago, **counts, steps=done)


def told(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    """What the DAG tells lineage of a batch."""
    loaded, refused, merged = (step["finished_at"] for step in recorded["steps"])
    events = [
        event("load_raw", FOLDER, RAW, loaded),
        event("call_trusted", RAW, TRUSTED, merged),
        event("load_rejected", FOLDER, REJECTED, refused),
    ]
    return events if recorded["rows_rejected"] else events[:2]


def ask_lineage(world: World, url: str) -> FlaskClient:
    """A browser at a control room that has a token, and asks that Data Lineage API."""
    world.open(lineage_url=url)
    session = AuthorizedSession(Credentials("token"))  # type: ignore[no-untyped-call]
    world.app = make_app(replace(world.room, session=session))
    return world.client()


def show(client: FlaskClient, address: str) -> Element:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


@pytest.fixture
def seen(world: World, tmp_path: Path) -> Iterator[FlaskClient]:
    """Two batches of price_quote, of which the older alone had rejected rows; and another one's job."""
    old, new = went_through(1, 90, 30, 7, 29), went_through(2, 5, 20, 0, 11)
    world.record(old, new)
    other = event("copy", TRUSTED, table("sandbox.copy"), NOON - timedelta(days=2))
    view = event("view", TRUSTED, table("marts.fact_quote"), NOON)
    file = tmp_path / "events.ndjson"
    file.write_text("".join(f"{json.dumps(one)}\n" for one in [*told(old), *told(new), other, view]))
    with lineage_server(file) as url:
        yield ask_lineage(world, url)


def test_a_step_that_was_seen_tells_when_in_which_batch_and_how_many_rows(seen: FlaskClient) -> None:
    page = show(seen, "/catalogue/price_quote")
    shown = steps_shown(page)
    run = "Airflow run (opens in a new tab)"
    assert shown["price_quote/", "raw.price_quote"][1:] == [
        "5 minutes ago",
        f"{batch_id(2)[:12]} {run}",
        "20",
    ]
    assert shown["raw.price_quote", "trusted.price_quote"][2:] == [f"{batch_id(2)[:12]} {run}", "11"]
    # A batch without rejected rows has nothing to tell of them, so the older one is the last.
    assert shown["price_quote/", "ops.rejected_rows_price_quote"][2:] == [f"{batch_id(1)[:12]} {run}", "7"]
    assert shown["trusted.price_quote", "marts.fact_quote"] == ["View", "always current", "–", "–"]
    assert arrows(page) == {"seen": 3, "view": len(declared("price_quote")) - 3}
    notes = [line.text for line in drawing(page).all("text", class_="box-note")]
    assert {"5 minutes ago", "20 rows moved", "7 rows moved", "11 rows moved"} <= set(notes)
    runs = [address for address in page.links().values() if address.startswith("https://airflow.example")]
    assert runs == [
        "https://airflow.example/dags/ingest_price_quote/runs/price_quote__2026-11-21T11%3A55%3A00Z"
    ]


def test_what_was_not_seen_is_said_to_be_so(seen: FlaskClient) -> None:
    page = show(seen, "/catalogue/comp_boss")
    states = {target: cells[1] for (_, target), cells in steps_shown(page).items()}
    own = ("raw.comp_boss", "ops.rejected_rows_comp_boss", "trusted.comp_boss")
    assert [states[name] for name in own] == ["not seen yet"] * 3
    assert arrows(page) == {"unseen": 3, "view": len(declared("comp_boss")) - 3}


def test_a_mart_shows_what_was_seen_of_each_of_its_sources(seen: FlaskClient) -> None:
    page = show(seen, "/catalogue/marts/dim_tube_assembly")
    assert arrows(page) == {"seen": 2, "unseen": 2, "view": 2}


def test_what_somebody_else_made_of_it_is_listed_beside(seen: FlaskClient) -> None:
    beside = show(seen, "/catalogue/price_quote").one("details").one("ul").text
    source, target = (f"bigquery:{PROJECT}.{name}" for name in ("trusted.price_quote", "sandbox.copy"))
    assert beside == f"{source} → {target}, 2 days ago"
    assert show(seen, "/catalogue/marts/dim_date").one("details").one("ul").text == beside
    assert show(seen, "/catalogue/comp_boss").one("details").all("ul") == []


def test_a_batch_that_lineage_did_not_see_is_not_named(seen: FlaskClient, world: World) -> None:
    world.record(went_through(3, -30, 99, 0, 99))
    shown = steps_shown(show(seen, "/catalogue/price_quote"))
    assert shown["price_quote/", "raw.price_quote"][1:] == ["5 minutes ago", "–", "–"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="it closes"),
        pytest.param(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}", id="it refuses"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", id="it answers something else"),
        pytest.param(None, id="it says nothing"),
    ],
)
def test_without_the_api_the_declared_picture_stands_and_says_so(
    answer: bytes | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "does not answer, so this is what the contracts declare"
    with stubborn_server(answer) as server:
        client = ask_lineage(world, server.url)
        with monkeypatch.context() as impatience:
            impatience.setattr(lineage, "_TIMEOUT", 0.5)
            page = show(client, "/catalogue/price_quote")
        # It says that it closes: a client that finds out later may have sent its next question there.
        server.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        again = show(client, "/catalogue/price_quote")
        assert said not in show(ask_lineage(world, server.url), "/catalogue/price_quote").text
    assert said in page.text
    assert set(steps_shown(page)) == declared("price_quote")
    assert arrows(page) == {"unknown": 3, "view": len(declared("price_quote")) - 3}
    assert again.text == page.text, "the first page waited for the API; the second one must not ask it"


@dataclass
class Stubborn:
    """A server that gives everyone its answer and closes; with None it never says anything."""

    url: str
    answer: bytes | None


@contextmanager
def stubborn_server(answer: bytes | None) -> Iterator[Stubborn]:
    held = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            if server.answer is not None:
                request = b""
                # To its end, the brace of its document: a client that still writes misses the answer.
                while not request.endswith(b"}") and (part := connection.recv(65536)):
                    request += part
                connection.sendall(server.answer)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Stubborn(f"http://127.0.0.1:{listener.getsockname()[1]}", answer)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()
