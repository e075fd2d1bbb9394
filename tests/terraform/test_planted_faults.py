"""Wrong edits of the configuration, each of which a check must catch.

That the checks are content with the configuration as it is, the other tests here say. A fault is a file in
faults/:

    file         what is edited
    find         a regular expression with one match there, and `replace`, what takes its place
    append       instead of these two: text for the end of the file
    caught_by    init, validate, plan, fmt, assert (of terraform test), checks (checks.py), checkov or skips
    within       the environment whose plan shows it, or the run of the test; prod unless another is named
    expect       a regular expression for what the check must say

Terraform stops at the first thing that it refuses: a fault that it finds has a workspace of its own. What the
other checks find they find side by side: those faults are planted together, and each must be named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.terraform.checkov import scan_source, skips
from tests.terraform.checks import CHECKS, environments_share_nothing, every_contract_has_its_own
from tests.terraform.plan import Plan
from tests.terraform.workspace import ROOT, Terraform, TerraformError, Workspace, said

FOLDER = Path(__file__).parent / "faults"
DATASETS = {path.parent.name for path in (ROOT / "bigquery" / "datasets").glob("*/contract.yaml")}
ALONE = {
    "init": ("init", "-input=false", "-no-color"),
    "validate": ("validate", "-no-color"),
    "fmt": ("fmt", "-check", "-recursive"),
}
TOGETHER = ("assert", "checks", "checkov", "skips")


@dataclass(frozen=True)
class Fault:
    """A file of faults/, by its name."""

    name: str
    file: str
    caught_by: str
    expect: str
    find: str = ""
    replace: str = ""
    append: str = ""
    within: str = "prod"

    def plant(self, workspace: Workspace) -> None:
        if self.append:
            path = workspace.root / self.file
            path.write_text(f"{path.read_text()}\n{self.append}")
        else:
            workspace.replace(self.file, self.find, self.replace)


FAULTS = [Fault(path.stem, **yaml.safe_load(path.read_text())) for path in sorted(FOLDER.iterdir())]


def _caught_by(kinds: tuple[str, ...]) -> pytest.MarkDecorator:
    faults = [fault for fault in FAULTS if fault.caught_by in kinds]
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: f"{fault.caught_by}-{fault.name}")


class Caught:
    """What is said of all faults of a kind together, asked when it is first wanted."""

    def __init__(self, terraform: Terraform, plans: Mapping[str, Plan], checkov: Path) -> None:
        self._terraform = terraform
        self._plans = plans
        self._checkov = checkov
        self._said: dict[tuple[str, str], list[str]] = {}

    def ask(self, kind: str, within: str) -> list[str]:
        if (kind, within) not in self._said:
            # Should asking fail, the first of its faults says why, and it is not asked again.
            self._said[kind, within] = []
            workspace = self._terraform.copy(f"faults-{kind}-{within}")
            for fault in FAULTS:
                if (fault.caught_by, fault.within) == (kind, within):
                    fault.plant(workspace)
            self._said[kind, within] = self._ask(workspace, kind, within)
        return self._said[kind, within]

    def _ask(self, workspace: Workspace, kind: str, within: str) -> list[str]:
        if kind == "checks":
            plan = workspace.plan(within)
            checks = (*CHECKS, every_contract_has_its_own(DATASETS))
            problems = [problem for check in checks for problem in check(plan)]
            return [*problems, *environments_share_nothing({**self._plans, within: plan})]
        if kind == "assert":
            tested = workspace.run("test", "-no-color", "-filter=tests/environments.tftest.hcl")
            runs, _, errors = said(tested).partition("Failure!")
            assert f'run "{within}"... fail' in runs
            return [" ".join(error.split()) for error in errors.split("Error: ")]
        if kind == "checkov":
            return [
                f"{found.check} {found.resource}"
                for found in scan_source(self._checkov, workspace.folder).failed
            ]
        return [f"{skip.check} {skip.reason}" for skip in skips(workspace.folder) if not skip.says_why]


@pytest.fixture(scope="module")
def caught(terraform: Terraform, plans: Mapping[str, Plan], checkov: Path) -> Caught:
    return Caught(terraform, plans, checkov)


def test_there_are_faults_for_every_check() -> None:
    assert {fault.caught_by for fault in FAULTS} == {*ALONE, "plan", *TOGETHER}
    assert len(FAULTS) >= 15


@_caught_by(tuple(ALONE))
def test_terraform_refuses(terraform: Terraform, fault: Fault) -> None:
    workspace = terraform.copy(f"fault-{fault.name}")
    fault.plant(workspace)
    completed = workspace.run(*ALONE[fault.caught_by])
    assert completed.returncode != 0
    assert re.search(fault.expect, " ".join(said(completed).split()))


@_caught_by(("plan",))
def test_the_plan_is_refused(terraform: Terraform, plans: Mapping[str, Plan], fault: Fault) -> None:
    workspace = terraform.copy(f"fault-{fault.name}")
    fault.plant(workspace)
    with pytest.raises(TerraformError) as refused:
        workspace.plan(fault.within)
    assert re.search(fault.expect, " ".join(str(refused.value).split()))


@_caught_by(TOGETHER)
def test_a_check_catches(caught: Caught, fault: Fault) -> None:
    problems = caught.ask(fault.caught_by, fault.within)
    assert [problem for problem in problems if re.search(fault.expect, problem)], problems
