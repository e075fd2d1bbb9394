"""The list of batches, and what the page of one tells of it."""

from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from room import pending
from tests.bigquery.world import NOON
from tests.functions.control_room.reading import Element, read
from tests.functions.control_room.world import (
    LAKE,
    World,
    batch,
    batch_id,
    file,
    open_batch,
    steps,
)

ONE = f"/batches/price_quote/{batch_id(1)}"


def many(number: int) -> str:
    """An id whose first digits tell it apart."""
    return f"{number:012x}" + "0" * 20


def recorded(dataset: str, number: int, minutes_ago: float, **fields: Any) -> dict[str, Any]:
    return batch(dataset, number, minutes_ago, batch_id=many(number), **fields)


def opened(dataset: str, number: int, minutes_ago: float = 1, **fields: Any) -> dict[str, Any]:
    return open_batch(dataset, number, minutes_ago, batch_id=many(number), **fields)


def ids(page: Element) -> list[int]:
    return [int(row[2].split()[0], 16) for row in page.one("table").rows()]


def test_a_row_says_what_became_of_a_batch(world: World) -> None:
    fields = {"files": 3, "rows_read": 1_100, "rows_accepted": 1_000, "rows_rejected": 100}
    world.record(recorded("price_quote", 1, 10, **fields))
    page = read(world.show("/batches"))
    assert page.one("table").rows() == [
        [
            "Nov 21, 2026, 11:50:00",
            "succeeded",
            many(1)[:12],
            "price_quote",
            "3",
            "1,100",
            "1,000",
            "100",
            "20.0 s",
            "$0.0029",
        ]
    ]
    assert page.links()[many(1)[:12]] == f"/batches/price_quote/{many(1)}"
    assert page.links()["100"] == f"/rejected?dataset=price_quote&batch={many(1)}"


BATCHES = [
    recorded("price_quote", 1, 50),
    recorded("comp_boss", 2, 40, state="rejected"),
    recorded("price_quote", 3, 30, state="failed"),
    recorded("price_quote", 4, 20, state="divided"),
    recorded("comp_boss", 5, 10, replay=many(2)),
]
OPEN = [
    opened("price_quote", 3, 30, failures=1, retry_at=NOON + timedelta(minutes=2)),
    opened("price_quote", 6, 1),
]


@pytest.mark.parametrize(
    "query, expected",
    [
        # The one that failed is open: shown once, as what it is now.
        ("", [6, 3, 5, 4, 2, 1]),
        ("?dataset=comp_boss", [5, 2]),
        ("?state=rejected", [2]),
        ("?dataset=price_quote&state=succeeded", [1]),
        ("?state=running", [6]),
        ("?state=waiting", [3]),
        ("?dataset=comp_boss&state=", [5, 2]),
    ],
)
def test_filters(world: World, query: str, expected: list[int]) -> None:
    world.record(*BATCHES)
    world.open_journal("price_quote", *OPEN)
    page = read(world.show(f"/batches{query}"))
    assert ids(page) == expected
    states = dict(zip(ids(page), (row[1] for row in page.one("table").rows()), strict=True))
    known = {1: "succeeded", 2: "rejected", 3: "waiting", 4: "divided", 5: "succeeded", 6: "running"}
    assert {number: state.split()[0] for number, state in states.items()} == {n: known[n] for n in expected}


# An open batch stands on the first page alone.
@pytest.mark.parametrize(
    "query", ["?state=divided&dataset=comp_boss", "?state=waiting&dataset=comp_boss", "?page=9"]
)
def test_nothing_that_is_like_this(world: World, query: str) -> None:
    world.record(*BATCHES)
    world.open_journal("price_quote", *OPEN)
    page = read(world.show(f"/batches{query}"))
    assert page.all("table") == []
    assert page.one("div", class_="empty").text.startswith("No batch matches")


def test_no_batch_at_all(world: World) -> None:
    assert read(world.show("/batches")).one("div", class_="empty").text.startswith("There is no batch yet")


def test_pages_of_fifty(world: World) -> None:
    world.record(*(recorded("price_quote", number, number) for number in range(1, 121)))
    found = []
    address: str | None = "/batches?dataset=price_quote"
    while address:
        page = read(world.show(address))
        found.append(ids(page))
        address = next((a.attributes["href"] for a in page.all("a", rel="next")), None)
    assert [len(one) for one in found] == [50, 50, 20]
    assert list(chain(*found)) == list(range(1, 121))


