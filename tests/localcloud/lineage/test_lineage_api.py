"""The local Data Lineage API: what a client is told of the events in a file that grows."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from localcloud.lineage.app import build_app
from localcloud.lineage.event_file import trim
from localcloud.lineage.names import qualified

ROOT = Path(__file__).resolve().parents[3]
PARENT = "/v1/projects/p/locations/us-central1"
FOLDER, RAW, TRUSTED = "gcs:p-landing.quote", "bigquery:p.raw.quote", "bigquery:p.trusted.quote"
NAMES = {
    FOLDER: {"namespace": "gs://p-landing", "name": "quote"},
    RAW: {"namespace": "bigquery", "name": "p.raw.quote"},
    TRUSTED: {"namespace": "bigquery", "name": "p.trusted.quote"},
}
TOKEN = {"Authorization": "Bearer a-token"}


def event(
    job: str,
    run: str,
    minute: int,
    state: str,
    inputs: list[str] | None = None,
    outputs: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "eventType": state,
        "eventTime": f"2025-11-21T01:{minute:02}:00.500000+00:00",
        "job": {"namespace": "local", "name": f"ingest_quote.{job}"},
        "run": {"runId": run},
        "inputs": [NAMES[name] for name in inputs or []],
        "outputs": [NAMES[name] for name in outputs or []],
    }


def load(run: str, minute: int) -> list[dict[str, Any]]:
    return [
        event("load_raw", run, minute, "START", [FOLDER], [RAW]),
        event("load_raw", run, minute + 1, "COMPLETE", [FOLDER], [RAW]),
    ]


def call(run: str, minute: int) -> list[dict[str, Any]]:
    return [event("call_trusted", run, minute, "COMPLETE", [RAW], [TRUSTED])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


@pytest.fixture
def write(path: Path) -> Callable[..., None]:
    def append(*events: dict[str, Any], end: str = "\n") -> None:
        with path.open("a") as file:
            file.write("\n".join(map(json.dumps, events)) + end)

    return append


@pytest.fixture
def client(path: Path) -> TestClient:
    return TestClient(build_app("p", "us-central1", path), headers=TOKEN)


def search(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{PARENT}:searchLinks", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def links(client: TestClient, side: str, name: str) -> set[tuple[str, str]]:
    found = search(client, **{side: {"fullyQualifiedName": name}})
    return {
        (link["source"]["fullyQualifiedName"], link["target"]["fullyQualifiedName"])
        for link in found.get("links", [])
    }


def get(client: TestClient, name: str) -> dict[str, Any]:
    answer = client.get(f"/v1/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("gs://landing", "price_quote", "gcs:landing.price_quote"),
        ("gs://landing", "price_quote/2025", "gcs:landing.price_quote/2025"),
        ("gs://example.com", "a b.csv", "gcs:`example.com`.`a b.csv`"),
        ("gs://landing", "tick`.csv", "gcs:landing.`tick``.csv`"),
        ("bigquery", "p.raw.price_quote", "bigquery:p.raw.price_quote"),
        ("elsewhere", "x", "elsewhere:x"),
    ],
)
def test_names_are_those_of_dataplex(namespace: str, name: str, expected: str) -> None:
    assert qualified(namespace, name) == expected


def test_links_are_found_by_either_end_and_span_all_their_runs(
    client: TestClient, write: Callable[..., None]
) -> None:
    write(*load("r-1", 10), *call("r-2", 12), *load("r-3", 40))
    assert links(client, "source", FOLDER) == {(FOLDER, RAW)}
    assert links(client, "target", TRUSTED) == {(RAW, TRUSTED)}
    assert search(client, target={"fullyQualifiedName": FOLDER}) == {}, "nothing is left out, not empty"
    (link,) = search(client, source={"fullyQualifiedName": FOLDER})["links"]
    assert (link["startTime"], link["endTime"]) == (
        "2025-11-21T01:10:00.500000Z",
        "2025-11-21T01:41:00.500000Z",
    )


def test_a_link_leads_to_its_process_its_runs_and_what_they_moved(
    client: TestClient, write: Callable[..., None]
) -> None:
    write(*load("r-1", 10), *load("r-3", 40), event("load_raw", "r-4", 50, "START"))
    write(event("load_raw", "r-0", 5, "FAIL"))
    (link,) = search(client, target={"fullyQualifiedName": RAW})["links"]
    answer = client.post(f"{PARENT}:batchSearchLinkProcesses", json={"links": [link["name"]]}).json()
    (found,) = answer["processLinks"]
    assert found["links"] == [
        {"link": link["name"], "startTime": link["startTime"], "endTime": link["endTime"]}
    ]
    process = get(client, found["process"])
    assert (process["name"], process["displayName"]) == (found["process"], "local:ingest_quote.load_raw")
    assert get(client, found["process"].rpartition("/")[0])["processes"] == [process]
    runs = get(client, f"{found['process']}/runs")["runs"]
    assert [(run["displayName"], run["state"], "endTime" in run) for run in runs] == [
        ("r-4", "STARTED", False),
        ("r-3", "COMPLETED", True),
        ("r-1", "COMPLETED", True),
        ("r-0", "FAILED", True),
    ]
    assert get(client, runs[1]["name"]) == runs[1]
    (moved,) = get(client, f"{runs[1]['name']}/lineageEvents")["lineageEvents"]
    assert moved["links"] == [
        {"source": {"fullyQualifiedName": FOLDER}, "target": {"fullyQualifiedName": RAW}}
    ]
    assert get(client, moved["name"]) == moved
    assert get(client, f"{runs[0]['name']}/lineageEvents") == {}


def test_a_final_state_stays_whatever_comes_late(client: TestClient, write: Callable[..., None]) -> None:
    started, completed = load("r-1", 10)
    write(completed, started)
    (process,) = get(client, f"{PARENT[4:]}/processes")["processes"]
    (run,) = get(client, f"{process['name']}/runs")["runs"]
    assert (run["state"], run["startTime"][14:16], run["endTime"][14:16]) == ("COMPLETED", "10", "11")


def test_everything_comes_in_pages(client: TestClient, write: Callable[..., None]) -> None:
    write(*(one for number in range(5) for one in load(f"r-{number}", 10 * number)))
    (process,) = get(client, f"{PARENT[4:]}/processes")["processes"]
    seen, token = [], ""
    for _ in range(3):
        page = get(client, f"{process['name']}/runs?pageSize=2&pageToken={token}")
        seen += [run["displayName"] for run in page["runs"]]
        token = page.get("nextPageToken", "")
    assert (seen, token) == (["r-4", "r-3", "r-2", "r-1", "r-0"], "")
    of_runs = get(client, f"{process['name']}/runs?pageSize=2")["nextPageToken"]
    body = {"source": {"fullyQualifiedName": FOLDER}, "pageToken": of_runs}
    assert client.post(f"{PARENT}:searchLinks", json=body).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_links_of_one_source_come_in_pages_of_ten(client: TestClient, write: Callable[..., None]) -> None:
    fan = [{"namespace": "bigquery", "name": f"p.raw.t{number}"} for number in range(25)]
    write({**event("x", "r-1", 1, "COMPLETE", [FOLDER]), "outputs": fan})
    body: dict[str, Any] = {"source": {"fullyQualifiedName": FOLDER}}
    pages = []
    while not pages or pages[-1].get("nextPageToken"):
        token = pages[-1]["nextPageToken"] if pages else ""
        pages.append(search(client, **body, pageToken=token))
    assert [len(page["links"]) for page in pages] == [10, 10, 5]
    assert len({link["name"] for page in pages for link in page["links"]}) == 25


def test_the_file_is_read_as_it_grows_and_made_anew(
    client: TestClient, write: Callable[..., None], path: Path
) -> None:
    assert links(client, "target", RAW) == set(), "it need not be there"
    text = json.dumps(load("r-1", 10)[1])
    with path.open("a") as file:
        file.write(f"no event\n[]\n{text[:40]}")
    assert links(client, "target", RAW) == set()
    with path.open("a") as file:
        file.write(f"{text[40:]}\n")
    assert links(client, "target", RAW) == {(FOLDER, RAW)}
    other = path.with_name("other")
    # Longer than what was read: its length does not show that it is another.
    other.write_text(
        "\n".join(map(json.dumps, [*call("r-2", 20), *load("r-3", 30), *load("r-4", 40)])) + "\n"
    )
    other.replace(path)
    assert links(client, "target", TRUSTED) == {(RAW, TRUSTED)}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"job": {"namespace": "n", "name": "j"}, "run": {}, "eventTime": "2025-11-21T01:00:00Z"},
        {"job": None, "run": None},
        {**load("r-1", 1)[0], "eventTime": "soon"},
        {**load("r-1", 1)[0], "inputs": [7]},
        {**load("r-1", 1)[0], "outputs": [{"name": "x"}]},
        {"dataset": {"namespace": "n", "name": "d"}, "eventTime": "2025-11-21T01:00:00Z"},
    ],
)
def test_what_is_no_run_event_is_left_out(
    client: TestClient, write: Callable[..., None], broken: dict[str, Any]
) -> None:
    write(broken, *call("r-2", 20))
    assert [one["displayName"] for one in get(client, f"{PARENT[4:]}/processes")["processes"]] == [
        "local:ingest_quote.call_trusted"
    ]


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", ":searchLinks", {}, 400, "INVALID_ARGUMENT"),
    ("POST", ":searchLinks", {"source": {"fullyQualifiedName": RAW}, "target": {}}, 400, "INVALID_ARGUMENT"),
    ("POST", ":searchLinks", {"source": RAW}, 400, "INVALID_ARGUMENT"),
    ("POST", ":searchLinks", {"source": {}}, 400, "INVALID_ARGUMENT"),
    ("POST", ":searchLinks", [], 400, "INVALID_ARGUMENT"),
    ("POST", ":searchLinks", {"source": {"fullyQualifiedName": RAW}, "fqn": 1}, 400, "INVALID_ARGUMENT"),
    (
        "POST",
        ":searchLinks",
        {"source": {"fullyQualifiedName": RAW}, "pageSize": -1},
        400,
        "INVALID_ARGUMENT",
    ),
    (
        "POST",
        ":searchLinks",
        {"source": {"fullyQualifiedName": RAW}, "pageToken": "x"},
        400,
        "INVALID_ARGUMENT",
    ),
    ("POST", ":batchSearchLinkProcesses", {}, 400, "INVALID_ARGUMENT"),
    ("POST", ":batchSearchLinkProcesses", {"links": ["x"] * 101}, 400, "INVALID_ARGUMENT"),
    ("POST", ":processOpenLineageRunEvent", {}, 404, "NOT_FOUND"),
    ("GET", "/processes/none", None, 404, "NOT_FOUND"),
    ("GET", "/processes/none/runs", None, 404, "NOT_FOUND"),
    ("GET", "/somewhere", None, 404, "NOT_FOUND"),
    ("GET", "/processes?pageSize=many", None, 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("method", "path_", "body", "status", "reason"), REFUSED)
def test_what_is_asked_wrongly_is_refused_as_google_does(
    client: TestClient, method: str, path_: str, body: Any, status: int, reason: str
) -> None:
    answer = client.request(method, PARENT + path_, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert answer.json()["error"]["status"] == reason


@pytest.mark.parametrize(
    ("parent", "headers", "status"),
    [
        (PARENT, {"Authorization": ""}, 401),
        (PARENT, {"Authorization": "Basic x"}, 401),
        ("/v1/projects/other/locations/us-central1", {}, 403),
        ("/v1/projects/1/locations/us-central1", {}, 200),
    ],
)
def test_a_token_and_the_project_are_needed(
    client: TestClient, parent: str, headers: dict[str, str], status: int
) -> None:
    body = {"source": {"fullyQualifiedName": RAW}}
    assert client.post(f"{parent}:searchLinks", json=body, headers=headers).status_code == status


def test_another_location_knows_nothing(client: TestClient, write: Callable[..., None]) -> None:
    write(*load("r-1", 10))
    body = {"source": {"fullyQualifiedName": FOLDER}}
    assert client.post("/v1/projects/p/locations/us:searchLinks", json=body).json() == {}


@pytest.mark.parametrize(("most", "kept"), [(10**6, 20), (1000, 3)])
def test_a_file_that_is_too_long_keeps_its_newest_whole_lines(path: Path, most: int, kept: int) -> None:
    lines = [json.dumps({"number": number, "more": "x" * 100}) for number in range(20)]
    path.write_text("\n".join(lines) + "\n")
    trim(path, most)
    assert path.read_text().splitlines() == lines[20 - kept :]
    trim(path.with_name("absent"), most)


def test_the_part_answers_once_it_is_started(path: Path, write: Callable[..., None]) -> None:
    write(*load("r-1", 10))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--port", str(port), "--events", str(path), "--project", "p", "--region", "us-central1"]
    part = subprocess.Popen([sys.executable, "-m", "localcloud.lineage", *flags], cwd=ROOT)
    session = requests.Session()
    session.trust_env = False
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert session.get(f"http://127.0.0.1:{port}/healthz", timeout=30).status_code == 200
                break
            except requests.ConnectionError:
                assert part.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
        answer = session.post(
            f"http://127.0.0.1:{port}{PARENT}:searchLinks",
            json={"target": {"fullyQualifiedName": RAW}},
            headers=TOKEN,
            timeout=30,
        )
        assert len(answer.json()["links"]) == 1
    finally:
        part.terminate()
        assert part.wait(timeout=20) in (0, -15)
