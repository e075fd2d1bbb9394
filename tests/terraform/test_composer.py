"""Composer's settings: who gets in, how big it is, and what is refused before Google would, much later."""

import json
from importlib.metadata import version
from typing import Any

import pytest

from tests.terraform.plan import Plan, planned
from tests.terraform.test_settings import airflow_options
from tests.terraform.workspace import Plans, Terraform, Workspace, said

COMPOSER = "google_composer_environment.airflow[0]"


@pytest.fixture(scope="module")
def workspace(terraform: Terraform) -> Workspace:
    return terraform.copy("composer")


def composer(plan: Plan) -> dict[str, Any]:
    config: dict[str, Any] = planned(plan)[COMPOSER]["config"][0]
    return config


@pytest.mark.parametrize("environment", ["dev", "stg", "prod"])
def test_the_function_can_reach_airflow_and_whoever_is_new_gets_little(
    plans: Plans, environment: str
) -> None:
    config = composer(plans[environment])
    assert config["enable_private_environment"] is False
    (control,) = config["web_server_network_access_control"]
    assert {place["value"] for place in control["allowed_ip_range"]} == {"0.0.0.0/0", "::0/0"}
    roles = {
        value
        for option, value in airflow_options(plans[environment]).items()
        if option.endswith("user_registration_role")
    }
    assert roles == {"User"}


@pytest.mark.parametrize("environment", ["dev", "stg", "prod"])
def test_it_runs_as_its_own_account_on_its_own_bucket(plans: Plans, environment: str) -> None:
    plan = plans[environment]
    project = plan["variables"]["project"]["value"]
    assert planned(plan)[COMPOSER]["storage_config"] == [{"bucket": f"{project}-composer"}]
    (node,) = composer(plan)["node_config"]
    assert node["service_account"] == f"landfall-composer@{project}.iam.gserviceaccount.com"


def test_lineage_goes_to_google_and_comes_from_the_dags_alone(plans: Plans) -> None:
    (software,) = composer(plans["dev"])["software_config"]
    assert software["cloud_data_lineage_integration"] == [{"enabled": True}]
    assert 'google_project_service.api["datalineage.googleapis.com"]' in planned(plans["dev"])
    (rule,) = json.loads(airflow_options(plans["dev"])["openlineage-emission_policy"])
    assert (rule["controls"], rule["locked"]) == ({"emit": False}, True)


def test_it_runs_the_airflow_that_the_tests_run(plans: Plans) -> None:
    (software,) = composer(plans["local"])["software_config"]
    assert software["image_version"] == f"composer-3-airflow-{version('apache-airflow')}"


def test_dev_is_as_small_as_composer_allows(plans: Plans) -> None:
    config = composer(plans["dev"])
    assert config["environment_size"] == "ENVIRONMENT_SIZE_SMALL"
    (workloads,) = config["workloads_config"]
    assert workloads["triggerer"] == []
    for part in ("scheduler", "dag_processor", "worker"):
        (size,) = workloads[part]
        assert (size["cpu"], size["memory_gb"], size.get("count", size.get("min_count"))) == (0.5, 2, 1)


def test_an_environment_can_be_larger_and_have_a_key_of_its_own(workspace: Workspace) -> None:
    key = "projects/landfall-keys/locations/us-central1/keyRings/landfall/cryptoKeys/landfall"
    plan = workspace.plan(
        "prod",
        "-var=composer_size=medium",
        "-var=composer_workloads={worker={cpu=2,memory_gb=8,max_count=6},triggerer={count=2}}",
        '-var=composer_maintenance={days=["WE","MO"],end_time="2026-01-03T07:30:00Z"}',
        f"-var=kms_key={key}",
    )
    config = composer(plan)
    assert config["environment_size"] == "ENVIRONMENT_SIZE_MEDIUM"
    (workloads,) = config["workloads_config"]
    assert workloads["worker"] == [
        {"cpu": 2, "memory_gb": 8, "storage_gb": 1, "min_count": 1, "max_count": 6}
    ]
    assert workloads["triggerer"] == [{"cpu": 0.5, "memory_gb": 2, "count": 2}]
    assert airflow_options(plan)["celery-worker_concurrency"] == "16"
    (window,) = config["maintenance_window"]
    assert window["recurrence"] == "FREQ=WEEKLY;BYDAY=MO,WE"
    assert config["encryption_config"] == [{"kms_key_name": key}]


def test_what_composer_would_refuse_is_refused_at_once(workspace: Workspace) -> None:
    refused = workspace.run(
        *("plan", "-input=false", "-lock=false", "-refresh=false", "-no-color"),
        "-var-file=envs/dev.tfvars",
        "-var=composer_image=composer-2.9.7-airflow-2.9.3",
        "-var=composer_size=tiny",
        "-var=composer_workloads={scheduler={cpu=2,memory_gb=1,count=4},worker={cpu=1.5,min_count=4},web_server={cpu=0.5}}",
        '-var=composer_maintenance={days=["SA"],end_time="2026-01-03T04:00:00Z"}',
    )
    assert refused.returncode == 1
    message = " ".join(said(refused).split())
    for remedy in (
        "Expected Composer 3 with Airflow 3, such as composer-3-airflow-3.3.1",
        "Expected small, medium or large.",
        "Expected at least 2 GB of memory for each part, and 1 to 8 GB for each vCPU.",
        "Expected 0.5, 1 or an even number of vCPU for each part.",
        "Expected at least one worker, and max_count no less than min_count.",
        "Expected 1 to 4 vCPU for the web server.",
        "Expected at most 1 vCPU for a scheduler and a triggerer: more of them is more.",
        "Expected 1 to 3 schedulers and DAG processors.",
        "and 12 hours a week over all days.",
    ):
        assert remedy in message
