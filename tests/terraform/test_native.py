"""`terraform validate`, `fmt` and `test` on a copy; and that the tests take the values that are deployed."""

import json
import re

import pytest

from tests.terraform.workspace import ENVIRONMENTS, ROOT, Terraform, said

TEST = ROOT / "terraform" / "tests" / "environments.tftest.hcl"


def test_the_configuration_is_valid(terraform: Terraform) -> None:
    validated = json.loads(terraform.copy("validate").run("validate", "-json").stdout)
    assert validated["diagnostics"] == []
    assert validated["valid"] is True


def test_the_configuration_is_formatted(terraform: Terraform) -> None:
    formatted = terraform.copy("fmt").run("fmt", "-check", "-diff", "-recursive", "-no-color")
    assert formatted.stdout == ""
    assert formatted.returncode == 0


def test_terraform_test_passes(terraform: Terraform) -> None:
    tested = terraform.copy("test").run("test", "-no-color")
    assert tested.returncode == 0, said(tested)
    runs = sum(len(_runs(path.read_text())) for path in TEST.parent.glob("*.tftest.hcl"))
    assert f"{runs} passed, 0 failed" in tested.stdout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_run_takes_all_values_of_its_environment(environment: str) -> None:
    """Terraform has no way to hand a run a whole var-file: one left out would be planned with its default."""
    deployed = re.findall(
        r"^(\w+) *=", (ROOT / "terraform" / "envs" / f"{environment}.tfvars").read_text(), re.MULTILINE
    )
    run = _runs(TEST.read_text())[environment]
    taken = re.findall(rf'^ +(\w+) += run\.environments\.values\["{environment}"\]\.\1$', run, re.MULTILINE)
    assert sorted(taken) == sorted(deployed)


def _runs(text: str) -> dict[str, str]:
    return dict(re.findall(r'^run "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))
