"""Every folder of cases/: an event as it arrives, and what the pure core makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).with_name("cases")
LANDING_BUCKET = "landing"


def judge(trigger: Any, event: dict[str, Any]) -> dict[str, Any]:
    try:
        landed = trigger.event.parse_event(event["attributes"], event["data"], LANDING_BUCKET)
    except trigger.errors.TerminalError as error:
        return {"refused": str(error)}
    dataset = trigger.event.find_dataset(landed.name)
    if isinstance(dataset, trigger.event.Ignored):
        return {"ignored": dataset.reason}
    return {"dataset": dataset, "uri": landed.uri, "size": landed.size}


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_case(trigger: Any, case: str) -> None:
    event = json.loads((CASES / case / "event.json").read_text())
    assert judge(trigger, event) == json.loads((CASES / case / "expect.json").read_text())


def test_a_case_is_an_event_and_an_expectation_and_nothing_else() -> None:
    for case in CASES.iterdir():
        assert {path.name for path in case.iterdir()} == {"event.json", "expect.json"}, case.name
