"""Terraform, once a session. Without it, or its providers, the tests that need it are skipped and say so."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.checkov import NoCheckovError, install
from tests.terraform.plan import Plan
from tests.terraform.workspace import NoTerraformError, Plans, Terraform, find_terraform


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    try:
        return Terraform(find_terraform(), tmp_path_factory.mktemp("terraform"))
    except NoTerraformError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def plans(terraform: Terraform) -> Mapping[str, Plan]:
    """The plans of "dev", "stg" and "prod", and of "local", whose project would be the local cloud."""
    if not terraform.offline:
        pytest.skip("planning without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    return Plans(terraform.copy("plans"))


@pytest.fixture(scope="session")
def checkov() -> Path:
    """The executable."""
    try:
        return install()
    except NoCheckovError as error:
        pytest.skip(str(error))
