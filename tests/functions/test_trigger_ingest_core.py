"""The pure parts of trigger_ingest: no clock, no network, no environment."""

import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
FINALIZED = "google.cloud.storage.object.v1.finalized"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
storage_objects = st.fixed_dictionaries(
    {},
    optional={
        "bucket": st.just("landing") | json_values,
        "name": st.sampled_from(["price_quote/a.csv", "x/", "a.csv"]) | json_values,
        "generation": st.just("1763688362123456") | json_values,
        "metageneration": st.just(1) | json_values,
        "size": st.just(0) | json_values,
    },
)


@given(
    attributes=st.fixed_dictionaries({"type": st.just(FINALIZED) | json_values, "id": json_values}),
    data=storage_objects | json_values | st.binary(),
)
def test_whatever_arrives_parses_or_is_a_terminal_error(trigger: Any, attributes: Any, data: Any) -> None:
    try:
        landed = trigger.event.parse_event(attributes, data, "landing")
    except trigger.errors.TerminalError as error:
        assert len(str(error)) < 500
        return
    assert landed.bucket == "landing" and 1 <= landed.generation < 2**63 and 0 <= landed.size < 2**63
    landed.uri.encode()
    found = trigger.event.find_dataset(landed.name)
    assert isinstance(found, trigger.event.Ignored) or landed.name.startswith(f"{found}/")


@given(name=st.text())
def test_a_dataset_fits_what_it_names(trigger: Any, name: str) -> None:
    found = trigger.event.find_dataset(name)
    if isinstance(found, str):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}/.*\.csv(\.gz)?", name, re.DOTALL)
        assert found == name.partition("/")[0]
    else:
        assert found.reason


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("01:26:00.000", "01:27:00"),
        ("01:26:00.001", "01:27:00"),
        ("01:26:59.999", "01:27:00"),
        ("01:27:00.000", "01:28:00"),
        ("23:59:30.000", "00:00:00"),
    ],
)
def test_the_run_of_a_window(trigger: Any, now: str, end: str) -> None:
    moment = datetime.fromisoformat(f"2026-11-20T{now}+00:00")
    day = "2026-11-21" if end == "00:00:00" else "2026-11-20"
    run = trigger.window.find_run("price_quote", moment, window_seconds=60, grace_seconds=5)
    assert run.dag_id == "ingest_price_quote"
    assert run.run_id == f"price_quote__{day}T{end}Z"
    assert run.run_after == datetime.fromisoformat(f"{day}T{end}+00:00") + timedelta(seconds=5)


@given(
    now=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    window=st.integers(1, 3600),
    grace=st.integers(0, 3600),
)
def test_a_run_is_always_later_than_now_by_a_window_at_most(
    trigger: Any, now: datetime, window: int, grace: int
) -> None:
    run = trigger.window.find_run("a" * 63, now, window, grace)
    end = run.run_after - timedelta(seconds=grace)
    assert now < end <= now + timedelta(seconds=window)
    assert int(end.timestamp()) % window == 0
    # What Airflow takes for a run id.
    assert re.fullmatch(r"[A-Za-z0-9_.~:+-]{1,250}", run.run_id)


def test_the_window_does_not_depend_on_the_time_zone_of_now(trigger: Any) -> None:
    utc = datetime(2026, 11, 21, 1, 26, 30, tzinfo=UTC)
    elsewhere = utc.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
    assert trigger.window.find_run("d", utc, 60, 5) == trigger.window.find_run("d", elsewhere, 60, 5)


ENVIRONMENT = {
    "LANDFALL_PROJECT": "p",
    "LANDFALL_LANDING_BUCKET": "landing",
    "LANDFALL_AIRFLOW_URL": "https://example.com/airflow/",
}


def test_settings_from_a_whole_environment(trigger: Any) -> None:
    settings = trigger.settings.Settings.from_environment(
        ENVIRONMENT | {"LANDFALL_BATCH_WINDOW_SECONDS": "2", "LANDFALL_RUN_GRACE_SECONDS": "0"}
    )
    assert settings == trigger.settings.Settings("p", "landing", "https://example.com/airflow", 2, 0)


