"""What the functions and the DAGs are told: all that they ask for, everywhere, and the same as locally."""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from landfall_dags.settings import Settings
from localcloud.airflow.config import make_configuration
from localcloud.launcher.cloud import BUCKETS, PROJECT, PROXIES, SERVERS, VAR_FILE, Cloud, names
from localcloud.launcher.parts import list_parts
from localcloud.launcher.place import Place
from tests.functions.conftest import FUNCTIONS, load_flat_modules
from tests.terraform.plan import Plan, instances, key, planned, unknown
from tests.terraform.workspace import ROOT, Plans

ENVIRONMENTS = ("dev", "stg", "prod", "local")
COMPOSER = "google_composer_environment.airflow[0]"
FUNCTION = "google_cloudfunctions2_function.trigger_ingest[0]"
CONTROL_ROOM = "google_cloudfunctions2_function.control_room"

AIRFLOW_URL = "https://0123-dot-us-central1.composer.googleusercontent.com"

# Where the local cloud tells something else, or only one of the two tells something; and why.
DIFFERENT_IN_DAGS = {
    "LANDFALL_DATASETS_DIR": "the checkout's folder; Composer's is that of its bucket",
    "LANDFALL_SECRETS_URL": "the local Secret Manager; the default is Google's",
}
DIFFERENT_IN_FUNCTION = {
    "LANDFALL_AIRFLOW_URL": "the local Airflow; Composer's is known once it is made",
    "THREADS": "events come one after the other here",
}
DIFFERENT_IN_CONTROL_ROOM = {
    "LANDFALL_CATALOG_DIR": "the checkout's folder; deployed it lies beside the code",
    "LANDFALL_LINEAGE_URL": "the local Data Lineage API",
    "LANDFALL_LINKS": "pages of the local cloud; test_control_room.py compares their kinds",
}
# Buckets that no part of the local cloud reads: the function and Airflow run from the checkout.
NOT_LOCAL = {"function-source", "composer"}
# Options of Composer's Airflow that the local one has no use for, or sets otherwise.
COMPOSER_OPTIONS = {
    "celery-worker_concurrency": "LocalExecutor has slots instead: core-parallelism",
    "dag_processor-refresh_interval": "shorter here, where nobody pays for it",
    "api-composer_auth_user_registration_role": "everybody is admin here",
    "api-rbac_user_registration_role": "everybody is admin here",
}


@pytest.fixture(params=ENVIRONMENTS)
def plan(request: pytest.FixtureRequest, plans: Plans) -> Plan:
    return plans[request.param]


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    servers = (*SERVERS, *PROXIES.values())
    return Cloud(Place(ROOT, tmp_path), {server: 20000 + index for index, server in enumerate(servers)})


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, told: Mapping[str, str]) -> None:
        super().__init__(told)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def dag_environment(plan: Plan) -> dict[str, str]:
    return _variables(plan, COMPOSER, ("config", 0, "software_config", 0, "env_variables"))


def function_environment(plan: Plan) -> dict[str, str]:
    return _variables(plan, FUNCTION, ("service_config", 0, "environment_variables"))


def control_room_environment(plan: Plan) -> dict[str, str]:
    return _variables(plan, CONTROL_ROOM, ("service_config", 0, "environment_variables"))


def airflow_options(plan: Plan) -> dict[str, str]:
    return _variables(plan, COMPOSER, ("config", 0, "software_config", 0, "airflow_config_overrides"))


def _variables(plan: Plan, address: str, path: tuple[str | int, ...]) -> dict[str, str]:
    """A map of text in a planned resource; what a plan cannot know is as Google would make it."""
    known, missing = _walk(planned(plan)[address], path), _walk(unknown(plan, address), path)
    after_apply = {
        "LANDFALL_AIRFLOW_URL": AIRFLOW_URL,
        "LANDFALL_LINKS": json.dumps(_links(plan)),
        "LANDFALL_DATAPROC_SERVICE_ACCOUNT": _dataproc_email(plan),
    }
    return known | {name: after_apply[name] for name, is_missing in missing.items() if is_missing}