@pytest.mark.parametrize(
    "address, status",
    [
        ("/batches?page=0", 400),
        ("/batches?page=-1", 400),
        ("/batches?page=x", 400),
        ("/batches?page=99999999999999999999", 400),
        ("/batches?page=1%20OR%201=1", 400),
        ("/batches?dataset=nope", 404),
        ("/batches?dataset=price_quote'%20OR%20'1'='1", 404),
        ("/batches?state=<script>", 404),
        (f"{ONE}", 404),
        (f"{ONE}?page=0", 400),
        (f"/batches/nope/{batch_id(1)}", 404),
        ("/batches/price_quote/xyz", 404),
        (f"/batches/price_quote/{batch_id(1).upper()}x", 404),
        ("/batches/price_quote/%3Cscript%3Ealert(1)%3Cscript%3E", 404),
    ],
)
def test_what_is_no_address_is_refused_in_words(world: World, address: str, status: int) -> None:
    html = world.show(address, status=status)
    page = read(html)
    assert "<script" not in html
    fault = page.one("section", class_="fault")
    assert page.one("h1").text and "Something in the address" not in fault.text


def test_a_batch_that_succeeded(world: World) -> None:
    resources = {"csv_to_parquet": "lf-1 job", "load_raw": "load_1", "create_cluster": "lf-cluster"}
    took = [step | {"resource": resources.get(step["task"])} for step in steps(NOON - timedelta(minutes=10))]
    world.record(batch("price_quote", 1, rows_read=120, rows_rejected=20, steps=took))
    world.record_files(file("price_quote", 1, "a.csv"), file("price_quote", 1, "b #1.csv", rows_rejected=20))
    page = read(world.show(ONE))
    assert page.one("h1").text == f"Batch {batch_id(1)[:12]} succeeded"
    assert page.all("div", class_="note") == []
    facts = page.one("dl", class_="figures").facts()
    assert facts == {
        "Files": "1 2.0 KB",
        "Rows read": "120",
        "Rows accepted": "100 100 current in trusted",
        "Rows rejected": "20 16.7%",
        "Took": "20.0 s after 1 min in landing",
        "Cost": "$0.0029 estimated, of the cluster",
    }
    links = page.links()
    assert (
        page.one("dl", class_="figures").links()["20"] == f"/rejected?dataset=price_quote&batch={batch_id(1)}"
    )
    new = "(opens in a new tab)"
    assert links[f"Driver's log {new}"] == "https://dataproc.example/jobs/lf-1%20job"
    assert links[f"BigQuery job {new}"] == "https://bigquery.example/jobs/load_1"
    run = "price_quote__2026-11-21T11:50:00Z"
    assert links[f"{run} {new}"] == (
        "https://airflow.example/dags/ingest_price_quote/runs/price_quote__2026-11-21T11%3A50%3A00Z"
    )
    # What has something to tell stands first.
    files = page.one("div", aria_labelledby="files").one("table").rows()
    assert files == [
        ["price_quote/b #1.csv", "loaded", "2.0 KB", "100", "100", "20"],
        ["price_quote/a.csv", "loaded", "2.0 KB", "100", "100", "0"],
    ]
    assert (
        links["price_quote/b #1.csv"].endswith("b+%231.csv&generation=1")
        or "b%20%231.csv" in (links["price_quote/b #1.csv"])
    )


def test_the_table_of_steps_says_what_the_picture_shows(world: World) -> None:
    start = NOON - timedelta(minutes=10)
    took = steps(start, ("claim_batch", "csv_to_parquet", "something_new"))
    took[1]["state"] = "failed"
    world.record(batch("price_quote", 1, steps=took, recorded_at=start + timedelta(seconds=20)))
    table = read(world.show(ONE)).one("table", class_="timeline")
    assert table.rows() == [
        ["Claim files", "3.0 s", "11:50:00", "done", ""],
        ["Spark: CSV to Parquet", "3.0 s, after 1.0 s in which nothing ran", "11:50:04", "failed", ""],
        ["something_new", "3.0 s, after 1.0 s in which nothing ran", "11:50:08", "done", ""],
        ["Recorded in the ledger", "–, after 9.0 s in which nothing ran", "11:50:20", "", ""],
    ]
    bars = [one.attributes for one in table.all("rect")]
    # 20 seconds take 78 % of the width.
    assert [(one["x"], one["width"]) for one in bars] == [
        ("0.0%", "11.7%"),
        ("15.6%", "11.7%"),
        ("31.2%", "11.7%"),
        ("78.0%", "0.4%"),
    ]
    assert [one["class"] for one in bars] == ["step good", "step bad", "step good", "step moment"]
    gaps = [(one.attributes["x1"], one.attributes["x2"]) for one in table.all("line", class_="gap")]
    assert gaps == [("11.7%", "15.6%"), ("27.3%", "31.2%"), ("42.9%", "78.0%")]


