"""A case is a folder: the contract that is wrong, and what a reader is told about it."""

from pathlib import Path

import pytest

from bigquery.renderer.problem import ContractError
from bigquery.renderer.rendering import render

FOLDER = Path(__file__).parent / "contract_errors"
CASES = sorted(path for path in FOLDER.iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_contract_is_refused_with_every_problem_in_it(case: Path) -> None:
    assert sorted(path.name for path in case.iterdir()) == ["contract.yaml", "expect.txt"]
    with pytest.raises(ContractError) as refusal:
        render((case / "contract.yaml").read_text(), case.name)
    assert refusal.value.told("contract.yaml") == (case / "expect.txt").read_text()
