"""The control room as it would be deployed: what its archive holds, whom it runs as, where its links lead."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.deployment.links import fill
from localcloud.launcher.cloud import Cloud
from localcloud.launcher.links import make_links
from tests.terraform.plan import Plan, planned
from tests.terraform.test_function import archive, object_name
from tests.terraform.test_settings import AIRFLOW_URL, cloud, control_room_environment
from tests.terraform.workspace import Plans, Terraform

FUNCTION = "google_cloudfunctions2_function.control_room"
# Loads the folder that it is started in as the platform does, and opens two pages.
OPEN = """
import os
from functions_framework import create_app

client = create_app(os.environ["TARGET"], "main.py", "http").test_client()
for path in ("/healthz", "/catalogue", "/nowhere"):
    print(client.get(path).status_code)
"""
# What a signed-in machine would have; nothing is asked with it.
CREDENTIALS = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}

__all__ = ["cloud"]


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_it_runs_as_the_reader_and_is_there_when_nobody_looks_for_nothing(
    plans: Mapping[str, Plan], environment: str
) -> None:
    function = planned(plans[environment])[FUNCTION]
    (service,), (build,) = function["service_config"], function["build_config"]
    accounts = f"{plans[environment]['variables']['project']['value']}.iam.gserviceaccount.com"
    assert service["service_account_email"] == f"landfall-reader@{accounts}"
    assert service["min_instance_count"] == 0
    assert service["environment_variables"]["WORKERS"] == "1"
    threads = service["environment_variables"]["THREADS"]
    assert threads == str(service["max_instance_request_concurrency"])
    assert build["service_account"].endswith(f"/serviceAccounts/landfall-build@{accounts}")
    assert function["event_trigger"] == []


def test_the_archive_is_the_folder_and_the_catalogue(plans: Plans) -> None:
    folder, warehouse = plans.root / "functions" / "control_room", plans.root / "bigquery"
    # What tools leave behind is none of it.
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    files = {
        str(name): (folder / name).read_text()
        for name in names
        if not any(part.startswith((".", "__pycache__")) for part in name.parts)
    }
    catalogue = {
        f"catalog/{path.relative_to(warehouse)}": path.read_text()
        for path in warehouse.glob("*/**/catalog.json")
    }
    assert archive(plans["prod"], "control_room") == files | catalogue
    assert {name.split("/")[2] for name in catalogue if name.startswith("catalog/datasets/")} == {
        path.parent.name for path in (warehouse / "datasets").glob("*/contract.yaml")
    }
    assert "catalog/marts/catalog.json" in catalogue


def test_the_archive_serves_pages(plans: Mapping[str, Plan], tmp_path: Path) -> None:
    """With nothing but the archive and the environment of the plan."""
    for name, text in archive(plans["dev"], "control_room").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "credentials.json").write_text(json.dumps(CREDENTIALS))
    (build,) = planned(plans["dev"])[FUNCTION]["build_config"]
    completed = subprocess.run(
        [sys.executable, "-c", OPEN],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "TARGET": build["entry_point"],
            "GOOGLE_APPLICATION_CREDENTIALS": "credentials.json",
            **control_room_environment(plans["dev"]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout.split() == ["200", "200", "404"], completed.stderr


def test_other_words_or_another_contract_are_another_object(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    before = object_name(plans["dev"], "control_room")
    for file in (
        "functions/control_room/room/words/common.en.json",
        "bigquery/datasets/price_quote/catalog.json",
    ):
        workspace = terraform.copy("control_room_code")
        (workspace.root / file).write_text((workspace.root / file).read_text() + "\n")
        assert object_name(workspace.plan("dev"), "control_room") != before


def test_at_night_it_stays_and_links_to_no_run(terraform: Terraform, plans: Mapping[str, Plan]) -> None:
    assert plans
    plan = terraform.copy("control_room_night").plan("dev", "-var=composer_enabled=false")
    links = json.loads(control_room_environment(plan)["LANDFALL_LINKS"])
    assert links == plan["planned_values"]["outputs"]["links"]["value"]
    assert "run" not in links


def test_with_a_new_airflow_it_is_made_anew_and_so_are_the_rights_on_it(terraform: Terraform) -> None:
    """Its links hold Airflow's address; what is made anew has no grants."""
    if not terraform.offline:
        pytest.skip("applying without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    workspace = terraform.copy("new_airflow")
    settings = (
        "-input=false",
        "-lock=false",
        "-no-color",
        f"-var-file={workspace.var_file('local')}",
        '-var=control_room_viewers=["user:you@example.com"]',
    )
    workspace.run("apply", "-auto-approve", *settings, check=True)
    workspace.run(
        "plan", "-out=new.tfplan", "-replace=google_composer_environment.airflow[0]", *settings, check=True
    )
    plan = json.loads(workspace.run("show", "-json", "new.tfplan", check=True).stdout)
    replaced = {
        change["address"]
        for change in plan["resource_changes"]
        if {"create", "delete"} <= set(change["change"]["actions"])
    }
    assert {
        FUNCTION,
        "google_cloudfunctions2_function.trigger_ingest[0]",
        'google_cloud_run_v2_service_iam_member.grant["trigger run.invoker trigger-ingest"]',
        'google_cloud_run_v2_service_iam_member.grant["user:you@example.com run.invoker control-room"]',
    } <= replaced


# Where each kind of link leads, filled in with the names of a batch of the ledger.
VALUES = {
    "dag_id": "ingest_price_quote",
    "run_id": "price_quote__2026-11-21T14:28:56Z",
    "job_id": "lf-price-quote-056292769fb2-1",
    "bucket": "landfall-dev-archive",
    "name": "price_quote/2026-11-21/1-a b#c.csv",
    "dataset": "trusted",
    "table": "price_quote",
}
LEADS_TO = {
    "run": f"{AIRFLOW_URL}/dags/ingest_price_quote/runs/price_quote__2026-11-21T14%3A28%3A56Z",
    "bigquery_job": "https://console.cloud.google.com/bigquery?project=landfall-dev"
    "&ws=!1m5!1m4!1m3!1slandfall-dev!2slf-price-quote-056292769fb2-1!3sus-central1",
    "dataproc_job": "https://console.cloud.google.com/dataproc/jobs/lf-price-quote-056292769fb2-1"
    "?region=us-central1&project=landfall-dev",
    "object": "https://console.cloud.google.com/storage/browser/_details/landfall-dev-archive/"
    "price_quote/2026-11-21/1-a%20b%23c.csv?project=landfall-dev",
    "table": "https://console.cloud.google.com/bigquery?project=landfall-dev"
    "&p=landfall-dev&d=trusted&t=price_quote&page=table",
}


def test_every_link_leads_to_its_page(plans: Mapping[str, Plan]) -> None:
    links = json.loads(control_room_environment(plans["dev"])["LANDFALL_LINKS"])
    assert {kind: fill(template, **VALUES) for kind, template in links.items()} == LEADS_TO


def test_the_local_links_are_of_the_same_kinds_and_ask_for_the_same_values(
    plans: Mapping[str, Plan], cloud: Cloud
) -> None:
    deployed = json.loads(control_room_environment(plans["dev"])["LANDFALL_LINKS"])
    local = make_links(cloud)
    asked = {kind: set(re.findall(r"{(\w+)}", template)) for kind, template in deployed.items()}
    assert {kind: set(re.findall(r"{(\w+)}", template)) for kind, template in local.items()} == {
        kind: asked[kind] for kind in local
    }
    # There is no console, so no page for these.
    assert asked.keys() - local.keys() == {"object", "table"}