@pytest.mark.parametrize(
    "fields, kind, said",
    [
        ({"state": "rejected", "detail": "too many <b>"}, "bad", "too many <b> What to do: None of its rows"),
        ({"state": "failed", "detail": "load_raw: no"}, "bad", "load_raw: no What to do: Look into the run"),
        ({"state": "failed", "replay": "gs://l/a.csv#5"}, "bad", "What to do: Trusted stays as it was."),
        ({"state": "divided", "detail": "in two"}, "warn", "in two What to do: Nothing: its files go on"),
        ({"detail": "Every file was overwritten."}, "calm", "Every file was overwritten."),
    ],
)
def test_why_it_ended_so_and_what_to_do(world: World, fields: dict[str, Any], kind: str, said: str) -> None:
    world.record(batch("price_quote", 1, **fields))
    html = world.show(ONE)
    note = read(html).one("div", class_="note")
    assert kind in note.attributes["class"].split()
    assert note.text.startswith(said)
    assert "too many <b>" not in html


def test_a_divided_batch_names_its_parts_and_they_name_it(world: World) -> None:
    parts = f"divided into {batch_id(2)} (1 files) and {batch_id(3)} (1 files) after 3 failed runs"
    other = batch("price_quote", 9, 60, state="divided", detail=f"divided into {batch_id(8)} (1 files)")
    world.record(batch("price_quote", 1, 30, state="divided", detail=parts), batch("price_quote", 2), other)
    note = read(world.show(ONE)).one("div", class_="note")
    assert [a.attributes["href"] for a in note.all("a")] == [
        f"/batches/price_quote/{batch_id(2)}",
        f"/batches/price_quote/{batch_id(3)}",
    ]
    facts = read(world.show(f"/batches/price_quote/{batch_id(2)}")).one("dl", class_="facts").facts()
    assert facts["Part of"] == f"{batch_id(1)[:12]} divided 30 minutes ago"


@pytest.mark.parametrize(
    "asked, text, address",
    [
        (batch_id(1), batch_id(1)[:12], ONE),
        (
            "gs://room-landing/price_quote/a b#1.csv#77",
            "price_quote/a b#1.csv",
            "/file?uri=gs://room-landing/",
        ),
    ],
)
def test_a_replay_says_what_it_read_again(world: World, asked: str, text: str, address: str) -> None:
    world.record(batch("price_quote", 1, 30), batch("price_quote", 2, replay=asked))
    page = read(world.show(f"/batches/price_quote/{batch_id(2)}"))
    assert page.one("dl", class_="facts").facts()["Reads again"] == text
    assert page.links()[text].startswith(address)
    again = read(world.show(ONE)).one("dl", class_="facts").facts().get("Read again by")
    assert (again is not None) == (asked == batch_id(1))


def test_a_batch_in_work_is_shown_before_the_ledger_knows_it(world: World) -> None:
    world.open_journal("price_quote", open_batch("price_quote", 1))
    world.storage.bucket(LAKE).blob(f"price_quote/{batch_id(1)}/manifest.json").upload_from_string("{}")
    page = read(world.show(ONE))
    assert page.one("h1").text.endswith("running")
    assert "Now the cluster starts and Spark reads, since " in page.one("div", class_="note").text
    assert page.one("dl", class_="figures").facts()["Files"] == "1 2.0 KB"
    assert page.one("div", aria_labelledby="files").one("table").rows() == [
        ["price_quote/open.csv", "running", "2.0 KB", "–", "–", "–"]
    ]
    assert "The steps are recorded when a run of the batch ends." in page.one("main").text


def test_a_batch_that_waits_says_when_and_why(world: World) -> None:
    retry = {"failures": 2, "retry_at": NOON + timedelta(minutes=4)}
    world.open_journal("price_quote", open_batch("price_quote", 1, 30, **retry))
    world.record(batch("price_quote", 1, 30, state="failed", detail="csv_to_parquet: lost its cluster"))
    page = read(world.show(ONE))
    assert page.one("h1").text.endswith("waiting")
    note = page.one("div", class_="note").text
    assert note.startswith("2 runs failed with this batch. It is tried again at Nov 21, 2026, 12:04:00 UTC")
    assert note.endswith("The last failure: csv_to_parquet: lost its cluster")


_FAILED = "csv_to_parquet: no machine left"


