"""Where is my file: what is found, what is told of it, and what cannot be said."""

import base64
import hashlib
import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from room import pending
from room.files_questions import PAGE_ROWS
from room.search import Sought, read_search
from tests.bigquery.world import NOON
from tests.functions.control_room.hostile import assert_inert, read_html, unspelt
from tests.functions.control_room.world import (
    LANDING,
    World,
    batch,
    batch_id,
    file,
    open_batch,
    steps,
)

URI = f"gs://{LANDING}/price_quote/a.csv"
MD5 = hashlib.md5(b"", usedforsecurity=False)
MD5_BASE64 = base64.b64encode(MD5.digest()).decode()


def _file_links(page: str) -> list[tuple[str, int]]:
    """The files that a page links, in its order, each once."""
    found = [parse_qs(urlsplit(unescape(link)).query) for link in re.findall(r'href="(/file\?[^"]*)"', page)]
    return list(dict.fromkeys((one["uri"][0], int(one["generation"][0])) for one in found))


def _story(uri: str = URI, generation: int = 1) -> str:
    return f"/file?{urlencode({'uri': uri, 'generation': generation})}"


def _states(page: str) -> list[tuple[str, str]]:
    """The steps of the way, each with its state."""
    return re.findall(r'<li class="(\w+)">\s*<div class="way-step"><strong>([^<]*)', page)


@pytest.mark.parametrize(
    ("typed", "sought"),
    [
        ("  ", None),
        ("Quotes.CSV", Sought("quotes.csv")),
        ("price_quote/2026/a.csv", Sought("price_quote/2026/a.csv")),
        ("~/exports/A.csv", Sought("a.csv")),
        ("C:\\Users\\me\\a.csv", Sought("a.csv")),
        ("gs://b/d/a.csv", Sought("d/a.csv", "gs://b/d/a.csv")),
        ("gs://b/d/a#1.csv", Sought("d/a#1.csv", "gs://b/d/a#1.csv")),
        ("gs://b/d/a.csv#17", Sought("d/a.csv", "gs://b/d/a.csv", 17)),
        ("17", Sought("17", generation=17)),
        ("9" * 19, Sought("9" * 19)),
        ("AAAAAA==", Sought("aaaaaa==", checksum="AAAAAA==")),
        (MD5.hexdigest(), Sought(MD5.hexdigest(), checksum=MD5_BASE64, batch_id=MD5.hexdigest())),
        (MD5_BASE64, Sought(MD5_BASE64.lower(), checksum=MD5_BASE64)),
    ],
)
def test_a_search_is_read_in_every_way_that_it_can_be(typed: str, sought: Sought | None) -> None:
    assert read_search(typed) == sought


@pytest.fixture
def some_files(world: World) -> World:
    """Four files of three batches; two of them have one name, two one content."""
    other = {"md5": "other", "crc32c": "other=="}
    world.record(batch("price_quote", 1), batch("price_quote", 2), batch("comp_boss", 3, state="rejected"))
    world.record_files(
        file("price_quote", 1, "a.csv", minutes_ago=30, **other),
        file("price_quote", 2, "a.csv", minutes_ago=20),
        file("price_quote", 2, "Sub/B#7.csv", minutes_ago=20, source_generation=5),
        file("comp_boss", 3, "c.csv", state="rejected", reason="header_mismatch", **other, size=1),
    )
    return world


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", [3, 5, 2, 1]),
        ("a.csv", [2, 1]),
        (URI, [2, 1]),
        ("b#7", [5]),
        ("CSV", [3, 5, 2, 1]),
        (batch_id(2), [5, 2]),
        (MD5_BASE64, [5, 2]),
        (MD5.hexdigest(), [5, 2]),
        ("room-landing", []),
        ("%", []),
        ("_", [3, 5, 2, 1]),
        ("' OR TRUE --", []),
    ],
)
def test_a_search_finds_files(some_files: World, typed: str, found: list[int]) -> None:
    links = _file_links(some_files.show(f"/files?{urlencode({'q': typed})}"))
    assert [generation for _, generation in links] == found


