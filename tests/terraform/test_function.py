"""The function as it would be deployed: what its archive holds, who reaches it, where dead letters go."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.plan import Plan, planned
from tests.terraform.workspace import ROOT, Terraform

FOLDER = ROOT / "functions" / "trigger_ingest"
FUNCTION = "google_cloudfunctions2_function.trigger_ingest[0]"
DEAD_LETTERS = ("google_pubsub_topic.dead_letter", "google_pubsub_subscription.dead_letter")
# Loads the folder that it is started in as the platform does, and delivers one event.
DELIVER = """
import json, os, sys
from functions_framework import create_app

event = json.load(sys.stdin)
app = create_app(os.environ["TARGET"], "main.py", "cloudevent")
answer = app.test_client().post("/", headers=event["headers"], json=event["data"])
print(answer.status_code)
"""


def archive(plan: Plan, folder: str = "trigger_ingest") -> dict[str, str]:
    """The files of a function's source, name and text, as Terraform would zip them."""
    resources = plan["prior_state"]["values"]["root_module"]["resources"]
    values = next(
        resource["values"]
        for resource in resources
        if resource["address"] == f'data.archive_file.function["{folder}"]'
    )
    return {source["filename"]: source["content"] for source in values["source"]}


def object_name(plan: Plan, folder: str = "trigger_ingest") -> str:
    return str(planned(plan)[f'google_storage_bucket_object.function["{folder}"]']["name"])


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_an_event_is_delivered_until_it_is_taken(plans: Mapping[str, Plan], environment: str) -> None:
    function = planned(plans[environment])[FUNCTION]
    (trigger,) = function["event_trigger"]
    project = plans[environment]["variables"]["project"]["value"]
    assert trigger["retry_policy"] == "RETRY_POLICY_RETRY"
    assert trigger["event_type"] == "google.cloud.storage.object.v1.finalized"
    assert [(of["attribute"], of["value"]) for of in trigger["event_filters"]] == [
        ("bucket", f"{project}-landing")
    ]
    assert trigger["service_account_email"] == f"landfall-trigger@{project}.iam.gserviceaccount.com"


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_the_function_is_reached_by_events_alone_and_runs_as_itself(
    plans: Mapping[str, Plan], environment: str
) -> None:
    function = planned(plans[environment])[FUNCTION]
    (service,), (build,) = function["service_config"], function["build_config"]
    accounts = f"{plans[environment]['variables']['project']['value']}.iam.gserviceaccount.com"
    assert service["ingress_settings"] == "ALLOW_INTERNAL_ONLY"
    assert service["service_account_email"] == f"landfall-function@{accounts}"
    assert build["service_account"].endswith(f"/serviceAccounts/landfall-build@{accounts}")
    assert build["docker_repository"].endswith("/repositories/landfall-function")


def test_a_thread_for_each_request_and_a_core_for_the_threads(plans: Mapping[str, Plan]) -> None:
    """docs/scale.md measured one process of 16 threads on one core."""
    (service,) = planned(plans["dev"])[FUNCTION]["service_config"]
    environment = service["environment_variables"]
    assert environment["WORKERS"] == "1"
    assert environment["THREADS"] == str(service["max_instance_request_concurrency"]) == "16"
    assert service["available_cpu"] == "1"


def test_the_function_has_longer_than_it_waits_for_airflow(plans: Mapping[str, Plan]) -> None:
    (service,) = planned(plans["dev"])[FUNCTION]["service_config"]
    wait = next(
        line.partition("=")[2]
        for line in (FOLDER / "airflow_api.py").read_text().splitlines()
        if line.startswith("REQUEST_TIMEOUT_SECONDS")
    )
    assert service["timeout_seconds"] > 2 * float(wait)


def test_the_archive_is_the_folder(plans: Mapping[str, Plan]) -> None:
    files = {path.name: path.read_text() for path in FOLDER.iterdir() if path.is_file()}
    assert archive(plans["prod"]) == files