@pytest.mark.parametrize(
    "fields, rests, state, said",
    [
        ({}, 4, "failed", f"{_FAILED} What to do: Look into the run"),
        ({"replay": batch_id(9)}, 4, "failed", f"{_FAILED} What to do: Look into the run"),
        ({}, -1, "running", "This batch is in work."),
        ({"failed_run": None}, 4, "running", "This batch is in work."),
    ],
)
def test_a_batch_whose_run_failed_is_failed_until_a_run_goes_on_with_it(
    world: World, fields: dict[str, Any], rests: int, state: str, said: str
) -> None:
    entry = open_batch("price_quote", 1, failed_run="price_quote__2026-11-21T11:59:00Z") | fields
    world.open_journal("price_quote", entry, not_before=NOON + timedelta(minutes=rests))
    replay = {"replay": entry["replay"]}
    world.record(batch("price_quote", 1, state="failed", detail=_FAILED, **replay))
    page = read(world.show(ONE))
    assert page.one("h1").text.endswith(state)
    assert page.one("div", class_="note").text.startswith(said)
    (row,) = page.one("div", aria_labelledby="files").one("table").rows()
    assert row[1] == state
    for query, states in {"": [state], "?state=failed": ["failed"], "?state=running": ["running"]}.items():
        tables = read(world.show(f"/batches{query}")).all("table")
        assert [row[1].split()[0] for table in tables for row in table.rows()] == [
            one for one in states if one == state
        ]
    in_work = read(world.show("/")).one("article", aria_labelledby="dataset-price_quote").facts()["In work"]
    assert in_work.startswith(batch_id(1)[:12] if state == "running" else "nothing")


def test_what_the_ledger_says_has_ended_is_not_open(world: World) -> None:
    world.open_journal("price_quote", open_batch("price_quote", 1))
    world.record(batch("price_quote", 1))
    assert read(world.show(ONE)).one("h1").text.endswith("succeeded")
    assert [row[1] for row in read(world.show("/batches")).one("table").rows()] == ["succeeded"]


def test_a_batch_that_ended_since_the_ledger_was_asked_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_SECONDS", 0.0)
    client = world.client()
    world.open_journal("price_quote", open_batch("price_quote", 1))
    assert read(client.get(ONE).text).one("h1").text.endswith("running")
    world.record(batch("price_quote", 1))
    world.record_files(file("price_quote", 1))
    world.open_journal("price_quote")
    page = read(client.get(ONE).text)
    assert page.one("h1").text.endswith("succeeded")
    assert [row[0] for row in page.one("div", aria_labelledby="files").one("table").rows()] == [
        "price_quote/a.csv"
    ]


def test_the_files_of_a_batch_come_in_pages(world: World) -> None:
    world.record(batch("price_quote", 1, files=60))
    world.record_files(*(file("price_quote", 1, f"{number:02}.csv") for number in range(60)))
    first = read(world.show(ONE))
    (following,) = first.all("a", rel="next")
    second = read(world.show(following.attributes["href"]))
    names = [
        row[0]
        for page in (first, second)
        for row in page.one("div", aria_labelledby="files").one("table").rows()
    ]
    assert names == [f"price_quote/{number:02}.csv" for number in range(60)]


def test_quality_rules_say_what_was_found(world: World) -> None:
    rule = {
        "rule": "few_nulls",
        "metric": "nullValues",
        "columns": ["cost"],
        "severity": "warn",
        "found": 2.5,
        "total": 100,
        "operator": "mustBeLessThan",
        "threshold": [1.0],
        "unit": "percent",
        "passed": False,
    }
    world.record(batch("price_quote", 1, quality=[rule]))
    (row,) = read(world.show(ONE)).one("div", aria_labelledby="quality").one("table").rows()
    assert row == ["few_nulls", "cost", "2.50 percent", "mustBeLessThan 1.0", "failed warns only"]


def test_links_that_an_installation_lacks_are_text(world: World) -> None:
    took = steps(NOON - timedelta(minutes=10), ("csv_to_parquet",), resource="lf-1-job")
    world.record(batch("price_quote", 1, steps=took))
    world.open(links={})
    page = read(world.show(ONE))
    assert not any(address.startswith("http") for address in page.links().values())
    assert page.one("dl", class_="facts").facts()["Airflow run"] == "price_quote__2026-11-21T11:50:00Z"
    assert page.one("table", class_="timeline").rows()[0][-1] == "lf-1-job"


def test_portuguese(world: World) -> None:
    world.record(batch("price_quote", 1, state="rejected", detail="x", estimated_cost_usd=0.5))
    page = read(world.show(ONE, "pt"))
    assert page.one("h1").text == f"Lote {batch_id(1)[:12]} rejeitado"
    assert page.one("dl", class_="figures").facts()["Custo"].startswith("US$ 0,50")
