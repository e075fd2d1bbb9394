"""checkov over the source and over the plans: nothing fails, and every skip says why and is still needed."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.checkov import Finding, scan_plans, scan_source, skips, without_skips
from tests.terraform.plan import Plan
from tests.terraform.workspace import ROOT, Terraform


@pytest.fixture(scope="module")
def plan_files(plans: Mapping[str, Plan], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("plans")
    for environment, plan in plans.items():
        (folder / f"{environment}.json").write_text(json.dumps(plan))
    return sorted(folder.iterdir())


def test_the_source_passes(checkov: Path) -> None:
    result = scan_source(checkov, ROOT / "terraform")
    assert result.failed == ()
    assert result.passed > 10


def test_the_plans_pass(checkov: Path, plan_files: list[Path]) -> None:
    result = scan_plans(checkov, plan_files, ROOT / "terraform")
    assert result.failed == ()
    assert result.passed > 50 * len(plan_files)


def test_every_skip_says_why() -> None:
    given = list(skips(ROOT / "terraform"))
    assert given
    for skip in given:
        assert re.fullmatch(r"CKV2?_GCP_\d+", skip.check), f"{skip}: expected the id of a check"
        assert skip.says_why, f"{skip}: expected a reason in a sentence"


def test_no_skip_outlives_its_reason(checkov: Path, terraform: Terraform, plan_files: list[Path]) -> None:
    given = {(skip.file, skip.check) for skip in skips(ROOT / "terraform")}
    bare = terraform.copy("without_skips").folder
    without_skips(bare)
    failed: set[Finding] = {
        *scan_source(checkov, bare).failed,
        *scan_plans(checkov, plan_files, bare).failed,
    }
    needed = {(finding.file, finding.check) for finding in failed}
    assert given == needed
