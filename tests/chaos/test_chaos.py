"""A few seeds of `make chaos` on the fast chain, and: however events are delivered, trusted ends the same."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checks import find_problems
from tests.chaos.driver import NO_FAULTS
from tests.chaos.fast.driver import FastDriver
from tests.chaos.found import collect
from tests.chaos.generator import make_scenario
from tests.chaos.play import PATIENCE, play, run
from tests.chaos.scenario import FAST, LOADED, Scenario

# Tasks and the Spark driver are killed; the scheduler and the storage; two schedulers, lost events.
SEEDS = (3, 7, 49)
Trusted = dict[str, list[tuple[tuple[str, str | None], ...]]]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastDriver]:
    driver = FastDriver(tmp_path_factory.mktemp("fast"))
    try:
        driver.start()
        yield driver
    finally:
        driver.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_is_exact(driver: FastDriver, seed: int) -> None:
    outcome = run(driver, make_scenario(seed, FAST, kills=driver.kills), lambda _: None)
    assert outcome.problems == ()


DELIVERIES: dict[str, list[dict[str, Any]]] = {
    "once and in order": [],
    # The first that strikes an event is its only one.
    "repeated, late and in another order": [
        {"action": "duplicate", "copies": 3, "probability": 0.4},
        {"action": "delay", "seconds": 2, "probability": 0.5},
        {"action": "reorder"},
    ],
    "not at all": [{"action": "lose"}],
}


def _drops(tag: str) -> Scenario:
    """The same files under other names: only what its sender leaves alone, for that is loaded in any case."""
    scenario = make_scenario(52, FAST, tag=tag, kills=frozenset())
    names = [put.name for put in scenario.puts]
    steps = [put for put in scenario.puts if names.count(put.name) == 1 and put.fate == LOADED]
    assert len({put.name.partition("/")[0] for put in steps}) > 1 and len(steps) > 5
    return replace(scenario, steps=tuple(replace(put, wait=0.2) for put in steps), lasting=NO_FAULTS)


def _rules(deliveries: list[dict[str, Any]]) -> dict[str, Any]:
    rules = [
        {"id": rule["action"], "part": "events", "match": {"path": "landing/"}, **rule} for rule in deliveries
    ]
    return {"seed": 1, "rules": rules}


def _end(driver: FastDriver, scenario: Scenario) -> Trusted:
    """What the scenario leaves in trusted, without what must differ: generations, batches and the tag."""
    played = play(driver, scenario, lambda _: None)
    driver.heal_and_settle(scenario.lasting, PATIENCE[FAST])
    found = collect(driver, scenario, played.since)
    assert find_problems(scenario, played.sent, found) == []
    return {
        dataset: sorted(
            tuple(
                (name, value and str(value).replace(scenario.tag, ""))
                for name, value in row.items()
                if name not in ("_batch_id", "_source_generation")
            )
            for row in rows
        )
        for dataset, rows in found.trusted.items()
    }


def test_trusted_does_not_depend_on_the_order_or_the_count_of_deliveries(driver: FastDriver) -> None:
    ends = {}
    for number, (how, deliveries) in enumerate(DELIVERIES.items()):
        ends[how] = _end(driver, replace(_drops(f"d{number}-"), faults=_rules(deliveries)))
        struck = driver.fired()
        assert set(struck) == {rule["action"] for rule in deliveries}, how
    first = ends.pop("once and in order")
    assert sum(map(len, first.values())) > 20
    for how, end in ends.items():
        assert end == first, how
