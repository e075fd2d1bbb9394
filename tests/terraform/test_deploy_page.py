"""docs/deploy.md: its commands exist, its settings can be planned; terraform/README.md names every file."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.cli import _parser
from tests.terraform.plan import Plan, planned
from tests.terraform.workspace import ENVIRONMENTS, ROOT, Terraform

PAGE = (ROOT / "docs" / "deploy.md").read_text()
TO_TYPE = re.findall(r"^ {4}(.*)$", PAGE, re.MULTILINE)
IN_TEXT = re.findall(r"`([^`\n]+)`", PAGE)
SETTINGS = re.findall(r"^```hcl\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def _of(program: str, lines: list[str]) -> list[list[str]]:
    # A comment behind a command is none of its arguments.
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(f"{program} ")]


def test_every_target_of_make_exists_and_every_environment_has_its_files() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = _of("make", TO_TYPE + IN_TEXT)
    assert {"plan", "deploy", "outputs", "destroy"} <= {target for target, *_ in asked} <= targets
    settings = [setting.split("=") for _, *settings in asked for setting in settings]
    assert {name for name, _ in settings} == {"ENV", "COMPOSER", "YES"}
    assert {value for name, value in settings if name == "ENV"} <= set(ENVIRONMENTS)


def test_every_landfall_command_is_one() -> None:
    typed = {_parser().parse_args(arguments).command for arguments in _of("landfall", TO_TYPE)}
    assert typed == {"status", "drop", "query"}
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for arguments in _of("landfall", IN_TEXT):
        rest = arguments[2:] if arguments[0] == "--env" else arguments
        assert not rest or rest[0] in commands, arguments


def test_every_script_that_it_names_can_be_run() -> None:
    named = set(re.findall(r"terraform/scripts/([a-z-]+)", PAGE))
    made = {path.name for path in (ROOT / "terraform" / "scripts").iterdir()}
    assert named == made
    assert all((ROOT / "terraform" / "scripts" / name).stat().st_mode & 0o111 for name in named)


def test_the_readme_names_every_file() -> None:
    named = set(re.findall(r"`(\w+\.tf)`", (ROOT / "terraform" / "README.md").read_text()))
    assert named == {path.name for path in (ROOT / "terraform").glob("*.tf")}


def test_every_setting_is_a_variable() -> None:
    files = (ROOT / "terraform").glob("*.tf")
    declared = {
        name for file in files for name in re.findall(r'^variable "(\w+)"', file.read_text(), re.MULTILINE)
    }
    named = {name for block in SETTINGS for name in re.findall(r"^(\w+) +=", block, re.MULTILINE)}
    # In running text: `composer_image`, or `cloud_nat = false`.
    named |= {text.split(" = ")[0] for text in IN_TEXT if re.fullmatch(r"[a-z_]+ = [a-z0-9]+", text)}
    # To Terraform an unknown one in a var-file is worth a warning.
    assert named - declared == set()


@pytest.fixture(scope="module")
def written(terraform: Terraform, plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """The plan of dev with the settings of each block of the page, by the first name in it; `plans` skips."""
    workspace = terraform.copy("deploy_page")
    found = {}
    for block in SETTINGS:
        name = block.split()[0]
        file = Path(workspace.folder) / f"{name}.auto.tfvars"
        file.write_text(block)
        # What stands on the command line later wins: over envs/dev.tfvars.
        found[name] = workspace.plan("dev", f"-var-file={file}")
        file.unlink()
    return found


def test_its_settings_make_an_environment(written: dict[str, Plan]) -> None:
    made = planned(written["project"])
    assert made['google_storage_bucket.bucket["landing"]']["name"] == "landfall-dev-4711-landing"
    assert made["google_billing_budget.month[0]"]["amount"][0]["specified_amount"][0]["units"] == "700"
    granted = {
        (values["bucket"], values["role"])
        for address, values in made.items()
        if address.startswith("google_storage_bucket_iam_member.")
        and values["member"] == "user:you@example.com"
    }
    assert ("landfall-dev-4711-landing", "roles/storage.objectCreator") in granted


def test_a_shared_vpc_leaves_no_network_to_make(written: dict[str, Plan], plans: Mapping[str, Plan]) -> None:
    gone = planned(plans["dev"]).keys() - planned(written["shared_vpc"]).keys()
    assert {address.split(".")[0] for address in gone} == {
        "google_compute_network",
        "google_compute_subnetwork",
        "google_compute_firewall",
        "google_compute_router",
        "google_compute_router_nat",
    }


def test_a_key_of_your_own_encrypts_what_holds_data(written: dict[str, Plan]) -> None:
    made = planned(written["kms_key"])
    key = "projects/keys/locations/us-central1/keyRings/landfall/cryptoKeys/dev"
    for resource_type in (
        "google_storage_bucket",
        "google_bigquery_dataset",
        "google_pubsub_topic",
        "google_secret_manager_secret",
        "google_composer_environment",
        "google_cloudfunctions2_function",
        "google_artifact_registry_repository",
    ):
        of_type = {
            address: values for address, values in made.items() if address.startswith(f"{resource_type}.")
        }
        assert of_type
        assert [address for address, values in of_type.items() if key not in str(values)] == []