@pytest.mark.parametrize(
    ("typed", "generation"),
    [
        (f"{URI}#1", 1),
        ("5", 5),
        ("c.csv", 3),
        ("Comp_Boss/C.csv", 3),
        (f"gs://{LANDING}/price_quote/Sub/B#7.csv", 5),
        ("/tmp/B#7.csv", 5),  # noqa: S108 what somebody types
    ],
)
def test_a_search_that_means_one_file_goes_to_it(some_files: World, typed: str, generation: int) -> None:
    answer = some_files.client().get(f"/files?{urlencode({'q': typed})}")
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query)["generation"] == [str(generation)]


@pytest.mark.parametrize(
    ("query", "found"),
    [("dataset=comp_boss", [3]), ("state=rejected", [3]), ("q=a&state=loaded&dataset=price_quote", [2, 1])],
)
def test_filters_leave_out_the_rest(some_files: World, query: str, found: list[int]) -> None:
    assert [one for _, one in _file_links(some_files.show(f"/files?{query}"))] == found


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("dataset=nothing", 404),
        ("state=lost", 404),
        ("page=0", 400),
        ("page=10001", 400),
        ("page=x", 400),
        ("page=%C2%B2", 400),
        (f"q={'x' * 2049}", 400),
    ],
)
def test_what_is_not_expected_is_refused(world: World, query: str, status: int) -> None:
    world.show(f"/files?{query}", status=status)


def test_pages_have_every_file_once(world: World) -> None:
    number = 2 * PAGE_ROWS + 3
    world.record_files(*(file("price_quote", one, f"{one}.csv", minutes_ago=one) for one in range(1, number)))
    pages = [_file_links(world.show(f"/files?page={page}")) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 2, 0]
    assert [generation for page in pages for _, generation in page] == list(range(1, number))
    assert 'rel="next"' not in world.show("/files?page=3")


def test_an_old_file_is_found_by_a_search_alone(world: World) -> None:
    world.record_files(file("price_quote", 1, "old.csv", minutes_ago=100 * 24 * 60))
    assert _file_links(world.show("/files")) == []
    assert len(_file_links(world.show("/files?q=ol"))) == 1


def test_a_file_that_was_read_twice_is_listed_once_as_it_is_now(world: World) -> None:
    world.record_files(
        file("price_quote", 1, minutes_ago=30, state="rejected"),
        file("price_quote", 2, minutes_ago=10, source_generation=1),
    )
    page = world.show("/files?q=csv")
    assert len(_file_links(page)) == 1
    assert batch_id(2) in page
    assert batch_id(1) not in page
    assert _file_links(world.show("/files?state=rejected")) == []


def test_what_is_not_in_the_ledger_yet_is_found_too(world: World) -> None:
    pending = world.land("price_quote/new.csv")
    ignored = world.land("elsewhere/new.txt")
    world.open_journal(
        "price_quote", open_batch("price_quote", 7), open_batch("price_quote", 8, retry_at=NOON)
    )
    for state, generations in {
        "": {pending, ignored, 7, 8},
        "pending": {pending},
        "ignored": {ignored},
        "running": {7},
        "waiting": {8},
        "loaded": set(),
    }.items():
        found = {one for _, one in _file_links(world.show(f"/files?state={state}"))}
        assert found == generations, state
    answer = world.client().get("/files?q=new.csv")
    assert answer.status_code == 303
    assert f"generation={pending}" in answer.location


def test_nothing_found_says_what_to_try(world: World) -> None:
    page = world.show("/files?q=nowhere.csv")
    assert "No file matches" in page
    assert "state=ignored" in page
    assert "Nenhum arquivo encontrado" in world.show("/files?q=nowhere.csv", "pt")
    assert "No file has landed yet" in world.show("/files")


