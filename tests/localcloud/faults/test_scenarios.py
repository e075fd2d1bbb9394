"""The scenarios: sound data, and the same moments for the same seed."""

import re

import pytest

from localcloud.faults.kill import EVERYTHING, TASKS
from localcloud.faults.rules import ACTIONS, Counts, decide, read_rules
from localcloud.faults.scenarios import SCENARIOS, Kill, Scenario
from localcloud.faults.timeline import Moment, make_rules, make_timeline
from localcloud.launcher.parts import PARTS


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_what_it_does_and_does_something(name: str) -> None:
    scenario = SCENARIOS[name]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert scenario.sentence.endswith(".")
    assert scenario.rules or scenario.kills
    assert len(read_rules(make_rules(scenario, 5)).rules) == len(scenario.rules)
    assert read_rules(make_rules(scenario, 5)).seed == 5
    for kill in scenario.kills:
        assert kill.what in (*PARTS, EVERYTHING, TASKS)
        assert 0 < kill.at < kill.again_at < 1


def test_every_action_is_a_part_of_some_scenario() -> None:
    used = {(rule["part"], rule["action"]) for scenario in SCENARIOS.values() for rule in scenario.rules}
    assert {action for _, action in used} == {action for actions in ACTIONS.values() for action in actions}
    assert {part for part, _ in used} == set(ACTIONS)


def test_about_one_request_in_eight_fails_where_a_scenario_says_so() -> None:
    rules = read_rules(make_rules(SCENARIOS["api-errors"], 1))
    counts = Counts()
    failed = sum(
        decide(rules, counts, "bigquery", "GET", "/x", ACTIONS["bigquery"]) is not None for _ in range(4000)
    )
    assert 1 / 10 < failed / 4000 < 1 / 7


def test_the_seed_moves_the_moments_and_nothing_else_does() -> None:
    scenario = Scenario("Two kills.", kills=(Kill("function", 0.3, 0.6), Kill("scheduler", 0.4, 0.5)))
    first = make_timeline(scenario, 1, 100)
    assert first == make_timeline(scenario, 1, 100)
    assert first != make_timeline(scenario, 2, 100)
    assert [moment.what for moment in first if moment.what] == ["function", "scheduler"]
    for seed in range(50):
        moments = make_timeline(scenario, seed, 100)
        assert moments == sorted(moments, key=lambda moment: moment.seconds)
        assert all(abs(near - moment.seconds) <= 5 for near, moment in _pair(moments))


def test_a_moment_never_lies_before_the_beginning() -> None:
    early = Scenario("A kill at once.", kills=(Kill("function", 0.01, 0.02),))
    assert all(moment.seconds >= 0 for seed in range(20) for moment in make_timeline(early, seed, 10))


def _pair(moments: list[Moment]) -> list[tuple[float, Moment]]:
    planned = {"function": 30.0, "scheduler": 40.0}
    return [(planned[moment.what], moment) for moment in moments if moment.what]