def test_the_archive_takes_an_event(plans: Mapping[str, Plan], tmp_path: Path) -> None:
    """With nothing but the archive and the environment of the plan."""
    for name, text in archive(plans["dev"]).items():
        (tmp_path / name).write_text(text)
    function = planned(plans["dev"])[FUNCTION]
    (service,), (build,) = function["service_config"], function["build_config"]
    event = {
        "headers": {
            "ce-id": "1",
            "ce-source": "//storage.googleapis.com/projects/_/buckets/landfall-dev-landing",
            "ce-specversion": "1.0",
            "ce-type": function["event_trigger"][0]["event_type"],
        },
        "data": {
            "bucket": function["event_trigger"][0]["event_filters"][0]["value"],
            "name": "elsewhere.csv",
            "generation": "1",
            "metageneration": "1",
            "size": "0",
        },
    }
    completed = subprocess.run(
        [sys.executable, "-c", DELIVER],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "TARGET": build["entry_point"],
            # Known after Composer is there.
            "LANDFALL_AIRFLOW_URL": "https://airflow.example.com",
            **service["environment_variables"],
        },
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=False,
    )
    *entries, status = completed.stdout.splitlines()
    assert (status, completed.stderr) == ("200", "")
    assert [json.loads(entry)["logging.googleapis.com/labels"]["outcome"] for entry in entries] == ["ignored"]


def test_other_code_is_another_object_and_what_python_leaves_behind_is_none_of_it(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    workspace = terraform.copy("function_code")
    folder = workspace.root / "functions" / "trigger_ingest"
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.cpython-312.pyc").write_bytes(b"\0")
    (folder / "main.pyc").write_bytes(b"\0")
    (folder / "errors.py").write_text((folder / "errors.py").read_text() + "\n")
    plan = workspace.plan("dev")
    assert archive(plan).keys() == archive(plans["dev"]).keys()
    assert object_name(plan) != object_name(plans["dev"])
    assert object_name(plan, "control_room") == object_name(plans["dev"], "control_room")
    (build,) = planned(plan)[FUNCTION]["build_config"]
    assert build["source"][0]["storage_source"][0]["object"] == object_name(plan)


@pytest.mark.parametrize("environment", ["dev", "stg", "prod"])
def test_dead_letters_are_bound_to_the_trigger_and_kept_for_a_month(
    plans: Mapping[str, Plan], environment: str
) -> None:
    found = planned(plans[environment])
    topic, subscription = (found[address] for address in DEAD_LETTERS)
    assert subscription["message_retention_duration"] == "2678400s"
    assert subscription["expiration_policy"] == [{"ttl": ""}]
    assert topic["message_storage_policy"][0]["allowed_persistence_regions"] == ["us-central1"]
    assert "terraform_data.dead_letters[0]" in found
    publishers = [
        grant["member"]
        for address, grant in found.items()
        if address.startswith("google_pubsub_topic_iam_member.")
        and grant["topic"] == topic["name"]
        and grant["role"] == "roles/pubsub.publisher"
    ]
    assert [member.rpartition("@")[2] for member in publishers] == ["gcp-sa-pubsub.iam.gserviceaccount.com"]


def test_the_local_cloud_has_no_gcloud_to_call(plans: Mapping[str, Plan]) -> None:
    assert (
        not {"terraform_data.dead_letters[0]", "terraform_data.token_key[0]"} & planned(plans["local"]).keys()
    )


def test_at_night_the_function_is_gone_and_what_holds_data_stays(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    night = planned(terraform.copy("night").plan("dev", "-var=composer_enabled=false"))
    gone = planned(plans["dev"]).keys() - night.keys()
    assert {FUNCTION, "terraform_data.dead_letters[0]"} <= gone
    # An alert on an Airflow that is meant to be away goes too; nothing else.
    kept = ("google_storage_bucket.", "google_bigquery_", "google_pubsub_", "google_secret_manager_secret.")
    assert not [address for address in gone if address.startswith(kept)]
    assert {*DEAD_LETTERS, 'google_storage_bucket.bucket["landing"]'} <= night.keys()
