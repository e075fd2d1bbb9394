"""What happens to files on one local cloud: arrival, correction, burst, damage, restart."""

import csv
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.e2e.local_cloud import Cloud, sample
from tests.e2e.oracle import differences

pytestmark = pytest.mark.e2e

NAMED_ODDLY = {
    "price_quote_empty.csv": (b"", "rejected", "empty_file"),
    "price_quote_wrong_header.csv": (b"a,b,c\n1,2,3\n", "rejected", "header_mismatch"),
    "price_quote_not_text.csv": (bytes(range(256)) * 64, "rejected", "not_text"),
}


def _assert_equals_oracle(cloud: Cloud, dataset: str, oldest_first: list[Path], scratch: Path) -> None:
    found = differences(
        dataset, oldest_first, cloud.run("query", f"SELECT * FROM trusted.{dataset}", "--csv"), scratch
    )
    assert found["expected"] > 0
    assert found == {
        "expected": found["expected"],
        "trusted": found["expected"],
        "missing": 0,
        "unexpected": 0,
    }


@pytest.fixture(scope="module")
def dropped() -> dict[str, list[Path]]:
    """The well-formed files dropped so far, oldest first, by dataset."""
    return {"price_quote": [], "bill_of_materials": [], "comp_boss": []}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def test_samples_reach_trusted_exactly(cloud: Cloud, dropped: dict[str, list[Path]], files: Path) -> None:
    arriving = {dataset: sample(files, dataset, rows, seed=7) for dataset, rows in
                [("price_quote", 3000), ("bill_of_materials", 1000), ("comp_boss", 150)]}  # fmt: skip
    output = cloud.run("drop", "--wait", *map(str, arriving.values()))
    assert "3000" in output.replace(",", "")
    for dataset, path in arriving.items():
        dropped[dataset].append(path)
        _assert_equals_oracle(cloud, dataset, dropped[dataset], files)