_WHOLE = ["Landed", "Claimed by a batch", "Cluster made", "Read and judged by Spark"]
_LOADED = [*_WHOLE, "Loaded into raw", "Merged into trusted", "Recorded in the ledger"]


@pytest.mark.parametrize(
    ("fields", "way", "stopped", "said"),
    [
        ({}, _LOADED, None, "Rows read: 100 · accepted: 100 · rejected: 0"),
        ({"rows_accepted": 98, "rows_rejected": 2}, _LOADED, None, "Loaded, but for some rows"),
        ({"rows_accepted": 0, "rows_rejected": 9}, _LOADED, None, "Every row was rejected: none was loaded"),
        ({"reason": "no_rows", "rows_read": 0}, _LOADED, None, "Loaded: a header and no rows"),
        (
            {"state": "rejected", "reason": "header_mismatch", "detail": "expected a, found <b>"},
            [*_WHOLE, "Recorded in the ledger"],
            "Read and judged by Spark",
            "expected a, found &lt;b&gt;",
        ),
        (
            {"state": "rejected", "reason": "too_many_rejected_rows"},
            [*_WHOLE, "Recorded in the ledger"],
            "Read and judged by Spark",
            "drop the whole file again",
        ),
        (
            {"state": "superseded"},
            ["Landed", "Claimed by a batch"],
            "Claimed by a batch",
            "a newer generation of the same name",
        ),
        (
            {"state": "rejected", "reason": "a_reason_of_tomorrow"},
            _LOADED,
            "Merged into trusted",
            "Rejected: <bdi>a_reason_of_tomorrow</bdi>",
        ),
    ],
)
def test_a_story_tells_each_step_and_where_it_stopped(
    world: World, fields: dict[str, Any], way: list[str], stopped: str | None, said: str
) -> None:
    world.record(batch("price_quote", 1))
    world.record_files(file("price_quote", 1, **fields))
    page = world.show(_story())
    assert [name for _, name in _states(page)] == way
    assert [name for state, name in _states(page) if state != "done"] == ([stopped] if stopped else [])
    assert said in page


def test_a_story_stops_at_the_step_that_failed(world: World) -> None:
    ran = steps(NOON, ("claim_batch", "create_cluster")) + steps(NOON, ("csv_to_parquet",), state="failed")
    world.record(batch("price_quote", 1, steps=ran))
    world.record_files(file("price_quote", 1, state="rejected", reason="failed_repeatedly"))
    states = {name: state for state, name in _states(world.show(_story()))}
    assert states["Read and judged by Spark"] == "stopped"
    assert "Merged into trusted" not in states


def test_a_file_that_was_given_up_stopped_at_no_step_that_is_known(world: World) -> None:
    world.record(batch("price_quote", 1, state="rejected", steps=[]))
    world.record_files(file("price_quote", 1, state="rejected", reason="failed_repeatedly"))
    assert _states(world.show(_story())) == [
        ("done", "Landed"),
        ("done", "Claimed by a batch"),
        ("done", "Recorded in the ledger"),
    ]


