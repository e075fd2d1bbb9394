"""When Terraform cannot be had the tests are skipped; when the configuration is wrong they fail."""

import os
import stat
from pathlib import Path

import pytest

from tests.terraform.workspace import (
    OFFLINE,
    ROOT,
    NoTerraformError,
    Terraform,
    TerraformError,
    find_terraform,
    said,
)


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_terraform_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRAFORM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoTerraformError, match="terraform is not on PATH"):
        find_terraform()


def test_the_offline_one_comes_before_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = executable(tmp_path / "terraform", "exit 0")
    monkeypatch.delenv("TERRAFORM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_terraform() == str(OFFLINE if OFFLINE.is_file() else found)


def test_the_one_that_is_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = executable(tmp_path / "my-terraform", "exit 0")
    for name in (str(named), os.path.relpath(named, ROOT)):
        monkeypatch.setenv("TERRAFORM", name)
        assert Path(find_terraform()).samefile(named)
    monkeypatch.setenv("TERRAFORM", "no-such-terraform")
    with pytest.raises(FileNotFoundError, match="TERRAFORM names no-such-terraform: expected an executable"):
        find_terraform()


def test_providers_that_cannot_be_had_are_no_failure(tmp_path: Path) -> None:
    away = executable(tmp_path / "terraform", 'echo "Error: could not connect to the registry" >&2; exit 1')
    with pytest.raises(NoTerraformError, match="cannot get the providers: Error: could not connect"):
        Terraform(str(away), tmp_path / "workspaces")


def test_a_configuration_that_cannot_be_initialised_is_one(tmp_path: Path) -> None:
    """It has the providers, and refuses what is asked of it."""
    script = 'case "$1" in *.probe/terraform) exit 0;; esac; echo "│ Error: no such version" >&2; exit 1'
    terraform = Terraform(str(executable(tmp_path / "terraform", script)), tmp_path / "workspaces")
    with pytest.raises(TerraformError, match=r"^Error: no such version"):
        terraform.copy("any")


def test_nothing_of_whoever_runs_the_tests_reaches_terraform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_project", "somebody-elses")
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-destroy")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    terraform = Terraform(str(executable(tmp_path / "terraform", "env")), tmp_path / "workspaces")
    environment = said(terraform.copy("any").run("version"))
    assert "TF_IN_AUTOMATION=1" in environment
    for name in ("TF_VAR_project", "TF_CLI_ARGS_plan", "GOOGLE_APPLICATION_CREDENTIALS"):
        assert name not in environment
