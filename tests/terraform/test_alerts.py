"""What the pipeline logs becomes the metrics of the plan, and those become its alerts and tiles."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from landfall_dags import dataproc, record, store, sweep, sweep_clusters, tasks
from landfall_dags.identity import timestamp
from landfall_dags.journal import Journal, Manifest, Open, journal_text, open_entry
from landfall_dags.ledger import DIVIDED, FAILED, REJECTED, SUCCEEDED, failed_row, unattended
from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.pipeline import parse_pipeline
from landfall_dags.refusal import refuse
from landfall_dags.settings import Settings
from tests.composer_dags import turns
from tests.composer_dags.conftest import ENVIRONMENT, pipeline_document
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.worlds import MemoryWorld
from tests.functions.instances import running, serving
from tests.terraform.log_metrics import Entry, Point, metrics, points
from tests.terraform.monitoring import alerts, kept, queries, tiles
from tests.terraform.plan import Plan, instances, key, planned
from tests.terraform.workspace import Terraform

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
ENVIRONMENTS = ("dev", "stg", "prod", "local")
NOW = datetime(2025, 11, 21, 1, 30, 30, tzinfo=UTC)
SETTINGS = Settings.from_environment(ENVIRONMENT)
# An hour of freshness, a tenth of the rows rejected at most, one rule.
CONTRACT = parse_pipeline(json.dumps(pipeline_document() | {"quality": [{"rule": "filled"}]}), "here")
MOST_CHARACTERS = 4096  # of one entry: Composer cuts what is longer

# What the alerts and the dashboard read of Google's own, in PromQL's spelling.
OF_GOOGLE = {
    "bigquery_googleapis_com:query_scanned_bytes_billed",
    "bigquery_googleapis_com:slots_allocated_for_project",
    "composer_googleapis_com:environment_healthy",
    "composer_googleapis_com:environment_task_queue_length",
    "dataproc_googleapis_com:cluster_yarn_nodemanagers",
    "pubsub_googleapis_com:subscription_num_undelivered_messages",
    "run_googleapis_com:request_latencies_bucket",
}


# What those labels may be that a query asks for.
VALUES = {
    "state": {SUCCEEDED, REJECTED, FAILED, DIVIDED},
    "outcome": {"triggered", "joined", "ignored", "deferred", "refused"},
}


class Lines(logging.Handler):
    """Every message of the loggers that are named `landfall.…`, as Composer makes entries of them."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.entries: list[Entry] = []

    def emit(self, line: logging.LogRecord) -> None:
        if line.name.startswith("landfall."):
            text = line.getMessage()
            assert len(text) < MOST_CHARACTERS
            labels = {"workflow": "a_dag", "task-id": "a_task", "process": f"{line.filename}:{line.lineno}"}
            self.entries.append(Entry("cloud_composer_environment", "airflow-worker", text, labels))


@contextmanager
def logged() -> Iterator[list[Entry]]:
    handler, root = Lines(), logging.getLogger("landfall")
    before, root.level = root.level, logging.INFO
    root.addHandler(handler)
    try:
        yield handler.entries
    finally:
        root.removeHandler(handler)
        root.level = before


class TaskInstance:
    """An Airflow in which nothing runs."""

    def get_dr_count(self, **_: object) -> int:
        return 0


CONTEXT = {"ti": TaskInstance()}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> MemoryWorld:
    world = MemoryWorld()
    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(sweep, "_now", lambda: NOW)
    return world


@pytest.fixture(scope="module")
def prod(plans: Mapping[str, Plan]) -> Plan:
    return plans["prod"]


def found(plan: Plan, entries: list[Entry]) -> set[Point]:
    return set().union(*(points(plan, entry) for entry in entries))


def counted(name: str, **labels: str) -> Point:
    return Point(f"landfall_{name}", tuple(sorted(labels.items())), None)


def measured(name: str, value: float) -> Point:
    return Point(f"landfall_{name}", (("dataset", "price_quote"),), value)


def claimed(world: MemoryWorld) -> Manifest:
    """A batch of one file, which landed three quarters of an hour before NOW."""
    world.put("gs://landing/price_quote/a.csv", b"id\n1\n")
    manifest = turns.claimed(world.store, CONTRACT, at=NOW)
    created = timestamp(NOW - timedelta(minutes=45))
    files = tuple(replace(file, created_at=created) for file in manifest.entry.files)
    return replace(manifest, entry=replace(manifest.entry, files=files))