def test_a_story_has_times_links_and_what_the_file_is(world: World) -> None:
    claimed = NOON - timedelta(minutes=10)
    ran = steps(claimed, ("create_cluster",))
    ran += steps(claimed + timedelta(seconds=5), ("csv_to_parquet",), resource="lf-job-1")
    ran += steps(claimed + timedelta(seconds=9), ("load_raw",), resource="load 1")
    ran += steps(claimed + timedelta(seconds=13), ("call_trusted",))
    world.record(batch("price_quote", 1, steps=ran))
    columns = {"missing_columns": ["cost"], "unknown_columns": ["<b>"]}
    world.record_files(file("price_quote", 1, rejected_uri="gs://room-rejected/x y.csv", **columns))
    page = world.show(_story())
    for text in (
        "Nov 21, 2026, 11:49:00",  # landed
        "after waiting 1\N{NO-BREAK SPACE}min",  # claimed a minute later
        "took 3.0\N{NO-BREAK SPACE}s",
        "1\N{NO-BREAK SPACE}min 20\N{NO-BREAK SPACE}s from the first to the last step",
        "https://dataproc.example/jobs/lf-job-1",
        "https://bigquery.example/jobs/load%201",
        "https://airflow.example/dags/ingest_price_quote/runs/price_quote__2026-11-21T11%3A50%3A00Z",
        "https://bigquery.example/tables/trusted/price_quote",
        "https://storage.example/room-archive/",
        "https://storage.example/room-rejected/x%20y.csv",
        "2.0\N{NO-BREAK SPACE}KB",
        "AAAAAA==",
        '<code class="tag"><bdi>cost</bdi></code>',
        '<code class="tag"><bdi>&lt;b&gt;</bdi></code>',
    ):
        assert text in page, text
    assert "1\N{NO-BREAK SPACE}min 20\N{NO-BREAK SPACE}s do primeiro ao último passo" in world.show(
        _story(), "pt"
    )


def test_a_story_leads_to_the_rejected_rows_of_this_reading(world: World) -> None:
    world.record_files(file("price_quote", 1, rows_rejected=2))
    link = re.search(r'href="(/rejected\?[^"]*)"', world.show(_story()))
    assert link
    assert parse_qs(urlsplit(unescape(link[1])).query) == {
        "dataset": ["price_quote"],
        "batch": [batch_id(1)],
        "file": [URI],
        "generation": ["1"],
    }


def test_a_replayed_file_shows_its_newest_reading_and_all_of_them(world: World) -> None:
    world.record(
        batch("price_quote", 1, minutes_ago=60), batch("price_quote", 2, minutes_ago=5, replay=f"{URI}#1")
    )
    world.record_files(
        file("price_quote", 1, minutes_ago=60, state="rejected", reason="header_mismatch"),
        file("price_quote", 2, minutes_ago=5, source_generation=1),
    )
    page = world.show(_story())
    assert "Every batch that read it" in page
    assert next(name for _, name in _states(page)) == "Claimed by a batch"
    assert page.index(batch_id(2)) < page.index(batch_id(1))
    assert "Rejected: its header" not in page


def test_the_same_content_and_the_same_name_are_told_apart(world: World) -> None:
    world.record_files(
        file("price_quote", 1, "a.csv"),
        file("price_quote", 2, "a.csv", md5="b", crc32c="b"),
        file("price_quote", 3, "copy.csv"),
        file("price_quote", 9, "copy.csv", minutes_ago=5, source_generation=3),
        file("price_quote", 4, "composed.csv", md5=None),
        file("price_quote", 5, "collision.csv", md5="c"),
        file("price_quote", 6, "longer.csv", size=9),
    )
    page = world.show(_story())
    same_content, same_name = page.split("<h2>The same content")[1].split("<h2>Other files of this name")
    assert {one for _, one in _file_links(same_content)} == {3, 4}
    assert {one for _, one in _file_links(same_name)} == {2}


def test_a_file_that_is_not_in_the_ledger_says_what_it_waits_for(world: World) -> None:
    pending = world.land("price_quote/new.csv")
    ignored = world.land("elsewhere/new.txt")
    world.open_journal(
        "price_quote",
        open_batch("price_quote", 7),
        open_batch("price_quote", 8, retry_at=NOON + timedelta(minutes=2), failures=2),
    )
    opened = f"gs://{LANDING}/price_quote/open.csv"
    for uri, generation, said, state in (
        (f"gs://{LANDING}/price_quote/new.csv", pending, "Waits in landing", "Claimed by a batch"),
        (opened, 7, "In work now", "Claimed by a batch"),
        (opened, 8, "It failed 2 times and is tried again at Nov 21, 2026, 12:02:00", None),
        (f"gs://{LANDING}/elsewhere/new.txt", ignored, "no batch will ever look for it", None),
    ):
        page = world.show(_story(uri, generation))
        assert said in unescape(page).replace("\N{NARROW NO-BREAK SPACE}", " ")
        assert [name for one, name in _states(page) if one == "busy"] == ([state] if state else [])


