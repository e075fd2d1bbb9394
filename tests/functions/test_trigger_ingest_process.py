"""The function as a process: functions-framework, the local metadata server, and a stand-in for Airflow."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import requests

from tests.functions.instances import (
    ROOT,
    Function,
    function_command,
    labels,
    running,
    serving,
)

GRACE_SECONDS = 7
EVENT = {
    "ce-id": "1",
    "ce-specversion": "1.0",
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/landing",
    "Content-Type": "application/json",
}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    # A window that does not end while the tests run: of these the one that goes on longest from now.
    now = int(time.time())
    window_seconds = max(range(1800, 3601), key=lambda seconds: seconds - now % seconds)
    with (
        serving() as airflow,
        running(tmp_path_factory.mktemp("function"), airflow, window_seconds, GRACE_SECONDS) as function,
    ):
        yield function


def test_the_first_object_of_a_window_starts_a_run_and_the_others_join_it(function: Function) -> None:
    status, entry = function.send("first/a.csv")
    assert (status, *labels(entry)) == (200, "INFO", "triggered", "first")
    (run_id,) = [run_id for run_id in function.airflow.runs if run_id.startswith("first__")]
    run = function.airflow.runs[run_id]
    end = datetime.strptime(run_id, "first__%Y-%m-%dT%H:%M:%S%z")
    assert run["dag_id"] == "ingest_first"
    assert run["logical_date"] is None
    assert datetime.fromisoformat(run["run_after"]) == end + timedelta(seconds=GRACE_SECONDS)
    assert run["note"] == "First asked for by gs://landing/first/a.csv#17"
    assert run_id in entry["message"] and "gs://landing/first/a.csv#17" in entry["message"]

    status, entry = function.send("first/b.csv.gz", size="0")
    assert (status, *labels(entry)) == (200, "INFO", "joined", "first")
    assert list(function.airflow.runs).count(run_id) == 1


def test_a_burst_asks_for_one_run_once(function: Function) -> None:
    # Long enough for every thread of the function to want the run before it is there.
    function.airflow.delays["ingest_burst"] = 0.5
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: function.send(f"burst/{number}.csv"), range(200)))
    outcomes = Counter((status, labels(entry)[1]) for status, entry in results)
    assert outcomes == {(200, "triggered"): 1, (200, "joined"): 199}
    assert len([run_id for run_id in function.airflow.runs if run_id.startswith("burst__")]) == 1
    assert function.airflow.posts["ingest_burst"] == 1, "threads that wait for the same run share one request"


def test_what_is_outside_the_grammar_is_recorded_and_acknowledged(function: Function) -> None:
    status, entry = function.send("ignored/readme.txt")
    assert (status, *labels(entry)) == (200, "NOTICE", "ignored", None)
    assert entry["message"] == (
        "Ignored gs://landing/ignored/readme.txt#17: "
        "expected a name that ends in .csv or .csv.gz, found 'readme.txt'."
    )
    assert function.airflow.posts["ingest_ignored"] == 0


def test_another_bucket_is_recorded_and_acknowledged(function: Function) -> None:
    status, entry = function.send("refused/a.csv", bucket="archive")
    assert (status, *labels(entry)) == (200, "ERROR", "refused", None)
    assert function.airflow.posts["ingest_refused"] == 0


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json"}, b"[1]"),
        ({"Content-Type": "text/plain", "ce-id": "1"}, b"a secret"),
        ({"Content-Type": "application/cloudevents+json"}, b'{"specversion": ["a secret"]}'),
        (EVENT, b'{"generation": ' + b"9" * 5000 + b"}"),
        (EVENT, b"[" * 100_000),
        (EVENT, b" " * (2**20 + 1)),
    ],
    ids=["a list", "a text", "a version that is a list", "a huge number", "a deep list", "more than 1 MiB"],
)
def test_what_is_no_event_is_recorded_and_refused_without_an_echo(
    function: Function, headers: dict[str, str], body: bytes
) -> None:
    before = len(function.entries())
    answer = requests.post(
        function.url, data=body, headers=headers | {"Authorization": "a secret"}, timeout=60
    )
    assert (answer.status_code, answer.text) == (400, "expected a CloudEvent")
    (entry,) = function.entries()[before:]
    assert labels(entry) == ("ERROR", "refused", None)
    assert "Expected a CloudEvent" in entry["message"] and "a secret" not in json.dumps(entry)


def test_a_visitor_is_not_recorded(function: Function) -> None:
    before = function.entries()
    assert requests.get(function.url, timeout=60).status_code == 405
    assert function.entries() == before


def test_a_defect_of_the_function_is_a_crash_that_is_delivered_again() -> None:
    program = (
        "from tests.functions.fuzz.target import *; import logging; logging.disable(logging.CRITICAL);"
        "from tests.functions.fuzz.requests import *; target = Target();"
        "sys.modules['main'].find_dataset = lambda name: {}[name];"
        "print(target._call(plain(random.Random(1)))[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "500\n"


@pytest.mark.parametrize("failure", [404, 500])
def test_a_transient_failure_is_delivered_again_until_it_ends(function: Function, failure: int) -> None:
    dag_id = f"ingest_later{failure}"
    function.airflow.forced[dag_id] = failure
    for _ in range(2):
        status, entry = function.send(f"later{failure}/a.csv")
        assert (status, *labels(entry)) == (503, "WARNING", "deferred", f"later{failure}")
        assert f"found {failure}" in entry["message"]
    del function.airflow.forced[dag_id]
    status, entry = function.send(f"later{failure}/a.csv")
    assert (status, *labels(entry)) == (200, "INFO", "triggered", f"later{failure}")


def test_a_refused_request_is_recorded_and_acknowledged(function: Function) -> None:
    function.airflow.forced["ingest_unprocessable"] = 422
    status, entry = function.send("unprocessable/a.csv")
    assert (status, *labels(entry)) == (200, "ERROR", "refused", "unprocessable")


def test_an_airflow_that_was_started_anew_ends_in_a_redelivery_at_most(function: Function) -> None:
    function.send("signed/a.csv")
    # The metadata server hands out the token of the one before for a while.
    function.airflow.is_anew = True
    status, entry = function.send("renewed/a.csv")
    assert (status, *labels(entry)) == (503, "WARNING", "deferred", "renewed")
    assert "found 403" in entry["message"]
    assert function.airflow.token not in function.stdout.read_text(), "a token is never logged"
    function.airflow.is_anew = False
    assert function.send("renewed/a.csv")[0] == 200


def test_an_entry_names_the_trace_of_its_request(function: Function) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    expected = f"projects/landfall-test/traces/{trace}"
    for header, value in (
        ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
        ("X-Cloud-Trace-Context", f"{trace}/1;o=1"),
        ("ce-traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
    ):
        _, entry = function.send("trace/a.txt", headers={header: value})
        assert entry["logging.googleapis.com/trace"] == expected, header


def test_a_function_without_its_settings_does_not_start_and_names_them_all(function: Function) -> None:
    environment = {k: v for k, v in function.environment.items() if not k.startswith("LANDFALL_")}
    ended = subprocess.run(
        function_command(0),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    for name in ("LANDFALL_PROJECT", "LANDFALL_LANDING_BUCKET", "LANDFALL_AIRFLOW_URL"):
        assert f"{name} (missing)" in ended.stderr
