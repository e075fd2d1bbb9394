"""When what happens in a scenario: pure, and the same for the same seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.faults.scenarios import Kill, Scenario

_JITTER = 0.05


@dataclass(frozen=True)
class Moment:
    """So many seconds after the beginning, `what` is killed; None: all that does not run is started."""

    seconds: float
    what: str | None


def make_rules(scenario: Scenario, seed: int) -> Mapping[str, Any]:
    """The document of rules that the scenario's parts are to obey."""
    return {"seed": seed, "rules": list(scenario.rules)}


def make_timeline(scenario: Scenario, seed: int, seconds: float) -> list[Moment]:
    """What is killed and started, in order; the seed moves each moment by a twentieth of the time at most."""
    chance = random.Random(seed)  # noqa: S311 repeatable, not secret
    moments = []
    for kill in scenario.kills:
        moments += _moments(kill, chance.uniform(-_JITTER, _JITTER), seconds)
    return sorted(moments, key=lambda moment: moment.seconds)


def _moments(kill: Kill, shift: float, seconds: float) -> list[Moment]:
    return [
        Moment(max(0.0, kill.at + shift) * seconds, kill.what),
        Moment(max(0.0, kill.again_at + shift) * seconds, None),
    ]