def test_damaged_files_end_in_a_clear_state_and_block_no_other(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    header = dropped["price_quote"][0].read_text().split("\n", 1)[0]
    for name, (content, _, _) in NAMED_ODDLY.items():
        (files / name).write_bytes(content)
    header_only = files / "price_quote_header_only.csv"
    header_only.write_text(header + "\n")
    good = sample(files, "price_quote", 500, seed=8, name="price_quote_good.csv")
    ignored = files / "notes.txt"
    ignored.write_text("not a CSV\n")

    cloud.run(
        "drop",
        "--dataset",
        "price_quote",
        *(str(files / name) for name in NAMED_ODDLY),
        str(header_only),
        str(ignored),
    )
    cloud.run("drop", "--wait", str(good))
    dropped["price_quote"].append(good)
    _assert_equals_oracle(cloud, "price_quote", dropped["price_quote"], files)

    cloud.wait_for(
        "the damaged files are in the ledger",
        lambda: len(cloud.query("SELECT 1 AS n FROM ops.files WHERE state = 'rejected'")) == len(NAMED_ODDLY),
    )
    ledger = {
        row["source_uri"].rsplit("/", 1)[1]: row
        for row in cloud.query(
            "SELECT source_uri, state, reason, detail, archive_uri, rejected_uri FROM ops.files"
        )
    }
    rejected = {blob.name: blob for blob in cloud.bucket("rejected").list_blobs()}
    for name, (content, state, reason) in NAMED_ODDLY.items():
        assert (ledger[name]["state"], ledger[name]["reason"]) == (state, reason)
        kept = ledger[name]["rejected_uri"].split("/", 3)[3]
        assert rejected[kept].download_as_bytes() == content
        assert json.loads(rejected[f"{kept}.error.json"].download_as_bytes())["reason"] == reason
    assert (ledger[header_only.name]["state"], ledger[header_only.name]["reason"]) == ("loaded", "no_rows")

    assert cloud.pending() == ["price_quote/notes.txt"]
    shown = cloud.run("status")
    for name in (*NAMED_ODDLY, header_only.name):
        assert name in shown
    assert "ignored" in shown and "notes.txt" in shown
    cloud.bucket("landing").blob("price_quote/notes.txt").delete()


def test_bad_rows_are_accounted_for_one_by_one(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    whole = sample(files, "comp_boss", 40, seed=9, name="whole.csv")
    lines = whole.read_text().splitlines()
    damaged = files / "comp_boss_damaged.csv"
    damaged.write_text("\n".join([*lines, "C-99991,only two", "NA" + "," + lines[1].split(",", 1)[1]]) + "\n")
    cloud.run("drop", "--wait", str(damaged))
    dropped["comp_boss"].append(whole)
    _assert_equals_oracle(cloud, "comp_boss", dropped["comp_boss"], files)

    (file,) = cloud.query(
        "SELECT rows_read, rows_accepted, rows_rejected FROM ops.files "
        "WHERE source_uri LIKE '%comp_boss_damaged.csv'"
    )
    assert {name: int(value) for name, value in file.items()} == {
        "rows_read": 42,
        "rows_accepted": 40,
        "rows_rejected": 2,
    }
    rejected = cloud.query(
        "SELECT source_row, r.code AS code FROM ops.rejected_rows, UNNEST(reasons) AS r "
        "ORDER BY source_row, code"
    )
    assert [(int(row["source_row"]), row["code"]) for row in rejected] == [
        (41, "ragged_row"),
        (42, "null_in_required"),
    ]

    corrected = files / "comp_boss_corrected.csv"
    assert "2 rejected rows" in cloud.run("rejects", "comp_boss", "--csv", str(corrected))
    rest = lines[1].split(",", 1)[1]
    exported = [lines[0], "C-99991,only two", f"NA,{rest}"]
    assert corrected.read_text().splitlines() == exported
    with corrected.with_name(f"{corrected.name}.reasons.csv").open(newline="") as stream:
        beside = [
            (row["record"], row["source_row"], row["code"], row["column"]) for row in csv.DictReader(stream)
        ]
    assert beside == [("1", "41", "ragged_row", ""), ("2", "42", "null_in_required", "component_id")]

    corrected.write_text("\n".join([lines[0], f"C-99991,{rest}", f"C-99992,{rest}"]) + "\n")
    cloud.run("drop", "--wait", str(corrected))
    dropped["comp_boss"].append(corrected)
    _assert_equals_oracle(cloud, "comp_boss", dropped["comp_boss"], files)


def test_a_batch_with_too_many_bad_rows_is_refused_and_holds_up_nothing(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    untidy = sample(files, "bill_of_materials", 8, seed=13, name="bill_of_materials_untidy.csv")
    whole = untidy.read_text()
    untidy.write_text(f"{whole}TA-99991,too,short\n")
    output = cloud.run("drop", "--wait", str(untidy), exit_code=1)
    assert "too_many_rejected_rows" in output
    assert "1 of 9 rows of the batch were rejected" in output

    (batch,) = cloud.query("SELECT batch_id, state, rows_merged FROM ops.batches WHERE state != 'succeeded'")
    assert (batch["state"], int(batch["rows_merged"])) == ("rejected", 0)
    shown = cloud.run("rejects", "bill_of_materials", "--batch", batch["batch_id"][:12])
    assert "TA-99991,too,short" in shown
    assert not cloud.query(
        "SELECT 1 AS n FROM raw.bill_of_materials "
        f"WHERE DATE(_ingested_at) >= '2000-01-01' AND _batch_id = '{batch['batch_id']}'"
    )
    _assert_equals_oracle(cloud, "bill_of_materials", dropped["bill_of_materials"], files)
    (kept,) = [
        blob
        for blob in cloud.bucket("rejected").list_blobs(prefix="bill_of_materials/")
        if not blob.name.endswith(".error.json")
    ]
    assert kept.download_as_bytes() == untidy.read_bytes()

    untidy.write_text(whole)
    cloud.run("drop", "--wait", str(untidy))
    dropped["bill_of_materials"].append(untidy)
    _assert_equals_oracle(cloud, "bill_of_materials", dropped["bill_of_materials"], files)

    exports = cloud.exports()

    def runs() -> list[str]:
        url = f"{exports['AIRFLOW_API_URL']}/dags/ingest_bill_of_materials/dagRuns"
        sign_in = {"Authorization": f"Bearer {exports['AIRFLOW_API_TOKEN']}"}
        found = requests.get(url, headers=sign_in, timeout=30).json()["dag_runs"]
        return sorted(run["state"] for run in found if run["dag_run_id"].startswith("bill_of_materials__"))

    cloud.wait_for(
        "the refused batch's run failed, and no other", lambda: set(runs()) == {"failed", "success"}
    )
    assert runs().count("failed") == 1


def test_a_run_that_is_cleared_takes_what_is_pending_then(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    """Its tasks remember the batch that they had before; nothing of that may pass for the new batch's."""
    exports = cloud.exports()
    sign_in = {"Authorization": f"Bearer {exports['AIRFLOW_API_TOKEN']}"}
    dag = f"{exports['AIRFLOW_API_URL']}/dags/ingest_bill_of_materials"

    def patch(change: dict[str, bool]) -> None:
        requests.patch(dag, json=change, headers=sign_in, timeout=30).raise_for_status()

    (first,) = cloud.query(
        "SELECT run_id FROM ops.batches WHERE dataset = 'bill_of_materials' ORDER BY claimed_at LIMIT 1"
    )
    path = sample(files, "bill_of_materials", 70, seed=13, name="bill_of_materials_cleared.csv")
    patch({"is_paused": True})
    cloud.run("drop", str(path))
    cleared = requests.post(
        f"{dag}/dagRuns/{first['run_id']}/clear", json={"dry_run": False}, headers=sign_in, timeout=30
    )
    cleared.raise_for_status()
    patch({"is_paused": False})
    cloud.wait_for(
        "the file that was pending is in the ledger",
        lambda: bool(cloud.query(f"SELECT 1 AS n FROM ops.files WHERE source_uri LIKE '%{path.name}'")),
    )
    dropped["bill_of_materials"].append(path)
    _assert_equals_oracle(cloud, "bill_of_materials", dropped["bill_of_materials"], files)


def test_airflow_answers_a_burst_of_requests_for_runs(cloud: Cloud) -> None:
    """Its database here has one writer at a time: requests that write must not lock one another out."""
    exports = cloud.exports()
    runs = f"{exports['AIRFLOW_API_URL']}/dags/ingest_comp_boss/dagRuns"
    sign_in = {"Authorization": f"Bearer {exports['AIRFLOW_API_TOKEN']}"}
    run_ids = [f"burst__{number}" for number in range(5)]

    def ask(run_id: str) -> int:
        body = {"logical_date": None, "dag_run_id": run_id, "run_after": "2099-01-01T00:00:00Z"}
        return requests.post(runs, json=body, headers=sign_in, timeout=30).status_code

    with ThreadPoolExecutor(16) as threads:
        answers = sorted(threads.map(ask, run_ids * 16))
    assert answers == [200] * len(run_ids) + [409] * 15 * len(run_ids)
    for run_id in run_ids:
        assert requests.delete(f"{runs}/{run_id}", headers=sign_in, timeout=30).status_code == 204


def test_a_burst_of_25_files_makes_at_most_2_clusters(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    """New rows, corrections of earlier rows and the first file again: the newest of each key wins."""
    first = dropped["price_quote"][0]
    with first.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    corrected = files / "price_quote_corrected.csv"
    with corrected.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**row, "cost": f"{number}.000000000000000001"} for number, row in enumerate(rows[:200])
        )
    burst = [
        sample(files, "price_quote", 200, seed=100 + n, name=f"price_quote_{n:02}.csv") for n in range(23)
    ]
    burst.append(Path(shutil.copy(first, files / "price_quote_first_again.csv")))
    burst.append(corrected)

    landing = cloud.bucket("landing")
    for path in burst:
        landing.blob(f"price_quote/burst/{path.name}").upload_from_filename(str(path))
    counted = (
        "SELECT files.state, cluster_name FROM ops.files JOIN ops.batches USING (batch_id) "
        "WHERE source_uri LIKE '%/burst/%'"
    )
    cloud.wait_for("25 files are in the ledger", lambda: len(cloud.query(counted)) == 25)
    found = cloud.query(counted)
    assert {row["state"] for row in found} == {"loaded"}
    assert len({row["cluster_name"] for row in found}) <= 2
    dropped["price_quote"].extend(burst)
    _assert_equals_oracle(cloud, "price_quote", dropped["price_quote"], files)
    assert cloud.pending() == []


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_storage_and_bq_work_with_what_landfall_env_prints(
    cloud: Cloud, dropped: dict[str, list[Path]], files: Path
) -> None:
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**clean, **cloud.exports()}
    path = sample(files, "comp_boss", 30, seed=11, name="comp_boss_by_gcloud.csv")

    def client(*command: str) -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    landing = f"gs://{environment['LANDFALL_LANDING_BUCKET']}"
    client("gcloud", "storage", "cp", str(path), f"{landing}/comp_boss/{path.name}")
    cloud.wait_for(
        "the file that gcloud copied is in the ledger",
        lambda: bool(cloud.query(f"SELECT 1 AS n FROM ops.files WHERE source_uri LIKE '%{path.name}'")),
    )
    dropped["comp_boss"].append(path)
    _assert_equals_oracle(cloud, "comp_boss", dropped["comp_boss"], files)

    archive = f"gs://{environment['LANDFALL_ARCHIVE_BUCKET']}"
    (archived,) = [
        line
        for line in client("gcloud", "storage", "ls", "--recursive", archive).split()
        if path.name in line
    ]
    assert client("gcloud", "storage", "cat", archived) == path.read_text()

    counted = json.loads(
        client(
            "bq",
            "--format=json",
            "query",
            "--use_legacy_sql=false",
            "SELECT COUNT(*) AS n FROM trusted.comp_boss",
        )
    )
    assert int(counted[0]["n"]) == int(cloud.query("SELECT COUNT(*) AS n FROM trusted.comp_boss")[0]["n"])
    shown = json.loads(client("bq", "--format=json", "show", "trusted.price_quote"))
    assert shown["clustering"]["fields"] == ["supplier", "tube_assembly_id"]
    assert shown["timePartitioning"] == {"field": "quote_date", "type": "MONTH"}


def test_everything_survives_a_restart(cloud: Cloud, dropped: dict[str, list[Path]], files: Path) -> None:
    cloud.run("up")
    before = cloud.processes()
    assert before
    cloud.run("down")
    assert cloud.processes() == []
    cloud.run("up")
    for dataset, paths in dropped.items():
        _assert_equals_oracle(cloud, dataset, paths, files)
    path = sample(files, "bill_of_materials", 50, seed=12, name="bill_of_materials_after_restart.csv")
    cloud.run("drop", "--wait", str(path))
    dropped["bill_of_materials"].append(path)
    _assert_equals_oracle(cloud, "bill_of_materials", dropped["bill_of_materials"], files)