def _links(plan: Plan) -> dict[str, str]:
    """The one with Airflow's address is known after apply; test_outputs.py reads it there."""
    output = plan["output_changes"]["links"]
    run = {"run": f"{AIRFLOW_URL}/dags/{{dag_id}}/runs/{{run_id}}"}
    return {**(run if output["after_unknown"] else {}), **output["after"]}


def _dataproc_email(plan: Plan) -> str:
    account = planned(plan)['google_service_account.account["dataproc"]']
    return f"{account['account_id']}@{account['project']}.iam.gserviceaccount.com"


def _walk(value: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
    for step in path:
        value = value[step]
    return dict(value)


def function_settings(environment: Mapping[str, str]) -> Any:
    module = load_flat_modules(FUNCTIONS / "trigger_ingest", ["settings"])["settings"]
    return module.Settings.from_environment(environment)


def room_settings(environment: Mapping[str, str]) -> Any:
    return import_module("room.settings").Settings.from_environment(environment)


def ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("LANDFALL_")}


def test_the_dags_are_told_all_that_they_ask_for_and_nothing_else(plan: Plan) -> None:
    told = Asked(dag_environment(plan))
    settings = Settings.from_environment(told)
    assert told.names - ours(told).keys() == {"LANDFALL_SECRETS_URL"}
    assert ours(told).keys() <= told.names
    project = plan["variables"]["project"]["value"]
    assert settings.project == project
    assert settings.landing_bucket == f"{project}-landing"
    assert settings.dataproc_service_account == f"landfall-dataproc@{project}.iam.gserviceaccount.com"
    assert settings.token_key == f"projects/{project}/secrets/token-key/versions/1"
    assert settings.secrets_url == "https://secretmanager.googleapis.com"


def test_the_function_is_told_all_that_it_asks_for_and_nothing_else(plan: Plan) -> None:
    told = Asked(function_environment(plan))
    settings = function_settings(told)
    assert told.names == ours(told).keys()
    assert told.keys() - told.names == {"WORKERS", "THREADS"}
    assert settings.project == plan["variables"]["project"]["value"]


def test_the_control_room_is_told_all_that_it_asks_for_and_nothing_else(plan: Plan) -> None:
    # Of the archive, the catalogue is where the process is started.
    told = Asked(control_room_environment(plan) | {"LANDFALL_CATALOG_DIR": str(ROOT / "bigquery")})
    settings = room_settings(told)
    assert told.names == ours(told).keys()
    assert told.keys() - told.names == {"WORKERS", "THREADS"}
    project = plan["variables"]["project"]["value"]
    assert (settings.landing_bucket, settings.lake_bucket) == (f"{project}-landing", f"{project}-lake")


def test_both_mean_the_same_windows_and_the_same_landing_bucket(plan: Plan) -> None:
    """Else the function and the DAGs would ask for runs by different names."""
    dags, function = (
        Settings.from_environment(dag_environment(plan)),
        function_settings(function_environment(plan)),
    )
    for name in ("project", "landing_bucket", "batch_window_seconds", "run_grace_seconds"):
        assert getattr(dags, name) == getattr(function, name)


def test_the_landing_bucket_is_the_one_whose_events_arrive(plan: Plan) -> None:
    landing = instances(plan, "google_storage_bucket.bucket")['google_storage_bucket.bucket["landing"]'][
        "name"
    ]
    (function,) = instances(plan, "google_cloudfunctions2_function.trigger_ingest").values()
    (trigger,) = function["event_trigger"]
    assert [filter["value"] for filter in trigger["event_filters"] if filter["attribute"] == "bucket"] == [
        landing
    ]
    assert function_environment(plan)["LANDFALL_LANDING_BUCKET"] == landing


