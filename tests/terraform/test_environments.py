"""What must hold of every environment's plan, and the targets of make that plan, deploy and delete one."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.checks import (
    CHECKS,
    Check,
    environments_share_nothing,
    every_contract_has_its_own,
    everything_is_encrypted_with,
)
from tests.terraform.plan import Plan, planned
from tests.terraform.workspace import ENVIRONMENTS, FOLDERS, LOCAL, ROOT, Terraform

DATASETS = {path.parent.name for path in (ROOT / "bigquery" / "datasets").glob("*/contract.yaml")}


def test_the_environments_are_the_three() -> None:
    assert ENVIRONMENTS == ("dev", "prod", "stg")
    for environment in ENVIRONMENTS:
        assert (ROOT / "terraform" / "envs" / f"{environment}.gcs.tfbackend").is_file()


@pytest.mark.parametrize("environment", (*ENVIRONMENTS, LOCAL))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_environment(plans: Mapping[str, Plan], check: Check, environment: str) -> None:
    assert list(check(plans[environment])) == []


@pytest.mark.parametrize("environment", (*ENVIRONMENTS, LOCAL))
def test_every_contract_has_its_tables_and_procedures(plans: Mapping[str, Plan], environment: str) -> None:
    assert DATASETS
    assert list(every_contract_has_its_own(DATASETS)(plans[environment])) == []


def test_environments_share_nothing(plans: Mapping[str, Plan]) -> None:
    assert list(environments_share_nothing(plans)) == []


def test_a_key_of_the_environment_encrypts_all_that_takes_one(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    key = "projects/keys/locations/us-central1/keyRings/landfall/cryptoKeys/data"
    plan = terraform.copy("key").plan("prod", f"-var=kms_key={key}")
    assert list(everything_is_encrypted_with(key)(plan)) == []
    assert list(everything_is_encrypted_with(key)(plans["prod"]))


def test_each_environment_keeps_its_state_apart() -> None:
    buckets = {(ROOT / "terraform" / "envs" / f"{name}.gcs.tfbackend").read_text() for name in ENVIRONMENTS}
    assert len(buckets) == len(ENVIRONMENTS)


def test_nothing_is_replaced_or_deleted_when_composer_is_away_at_night(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    night = planned(terraform.copy("night").plan("dev", "-var=composer_enabled=false"))
    away = {address.split(".")[0] for address in planned(plans["dev"]).keys() - night.keys()}
    assert {"google_composer_environment", "google_cloudfunctions2_function"} <= away
    holds_data = {
        "google_storage_bucket",
        "google_storage_bucket_object",
        "google_bigquery_dataset",
        "google_bigquery_table",
        "google_bigquery_routine",
        "google_secret_manager_secret",
        "google_pubsub_topic",
        "google_pubsub_subscription",
        "google_service_account",
        "google_project_service",
    }
    assert not away & holds_data
    assert night.keys() <= planned(plans["dev"]).keys()


@pytest.fixture(scope="module")
def checkout(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What make needs of a checkout, so that nothing is written into the real one."""
    if not terraform.offline:
        pytest.skip("applying without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    folder = tmp_path_factory.mktemp("checkout")
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform*")
        )
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def make(checkout: Path, executable: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "TF_", "LANDFALL_"))
    }
    return subprocess.run(
        ["make", "--no-print-directory", f"TERRAFORM={executable}", *arguments],
        cwd=checkout,
        # gcloud is for Google alone.
        env={**kept, "TF_VAR_gcloud_steps": "false", "TF_CLI_ARGS": "-no-color"},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_make_plan(checkout: Path, terraform: Terraform, environment: str) -> None:
    made = make(checkout, terraform.executable, "plan", f"ENV={environment}")
    assert made.returncode == 0, made.stderr
    assert "0 to change, 0 to destroy." in made.stdout
    assert f'"landfall-{environment}-landing"' in made.stdout
    # The configuration itself is left as it was.
    assert not list((checkout / "terraform").rglob(".terraform*"))


def test_make_deploy_and_destroy(checkout: Path, terraform: Terraform) -> None:
    outputs = checkout / ".landfall" / "environments" / "dev.json"
    values = checkout / "terraform" / "envs" / "dev.tfvars"

    unanswered = make(checkout, terraform.executable, "deploy", "ENV=dev")
    assert unanswered.returncode != 0
    assert "nothing was changed" in unanswered.stderr
    assert not outputs.exists()

    deployed = make(checkout, terraform.executable, "deploy", "ENV=dev", "YES=1")
    assert deployed.returncode == 0, deployed.stderr
    written = json.loads(outputs.read_text())
    assert written["buckets"]["value"]["landing"] == "landfall-dev-landing"
    assert written["airflow_url"]["value"]

    night = make(checkout, terraform.executable, "deploy", "ENV=dev", "YES=1", "COMPOSER=off")
    assert night.returncode == 0, night.stderr
    assert "google_composer_environment.airflow[0] will be destroyed" in night.stdout
    assert json.loads(outputs.read_text())["airflow_url"]["value"] == ""

    outputs.unlink()
    assert make(checkout, terraform.executable, "outputs", "ENV=dev").returncode == 0
    assert json.loads(outputs.read_text())["buckets"] == written["buckets"]

    unprotected = values.read_text()
    values.write_text(unprotected.replace("deletion_protection = false", "deletion_protection = true"))
    protected = make(checkout, terraform.executable, "destroy", "ENV=dev", "YES=1")
    assert protected.returncode != 0
    assert (
        "dev is protected: set deletion_protection = false in terraform/envs/dev.tfvars" in protected.stderr
    )
    assert outputs.exists()
    values.write_text(unprotected)

    destroyed = make(checkout, terraform.executable, "destroy", "ENV=dev", "YES=1")
    assert destroyed.returncode == 0, destroyed.stderr
    assert 'google_bigquery_table.trusted["price_quote"] will be destroyed' in destroyed.stdout
    assert not outputs.exists()


def test_with_plain_terraform_each_environment_has_its_own_state(checkout: Path, tmp_path: Path) -> None:
    """In the folder itself, with the bucket that the environment names: no run without Google shows it."""
    plain = tmp_path / "terraform"
    plain.write_text(f'#!/bin/sh\necho "$TF_DATA_DIR" "$@" >> {tmp_path}/calls\n')
    plain.chmod(0o755)
    for environment in ENVIRONMENTS:
        made = make(checkout, plain, "plan", f"ENV={environment}")
        assert made.returncode == 0, made.stderr
        home = checkout / "build" / "terraform" / environment
        init, plan = ((tmp_path / "calls").read_text().splitlines())[-2:]
        assert init == (
            f"{home}/data -chdir=terraform init -input=false -reconfigure "
            f"-backend-config=envs/{environment}.gcs.tfbackend"
        )
        assert plan == (
            f"{home}/data -chdir=terraform plan -input=false -var-file=envs/{environment}.tfvars "
            f"-out={home}/plan"
        )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ENV=production",), "expected ENV=<environment>, one of: dev prod stg; found: production"),
        (("ENV=",), "expected ENV=<environment>, one of: dev prod stg; found: nothing"),
        (("ENV=dev", "COMPOSER=false"), "expected COMPOSER=on or COMPOSER=off; found: false"),
        (("ENV=dev", "TERRAFORM=no-terraform"), "expected terraform 1.9 or newer; found no no-terraform"),
    ],
)
@pytest.mark.parametrize("target", ["plan", "deploy", "outputs", "destroy"])
def test_make_says_what_it_expects(
    checkout: Path, terraform: Terraform, target: str, arguments: tuple[str, ...], expected: str
) -> None:
    made = make(checkout, terraform.executable, target, *arguments)
    assert made.returncode == 2
    assert expected in made.stderr
