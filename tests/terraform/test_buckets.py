"""What becomes of an object as it grows old: the plan's rules, asked about names that the code gives."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from landfall_dags.election import attempt_uri, elected_uri
from landfall_dags.identity import SourceFile
from landfall_dags.journal import archive_uri, folder_uri, open_uri
from landfall_dags.pipeline import load_pipelines
from tests.terraform.plan import Plan, of_type, planned
from tests.terraform.workspace import ENVIRONMENTS, LOCAL, ROOT, Terraform

DATASETS_DIR = ROOT / "bigquery" / "datasets"
RETENTION = {
    pipeline.dataset: json.loads((DATASETS_DIR / pipeline.dataset / "pipeline.json").read_text())["retention"]
    for pipeline in load_pipelines(DATASETS_DIR)
}
EVER = 36_500  # days
BATCH = "0" * 32
everywhere = pytest.mark.parametrize("environment", (*ENVIRONMENTS, LOCAL))


def bucket(plan: Plan, purpose: str) -> dict[str, Any]:
    return planned(plan)[f'google_storage_bucket.bucket["{purpose}"]']


def deletes(plan: Plan, purpose: str, name: str, days: int) -> bool:
    """Whether an object that is live and so many days old is deleted."""
    return any(rule == "Delete" for rule, _ in actions(plan, purpose, name, days))


def actions(plan: Plan, purpose: str, name: str, days: int) -> Iterator[tuple[str, str | None]]:
    for rule in bucket(plan, purpose)["lifecycle_rule"]:
        (condition,), (action,) = rule["condition"], rule["action"]
        of_others = (
            condition["days_since_noncurrent_time"] or action["type"] == "AbortIncompleteMultipartUpload"
        )
        if (
            not of_others
            and days >= (condition["age"] or 0)
            and any(name.startswith(prefix) for prefix in condition["matches_prefix"] or [""])
            and any(name.endswith(suffix) for suffix in condition["matches_suffix"] or [""])
        ):
            yield action["type"], action["storage_class"]


def name_of(uri: str) -> str:
    return uri.removeprefix("gs://").partition("/")[2]


def originals(dataset: str) -> list[str]:
    created = "2026-11-21T01:26:00Z"
    names = ("a.csv", "in/b.csv.gz", "journal/c.parquet.csv")
    return [
        name_of(
            archive_uri(
                "archive", dataset, SourceFile(f"gs://landing/{dataset}/{name}", 1, 1, "", "", created)
            )
        )
        for name in names
    ]


@everywhere
def test_what_is_pending_never_expires(plans: Mapping[str, Plan], environment: str) -> None:
    for dataset in RETENTION:
        assert not deletes(plans[environment], "landing", f"{dataset}/a.csv", EVER)


@everywhere
def test_journal_manifests_and_metrics_never_expire(plans: Mapping[str, Plan], environment: str) -> None:
    for dataset in RETENTION:
        folder = folder_uri("lake", dataset, BATCH)
        for uri in (
            open_uri("lake", dataset),
            f"{folder}/manifest.json",
            f"{folder}/pipeline.json",
            elected_uri(folder),
            attempt_uri(folder, "job"),
        ):
            assert not deletes(plans[environment], "lake", name_of(uri), EVER)


@everywhere
def test_parquet_expires_when_its_contract_says(plans: Mapping[str, Plan], environment: str) -> None:
    for dataset, retention in RETENTION.items():
        attempt = attempt_uri(folder_uri("lake", dataset, BATCH), "job").removesuffix("metrics.json")
        for kind in ("accepted", "rejected", "repeats"):
            part = name_of(f"{attempt}{kind}/part-00000.parquet")
            assert not deletes(plans[environment], "lake", part, retention["lake_days"] - 1)
            assert deletes(plans[environment], "lake", part, retention["lake_days"])


@everywhere
@pytest.mark.parametrize(("purpose", "field"), [("archive", "archive_days"), ("rejected", "rejected_days")])
def test_originals_expire_when_their_contract_says_and_else_never(
    plans: Mapping[str, Plan], environment: str, purpose: str, field: str
) -> None:
    assert {retention[field] is None for retention in RETENTION.values()} == {True, False}
    for dataset, retention in RETENTION.items():
        days = retention[field]
        for name in originals(dataset) + [f"{name}.error.json" for name in originals(dataset)]:
            if days is None:
                assert not deletes(plans[environment], purpose, name, EVER)
            else:
                assert not deletes(plans[environment], purpose, name, days - 1)
                assert deletes(plans[environment], purpose, name, days)
            # A dataset whose name begins as this one's is another.
            assert not deletes(plans[environment], purpose, f"{dataset}_2/{name}", EVER)


@everywhere
def test_originals_move_to_colder_classes(plans: Mapping[str, Plan], environment: str) -> None:
    def classes(days: int) -> set[str | None]:
        found = actions(plans[environment], "archive", "price_quote/2026-11-21/a.csv", days)
        return {storage_class for action, storage_class in found if action == "SetStorageClass"}

    assert classes(29) == set()
    assert classes(30) == {"NEARLINE"}
    assert classes(90) == {"NEARLINE", "COLDLINE"}
    assert classes(365) == {"NEARLINE", "COLDLINE", "ARCHIVE"}


@everywhere
def test_what_is_deleted_can_be_brought_back_where_it_is_data(
    plans: Mapping[str, Plan], environment: str
) -> None:
    days = {
        values["name"].removeprefix(f"landfall-{environment}-"): policy["retention_duration_seconds"] / 86400
        for values in of_type(plans[environment], "google_storage_bucket").values()
        for policy in values["soft_delete_policy"]
    }
    assert days["archive"] == 30
    assert {days["landing"], days["rejected"], days["lake"]} == {7}
    # A claim writes the journal anew each time: versions of it would pile up.
    assert bucket(plans[environment], "lake")["versioning"] == [{"enabled": False}]
    assert bucket(plans[environment], "code")["versioning"] == [{"enabled": True}]


@everywhere
def test_a_bucket_with_something_in_it_is_deleted_only_where_nothing_is_protected(
    plans: Mapping[str, Plan], environment: str
) -> None:
    unprotected = {
        values["force_destroy"] for values in of_type(plans[environment], "google_storage_bucket").values()
    }
    assert unprotected == {environment in ("dev", LOCAL)}


def test_retention_follows_the_contract_and_classes_their_variable(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    assert plans  # skips where nothing can be planned
    workspace = terraform.copy("retention")
    pipeline = workspace.root / "bigquery" / "datasets" / "price_quote" / "pipeline.json"
    document = json.loads(pipeline.read_text())
    document["retention"] = {"archive_days": 40, "rejected_days": 50, "raw_days": None, "lake_days": 60}
    pipeline.write_text(json.dumps(document))
    plan = workspace.plan("prod", "-var=archive_classes={}")
    for purpose, days in (("archive", 40), ("rejected", 50)):
        assert deletes(plan, purpose, "price_quote/2026-11-21/a.csv", days)
        assert not deletes(plan, purpose, "price_quote/2026-11-21/a.csv", days - 1)
    assert not deletes(plan, "lake", "price_quote/x/attempts/y/accepted/part-00000.parquet", 59)
    assert not list(actions(plan, "archive", "bill_of_materials/2026-11-21/a.csv", EVER))