def metrics_of(manifest: Manifest, rejected: int) -> Metrics:
    rows = Rows(1000, 1000 - rejected, rejected)
    source = manifest.files[0].source
    file = FileResult(source.uri, source.generation, "loaded", None, None, rows)
    return refuse(Metrics(rows, (file,)), CONTRACT.max_rejected_share, "metrics.json")


def end(world: MemoryWorld, manifest: Manifest, rejected: int) -> None:
    run, tables = unattended("run-1", timestamp(NOW)), MemoryLedger().as_warehouse()
    metrics = metrics_of(manifest, rejected)
    record.record_end(world.store, tables, "rejected", "lake", manifest, metrics, 0, run, CONTRACT)


def test_a_batch_that_succeeds_is_counted_and_measured(prod: Plan, world: MemoryWorld) -> None:
    with logged() as entries:
        end(world, claimed(world), rejected=30)
    assert found(prod, entries) == {
        counted("batches", dataset="price_quote", state="succeeded"),
        measured("rejected_used", 0.3),
        measured("freshness_used", 0.75),
        measured("files_loaded", 1),
        measured("files_rejected", 0),
    }


def test_a_batch_that_is_refused_is_counted_and_has_no_freshness(prod: Plan, world: MemoryWorld) -> None:
    with logged() as entries:
        end(world, claimed(world), rejected=250)
    assert found(prod, entries) == {
        counted("batches", dataset="price_quote", state="rejected"),
        measured("rejected_used", 2.5),
        measured("files_loaded", 0),
        measured("files_rejected", 1),
    }


def test_a_run_that_fails_is_counted(prod: Plan, world: MemoryWorld) -> None:
    entry = claimed(world).entry
    row = failed_row(entry, {"load_raw": "quota"}, unattended("run-1", timestamp(NOW)))
    with logged() as entries:
        record.write_batch(MemoryLedger().as_warehouse(), row, entry, CONTRACT)
    assert found(prod, entries) == {counted("batches", dataset="price_quote", state="failed")}


def test_a_sweep_is_a_heartbeat_and_measures_what_waits(prod: Plan, world: MemoryWorld) -> None:
    with logged() as entries:
        sweep.find_left_behind(SETTINGS, [CONTRACT], CONTEXT)
    nothing = {measured("pending_files", 0), measured("waiting_used", 0)}
    assert found(prod, entries) == {counted("sweeps")} | nothing