def test_a_file_that_ended_since_the_ledger_was_asked_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_SECONDS", 0.0)
    uri, client = f"gs://{LANDING}/price_quote/open.csv", world.client()
    world.open_journal("price_quote", open_batch("price_quote", 1))
    assert "In work now" in client.get(_story(uri)).text
    world.record(batch("price_quote", 1))
    world.record_files(file("price_quote", 1, "open.csv"))
    world.open_journal("price_quote")
    assert "Recorded in the ledger" in client.get(_story(uri)).text


def test_a_file_whose_batch_failed_says_until_when_it_rests(world: World) -> None:
    entry = open_batch("price_quote", 1, failed_run="price_quote__2026-11-21T11:59:00Z")
    world.open_journal("price_quote", entry, not_before=NOON + timedelta(minutes=2))
    uri = f"gs://{LANDING}/price_quote/open.csv"
    page = unescape(world.show(_story(uri))).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "A run of its batch failed" in page
    assert "no run goes on with it before Nov 21, 2026, 12:02:00" in page
    assert _file_links(world.show("/files?state=failed")) == [(uri, 1)]
    assert _file_links(world.show("/files?state=running")) == []


@pytest.mark.parametrize(("open_number", "is_read_again"), [(2, False), (3, True)])
def test_a_batch_that_has_read_the_file_does_not_read_it_again(
    world: World, open_number: int, is_read_again: bool
) -> None:
    """The journal names a batch for a moment after the ledger has its end."""
    source = open_batch("price_quote", 1)["files"]
    world.open_journal("price_quote", open_batch("price_quote", open_number, replay=f"{URI}#1", files=source))
    world.record(batch("price_quote", 1, minutes_ago=60), batch("price_quote", 2))
    world.record_files(
        file("price_quote", 1, "open.csv", minutes_ago=60),
        file("price_quote", 2, "open.csv", source_generation=1),
    )
    story = world.show(_story(f"gs://{LANDING}/price_quote/open.csv"))
    assert ("It is being read again just now" in story) == is_read_again
    assert ("On the way" in world.show("/files?dataset=price_quote")) == is_read_again


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (_story("gs://nowhere/x.csv"), 404),
        (_story("https://example.com/"), 400),
        (_story("javascript:alert(1)"), 400),
        (f"/file?uri={URI}", 400),
        (f"/file?uri={URI}&generation=x", 400),
        (f"/file?uri={URI}&generation={2**63}", 400),
        (f"/file?uri={URI}&generation=1%0a", 404),
    ],
)
def test_a_file_that_is_not_there_is_told_so(world: World, address: str, status: int) -> None:
    world.show(address, status=status)


HOSTILE = (
    "<script>alert(1)</script>.csv",
    '" onmouseover="alert(1)".csv',
    "javascript:alert(1).csv",
    "{{7*7}}.csv",
    "a#1.csv",
    "a?b=c&d.csv",
    "100%.csv",
    "a b\u00a0c.csv",
    "ção-\U0001f600.csv",
    "line\nbreak.csv",
    "\u202egnp.csv",
    "=HYPERLINK(1).csv",
    "a'b\"c.csv",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_found_shown_and_inert(world: World, name: str) -> None:
    world.record(batch("price_quote", 1))
    world.record_files(file("price_quote", 1, name), file("price_quote", 2, f"other {name}"))
    uri = f"gs://{LANDING}/price_quote/{name}"
    found = world.client().get(f"/files?{urlencode({'q': f'{uri}#1'})}")
    assert found.status_code == 303
    for address in (found.location, f"/files?{urlencode({'q': name[:-4]})}"):
        seen = read_html(world.show(address))
        assert name in unspelt(seen.text)
        assert_inert(seen)
