"""What Terraform says of an environment is what `landfall --env` reads."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from localcloud.deployment.outputs import Outputs, parse_outputs
from tests.localcloud.deployment.local_outputs import local_outputs
from tests.terraform.plan import Plan
from tests.terraform.workspace import Terraform, Workspace

NIGHT = "-var=composer_enabled=false"


@pytest.fixture(scope="module")
def applied(terraform: Terraform) -> Workspace:
    """The environment whose project is the local cloud, made of the stub providers' made-up values."""
    if not terraform.offline:
        pytest.skip("applying without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    workspace = terraform.copy("applied")
    apply(workspace)
    return workspace


def apply(workspace: Workspace, *arguments: str) -> None:
    workspace.run(
        "apply",
        "-input=false",
        "-auto-approve",
        "-lock=false",
        "-no-color",
        f"-var-file={workspace.var_file('local')}",
        *arguments,
        check=True,
    )


def outputs_of(workspace: Workspace) -> dict[str, Any]:
    outputs: dict[str, Any] = json.loads(workspace.run("output", "-json", check=True).stdout)
    return outputs


def test_the_command_reads_what_terraform_says(applied: Workspace) -> None:
    said = outputs_of(applied)
    found = parse_outputs(json.dumps(said))
    expected = parse_outputs(json.dumps(local_outputs(found.airflow_url or "", **_made_by_it(found))))
    assert found == expected
    assert found.airflow_url
    assert found.links["run"] == f"{found.airflow_url}/dags/{{dag_id}}/runs/{{run_id}}"
    buckets = local_outputs("")["buckets"]["value"]
    assert buckets.items() <= found.buckets.items()
    # Terraform makes these two besides.
    assert found.buckets.keys() - buckets.keys() == {"composer", "function-source"}


def test_at_night_everything_is_said_but_where_composer_is(applied: Workspace) -> None:
    apply(applied, NIGHT)
    night = outputs_of(applied)
    found = parse_outputs(json.dumps(night))
    assert (found.airflow_url, found.function, night["composer"]["value"]) == (None, "", "")
    assert found == parse_outputs(json.dumps(local_outputs("", function="", **_made_by_it(found))))
    # Nothing of the control room is Composer's.
    assert found.control_room_url
    assert found.links.keys() == {"bigquery_job", "dataproc_job", "object", "table"}


def _made_by_it(found: Outputs) -> dict[str, Any]:
    return {
        "buckets": found.buckets,
        "control_room_url": found.control_room_url,
        "links": found.links,
    }


@pytest.mark.parametrize("environment", ["dev", "stg", "prod"])
def test_no_output_is_secret_or_names_another_project(plans: Mapping[str, Plan], environment: str) -> None:
    outputs = plans[environment]["planned_values"]["outputs"]
    assert not any(output["sensitive"] for output in outputs.values())
    project = outputs["project"]["value"]
    assert project == plans[environment]["variables"]["project"]["value"]
    assert all(name.startswith(f"{project}-") for name in outputs["buckets"]["value"].values())