def test_what_is_stuck_is_counted_by_its_state_whatever_a_sender_calls_a_file(
    prod: Plan, world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a 'dataset': 'other', 'state': 'forged', 'freshness_used': 9 landfall.batch {\U0001f4a3"
    world.put(f"gs://landing/price_quote/{name}.csv", b"id\n")
    (file,) = world.store.list("landing", "price_quote/")
    listed = replace(file, created_at=timestamp(NOW - timedelta(hours=2)))
    entry = open_entry("price_quote", [listed], "run-0", "1.0.0", timestamp(NOW - timedelta(hours=3)))
    world.put(
        "gs://lake/journal/price_quote/open.json",
        journal_text(Journal("price_quote", (Open(entry),))).encode(),
    )
    monkeypatch.setattr(world.memory, "list", lambda *_: iter([listed]))
    with logged() as entries:
        sweep.find_left_behind(SETTINGS, [CONTRACT], CONTEXT)
    assert found(prod, entries) == {
        counted("sweeps"),
        counted("stuck", dataset="price_quote", state="pending"),
        counted("stuck", dataset="price_quote", state="open"),
        measured("pending_files", 1),
        measured("waiting_used", 3),
    }


def test_a_journal_that_cannot_be_read_is_stuck(prod: Plan, world: MemoryWorld) -> None:
    world.put("gs://lake/journal/price_quote/open.json", b"{")
    with logged() as entries:
        sweep.find_left_behind(SETTINGS, [CONTRACT], CONTEXT)
    assert counted("stuck", dataset="price_quote", state="unreadable") in found(prod, entries)


def test_a_quality_rule_that_warns_is_counted_by_its_name(prod: Plan, world: MemoryWorld) -> None:
    world.put("gs://landing/price_quote/a.csv", b"id\n1\n")
    manifest = turns.claimed(world.store, CONTRACT, at=NOW)
    folder = f"gs://lake/price_quote/{manifest.entry.batch_id}"
    rule = {"rule": "filled", "metric": "nullValues", "columns": ["id"], "severity": "warn", "passed": False}
    measure = {"operator": "mustBe", "threshold": [0], "unit": "rows", "found": 3, "total": 10}
    counts = {"rows_read": 10, "rows_accepted": 10, "rows_rejected": 0}
    source = manifest.files[0].source
    file = {
        "uri": source.uri,
        "generation": source.generation,
        "state": "loaded",
        "reason": None,
        "detail": None,
    }
    nothing = {"reason": None, "detail": None, "missing_columns": [], "unknown_columns": []}
    document = {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": manifest.entry.batch_id,
        "output": folder,
        "quality": [rule | measure],
        "new_columns": [],
        "token_key": None,
        "files": [file | counts | nothing],
        **counts,
    }
    world.put(f"{folder}/metrics.json", json.dumps(document).encode())
    with logged() as entries:
        tasks.check_metrics({"folder_uri": folder, "batch_id": manifest.entry.batch_id}, None)
    assert found(prod, entries) == {counted("quality_warnings", dataset="price_quote", rule="filled")}


def test_a_cluster_that_is_left_is_counted(
    prod: Plan, world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"landfall_dataset": "price_quote", "landfall_batch": "0" * 32}
    left = dataproc.Cluster("lf-price-quote-0", "uuid", "RUNNING", "", labels, SETTINGS.staging_bucket)
    api = SimpleNamespace(labelled=lambda _: [left], delete_cluster=lambda _: None)
    monkeypatch.setattr(dataproc, "connect", lambda *_: api)
    with logged() as entries:
        assert sweep_clusters.delete_left_clusters(SETTINGS, CONTEXT) == ["lf-price-quote-0"]
    assert found(prod, entries) == {counted("clusters_left", dataset="price_quote")}


def test_what_the_function_answers_is_counted_by_outcome(prod: Plan, tmp_path: Path) -> None:
    with serving() as airflow, running(tmp_path, airflow, 60, 5) as function:
        airflow.forced["ingest_second"] = 503
        for name, more in {
            "first/a.csv": {},
            "second/a.csv": {},
            "third/a.txt": {},
            "fourth/a.csv": {"bucket": "another"},
        }.items():
            function.send(name, **more)
        written = function.entries()
    entries = [
        Entry("cloud_run_revision", "run.googleapis.com/stdout", "", one["logging.googleapis.com/labels"])
        for one in written
    ]
    assert found(prod, entries) == {
        counted("function_events", dataset="first", outcome="triggered"),
        counted("function_events", dataset="second", outcome="deferred"),
        counted("function_events", dataset="", outcome="ignored"),
        counted("function_events", dataset="", outcome="refused"),
    }


def test_a_line_counts_with_what_composer_may_leave_before_it(prod: Plan) -> None:
    line = '[2025-11-21T01:30:30.007123Z] {sweep.py:33} INFO - landfall.sweep {"datasets": 4, "asked": 0}'
    for log in ("airflow-worker", "airflow-k8s-worker"):
        assert points(prod, Entry("cloud_composer_environment", log, line, {})) == {counted("sweeps")}


def test_other_lines_are_nothing_to_the_metrics(prod: Plan) -> None:
    line = 'landfall.batch {"dataset": "price_quote", "state": "failed"}'
    for entry in (
        Entry("cloud_composer_environment", "airflow-worker", f"gs://landing/price_quote/{line}", {}),
        Entry("cloud_composer_environment", "airflow-worker", "Task landfall.batch ended", {}),
        Entry("cloud_composer_environment", "airflow-scheduler", line, {}),
        Entry("cloud_run_revision", "run.googleapis.com/stdout", line, {}),
    ):
        assert points(prod, entry) == set()


def test_the_runbook_has_every_line_that_is_written_and_every_metric_is_of_one(prod: Plan) -> None:
    sources = (ROOT / "composer_dags" / "landfall_dags").glob("*.py")
    text = "".join(file.read_text() for file in sources)
    written = set(re.findall(r'getLogger\("(landfall\.\w+)"\)', text))
    assert set(re.findall(r"^\| `(landfall\.\w+) \{…\}` ", RUNBOOK.read_text(), re.MULTILINE)) == written
    filters = [metric["filter"] for metric in metrics(prod).values()]
    named = {name for text in filters for name in re.findall(r"landfall\[\.\](\w+)", text)}
    assert {f"landfall.{name}" for name in named} == written


_OF_PLAN = re.compile(r"logging_googleapis_com:user_(landfall_\w+?)(|_bucket|_sum|_count)")
_SERIES = re.compile(r"([a-z]+_googleapis_com:\w+)(?:\{([^}]*)\})?")
_RESOURCES = {
    "bigquery": "global",
    "composer": "cloud_composer_environment",
    "dataproc": "cloud_dataproc_cluster",
    "pubsub": "pubsub_subscription",
    "run": "cloud_run_revision",
}


def test_every_query_reads_series_that_there_are_by_labels_that_they_have(prod: Plan) -> None:
    """A query of what does not exist is no error to Cloud Monitoring: it is silent for ever."""
    made = metrics(prod)
    for name, query in queries(prod).items():
        series = _SERIES.findall(query)
        assert series, name
        for metric, matchers in series:
            labels = dict(re.findall(r'(\w+)=~?"([^"]*)"', matchers))
            resource = labels.pop("monitored_resource")
            if metric in OF_GOOGLE:
                assert resource == _RESOURCES[metric.partition("_")[0]], name
                continue
            read = _OF_PLAN.fullmatch(metric)
            assert read, f"{name}: {metric}"
            stem, part = read.groups()
            assert bool(part) is (made[stem]["value_extractor"] is not None), f"{name}: {metric}"
            assert f'resource.type="{resource}"' in made[stem]["filter"], name
            own = set(made[stem]["label_extractors"] or {})
            assert set(labels) <= own, name
            for label, values in labels.items():
                assert set(values.split("|")) <= VALUES[label], f"{name}: {label}"
            assert kept(query) <= own | ({"le"} if part == "_bucket" else set()), name


def test_an_alert_on_a_distribution_compares_with_a_bound_of_its_buckets(prod: Plan) -> None:
    """Only then a value above the threshold always alerts, and one below it never."""
    compared = 0
    for name, values in alerts(prod).items():
        query = queries(prod).get(name, "")
        if series := re.search(r"user_(landfall_\w+)_bucket", query):
            threshold = float(query.rpartition("> ")[2])
            (bounds,) = metrics(prod)[series[1]]["bucket_options"][0]["explicit_buckets"]
            assert threshold in bounds["bounds"], values["display_name"]
            assert bounds["bounds"] == sorted(set(bounds["bounds"]))
            compared += 1
    assert compared == 2


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_alert_says_what_to_do_and_reaches_somebody(
    plans: Mapping[str, Plan], environment: str
) -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    sections = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    plan = plans[environment]
    unknown = {change["address"]: change["change"]["after_unknown"] for change in plan["resource_changes"]}
    for address, values in instances(plan, "google_monitoring_alert_policy.alert").items():
        (document,) = values["documentation"]
        what, look, then = document["content"].strip().split("\n\n")
        assert what.endswith("."), address
        assert look.startswith("**First look:** ")
        link = re.fullmatch(r"\*\*Then:\*\* docs/runbook\.md#(\S+)", then)
        assert link and link[1] in sections, f"{address}: {then}"
        assert document["subject"] == values["display_name"]
        assert values["display_name"].startswith(f"landfall {environment}: ")
        assert values["severity"] in ("CRITICAL", "ERROR", "WARNING")
        assert any(unknown[address]["notification_channels"])
        # What a text names of an incident is there only if the query keeps it.
        named = set(re.findall(r"\$\{metric\.label\.(\w+)\}", document["content"]))
        assert named <= kept(queries(plan).get(key(address), "")), address


def test_every_alert_has_its_section_and_no_section_is_of_none(plans: Mapping[str, Plan]) -> None:
    text = RUNBOOK.read_text()
    headings = re.findall(r"^### (.+)$", text[text.index("\n## Alerts\n") :], re.MULTILINE)
    titles = [values["conditions"][0]["display_name"] for values in alerts(plans["prod"]).values()]
    assert sorted(heading.lower() for heading in headings) == sorted(
        [*(title.lower() for title in titles), "the budget is used"]
    )


def test_everything_that_may_go_wrong_unseen_is_alerted_on(prod: Plan) -> None:
    assert set(alerts(prod)) == {
        "cluster_left",
        "composer_unhealthy",
        "dead_letter",
        "event_refused",
        "events_deferred",
        "failed_batch",
        "late_batch",
        "quality_warning",
        "rejected_share",
        "stuck",
        "sweep_missing",
    }


def test_at_night_nothing_waits_for_a_composer_that_is_meant_to_be_gone(terraform: Terraform) -> None:
    if not terraform.offline:
        pytest.skip("planning without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    workspace = terraform.copy("night")
    day, night = (workspace.plan("stg", f"-var=composer_enabled={enabled}") for enabled in ("true", "false"))
    assert set(alerts(day)) - set(alerts(night)) == {"composer_unhealthy", "sweep_missing"}
    assert metrics(day) == metrics(night)


def test_one_sweep_that_finds_the_mornings_files_does_not_alert_and_two_do(prod: Plan) -> None:
    """A window that is shorter than `duration` ends before it, unless another sweep renews it."""
    (query,) = alerts(prod)["stuck"]["conditions"][0]["condition_prometheus_query_language"]
    window = 60 * int(re.search(r"\[(\d+)m\]", query["query"])[1])  # type: ignore[index]
    sweeps = 600
    assert sweeps < window < int(query["duration"].removesuffix("s")) < sweeps + window


def test_the_tiles_of_the_dashboard_fill_it_and_do_not_overlap(prod: Plan) -> None:
    cells: set[tuple[int, int]] = set()
    for tile in tiles(prod):
        title = tile["widget"]["title"]
        assert tile.get("xPos", 0) + tile["width"] <= 48, title
        own = {
            (x, y)
            for x in range(tile.get("xPos", 0), tile.get("xPos", 0) + tile["width"])
            for y in range(tile.get("yPos", 0), tile.get("yPos", 0) + tile["height"])
        }
        assert not cells & own, title
        cells |= own
    assert len(cells) == 48 * (max(y for _, y in cells) + 1), "expected no hole"


def test_the_dashboard_says_what_it_shows(prod: Plan) -> None:
    titles = [tile["widget"]["title"] for tile in tiles(prod)]
    assert len(titles) == len(set(titles))
    for tile in tiles(prod):
        for chart in filter(None, [tile["widget"].get("xyChart")]):
            assert chart["yAxis"]["label"], tile["widget"]["title"]
            assert all(line["legendTemplate"] for line in chart["dataSets"])
            for line in chart["dataSets"]:
                named = set(re.findall(r"\$\{labels\.(\w+)\}", line["legendTemplate"]))
                assert named <= kept(line["timeSeriesQuery"]["prometheusQuery"]), tile["widget"]["title"]
    text = json.dumps(tiles(prod))
    service = planned(prod)["google_cloudfunctions2_function.trigger_ingest[0]"]["name"]
    assert f'service_name=\\"{service}\\"' in text


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_budget_warns_by_what_was_spent_and_by_what_will_be(
    plans: Mapping[str, Plan], environment: str
) -> None:
    budgets = instances(plans[environment], "google_billing_budget.month")
    assert len(budgets) == (environment != "local")
    for budget in budgets.values():
        rules = {(rule["spend_basis"], rule["threshold_percent"]) for rule in budget["threshold_rules"]}
        assert rules == {
            ("CURRENT_SPEND", 0.5),
            ("CURRENT_SPEND", 0.9),
            ("CURRENT_SPEND", 1),
            ("FORECASTED_SPEND", 1),
        }
        (project,) = budget["budget_filter"][0]["projects"]
        assert re.fullmatch(r"projects/\d+", project)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_catalogue_has_every_dataset_as_its_contract_says(
    plans: Mapping[str, Plan], environment: str
) -> None:
    resources = planned(plans[environment])
    template = json.loads(resources["google_dataplex_aspect_type.data_contract"]["metadata_template"])
    types = {field["name"]: field["type"] for field in template["recordFields"]}
    indexes = [field["index"] for field in template["recordFields"]]
    assert len(indexes) == len(set(indexes)) and min(indexes) == 1
    entries = instances(plans[environment], "google_dataplex_entry.dataset")
    folders = {path.parent for path in (ROOT / "bigquery" / "datasets").glob("*/contract.yaml")}
    assert {key(address) for address in entries} == {folder.name for folder in folders}
    for folder in folders:
        contract = yaml.safe_load((folder / "contract.yaml").read_text())
        entry = entries[f'google_dataplex_entry.dataset["{folder.name}"]']
        (aspect,) = entry["aspects"]
        data = json.loads(aspect["aspect"][0]["data"])
        assert {name: _type_of(value) for name, value in data.items()} == types
        assert (data["owner"], data["contract_version"]) == (contract["team"]["name"], contract["version"])
        columns = {column["name"]: column["classification"] for column in contract["schema"][0]["properties"]}
        assert {
            column: classification
            for classification, names in data["columns"].items()
            for column in names.split(", ")
        } == columns
        assert aspect["aspect_key"] == f"{entry['project']}.{entry['location']}.data-contract"
        trusted = resources[f'google_bigquery_table.trusted["{folder.name}"]']
        path = f"datasets/{trusted['dataset_id']}/tables/{trusted['table_id']}"
        assert entry["entry_source"][0]["resource"].endswith(path)


def _type_of(value: object) -> str:
    return {str: "string", int: "int", dict: "map"}[type(value)]