def test_settings_have_a_window_and_a_grace_by_default(trigger: Any) -> None:
    settings = trigger.settings.Settings.from_environment(ENVIRONMENT)
    assert (settings.batch_window_seconds, settings.run_grace_seconds) == (60, 5)


def test_settings_report_all_problems_at_once(trigger: Any) -> None:
    with pytest.raises(trigger.settings.SettingsError) as caught:
        trigger.settings.Settings.from_environment(
            {
                "LANDFALL_PROJECT": " ",
                "LANDFALL_AIRFLOW_URL": "https://example.com/api/v2/",
                "LANDFALL_BATCH_WINDOW_SECONDS": "0",
                "LANDFALL_RUN_GRACE_SECONDS": "soon",
            }
        )
    assert str(caught.value) == (
        "The function cannot start; set in its environment: "
        "LANDFALL_PROJECT (missing); LANDFALL_LANDING_BUCKET (missing); "
        "LANDFALL_AIRFLOW_URL (expected the http or https address of Airflow's web server without /api/v2, "
        "found 'https://example.com/api/v2'); "
        "LANDFALL_BATCH_WINDOW_SECONDS (expected whole seconds from 1 to 3600, found '0'); "
        "LANDFALL_RUN_GRACE_SECONDS (expected whole seconds from 0 to 3600, found 'soon')"
    )


@pytest.mark.parametrize("url", ["example.com", "ftp://example.com", "http://", "http://[", "http://a/?b=c"])
def test_settings_refuse_what_is_no_base_url(trigger: Any, url: str) -> None:
    with pytest.raises(trigger.settings.SettingsError, match="LANDFALL_AIRFLOW_URL"):
        trigger.settings.Settings.from_environment(ENVIRONMENT | {"LANDFALL_AIRFLOW_URL": url})


@given(st.text())
def test_settings_never_fail_in_another_way(trigger: Any, text: str) -> None:
    for name in ("LANDFALL_AIRFLOW_URL", "LANDFALL_BATCH_WINDOW_SECONDS"):
        with contextlib.suppress(trigger.settings.SettingsError):
            trigger.settings.Settings.from_environment(ENVIRONMENT | {name: text})


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
def test_statuses_that_are_asked_again(trigger: Any, status: int) -> None:
    assert trigger.errors.is_transient_status(status)


@pytest.mark.parametrize("status", [406, 410, 413, 415, 422])
def test_statuses_that_would_come_again(trigger: Any, status: int) -> None:
    assert not trigger.errors.is_transient_status(status)


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("traceparent", "cloud_trace_context", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", None, f"projects/p/traces/{TRACE}"),
        (None, f"{TRACE.upper()}/67667974448284343;o=1", f"projects/p/traces/{TRACE}"),
        (None, TRACE, f"projects/p/traces/{TRACE}"),
        ("nonsense", f"{TRACE}/1", f"projects/p/traces/{TRACE}"),
        ("nonsense", "nonsense", None),
        (None, None, None),
        (17, b"", None),
    ],
)
def test_trace(trigger: Any, traceparent: object, cloud_trace_context: object, found: str | None) -> None:
    trace = trigger.logs.find_trace("p", traceparent=traceparent, cloud_trace_context=cloud_trace_context)
    assert trace == found


def test_an_entry_is_one_line_of_json_whatever_the_message(trigger: Any) -> None:
    line = trigger.logs.render_entry(
        "INFO", 'two\nlines "quoted" \ud800', {"outcome": "ignored"}, "projects/p/traces/1"
    )
    assert "\n" not in line and line.isascii()
    assert json.loads(line) == {
        "severity": "INFO",
        "message": 'two\nlines "quoted" \ud800',
        "logging.googleapis.com/labels": {"outcome": "ignored"},
        "logging.googleapis.com/trace": "projects/p/traces/1",
    }
    assert "logging.googleapis.com/trace" not in json.loads(trigger.logs.render_entry("INFO", "m", {}, None))