def test_every_bucket_that_is_told_is_made(plan: Plan) -> None:
    made = {values["name"] for values in instances(plan, "google_storage_bucket.bucket").values()}
    told = {value for name, value in dag_environment(plan).items() if name.endswith("_BUCKET")}
    assert len(told) == len(BUCKETS)
    assert told < made


def test_composer_takes_none_of_the_names_that_are_its_own(plan: Plan) -> None:
    """Google refuses these after some twenty minutes."""
    reserved = {"AIRFLOW_HOME", "C_FORCE_ROOT", "CONTAINER_NAME", "DAGS_FOLDER", "GCP_PROJECT", "GCS_BUCKET"}
    for name in dag_environment(plan):
        assert name not in reserved
        assert not name.startswith(("AIRFLOW__", "SQL_"))


def test_the_local_dags_are_told_the_same(plans: Plans, cloud: Cloud) -> None:
    assert set(_differences(dag_environment(plans["local"]), _airflow_environment(cloud))) == {
        *DIFFERENT_IN_DAGS,
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT",
    }


def test_the_local_airflow_has_the_same_connection_but_for_its_credentials(
    plans: Plans, cloud: Cloud
) -> None:
    name = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"
    deployed, local = (
        json.loads(environment[name])
        for environment in (dag_environment(plans["local"]), _airflow_environment(cloud))
    )
    assert local["extra"].pop("is_anonymous") is True
    assert deployed == local


def test_the_local_function_is_told_the_same(plans: Plans, cloud: Cloud) -> None:
    told = function_environment(plans["local"])
    (function,) = (part for part in list_parts(cloud) if part.name == "function")
    # Every part is told every name; the deployed function only those that it asks for.
    local = {name: value for name, value in (names(cloud) | function.environment).items() if name in told}
    assert set(_differences(told, local)) == set(DIFFERENT_IN_FUNCTION)


def test_the_local_control_room_is_told_the_same(plans: Plans, cloud: Cloud) -> None:
    told = control_room_environment(plans["local"])
    (part,) = (part for part in list_parts(cloud) if part.name == "control-room")
    local = {name: value for name, value in (names(cloud) | part.environment).items() if name in told}
    assert set(_differences(told, local)) == set(DIFFERENT_IN_CONTROL_ROOM)


def test_the_local_cloud_has_the_buckets_of_the_plan(plans: Plans) -> None:
    made = {
        key(address): values["name"]
        for address, values in instances(plans["local"], "google_storage_bucket.bucket").items()
    }
    assert {purpose: name for purpose, name in made.items() if purpose not in NOT_LOCAL} == BUCKETS
    assert made.keys() - BUCKETS.keys() == NOT_LOCAL


def test_the_local_airflow_has_the_options_that_the_dags_rely_on(plans: Plans, tmp_path: Path) -> None:
    local = make_configuration(tmp_path, tmp_path, "http://127.0.0.1:8080", _Keys(), PROJECT)
    options = airflow_options(plans["local"])
    for option, value in options.items():
        section, name = option.split("-")
        if option not in COMPOSER_OPTIONS:
            assert local[section][name] == value, option
    assert COMPOSER_OPTIONS.keys() < options.keys()


def test_the_local_var_file_is_one_that_terraform_takes(plans: Plans) -> None:
    """The local cloud reads it without Terraform: every name in it is a variable of the configuration."""
    told = json.loads(VAR_FILE.read_text())
    declared = plans["local"]["configuration"]["root_module"]["variables"]
    assert told.keys() <= declared.keys()
    assert {name: plans["local"]["variables"][name]["value"] for name in told} == told


def _airflow_environment(cloud: Cloud) -> dict[str, str]:
    (scheduler,) = (part for part in list_parts(cloud) if part.name == "scheduler")
    return names(cloud) | dict(scheduler.environment)


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[str]:
    return (name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


class _Keys(dict[str, str]):
    """Secrets of an Airflow that is never started."""

    def __missing__(self, name: str) -> str:
        return name
