"""Plays a scenario on a cloud, heals the cloud, and holds what is there against the oracle."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from tests.chaos.checks import DIVIDED, final_rows, find_problems
from tests.chaos.driver import Driver, NotSettledError, Stored
from tests.chaos.found import Found, collect
from tests.chaos.oracle import Sent
from tests.chaos.scenario import REJECTED, Delete, Kill, Put, Replay, Scenario, Step

PATIENCE = {"fast": 300.0, "real": 900.0}  # seconds until a healed cloud must be at rest
_PATIENCE_FOR_REPLAY = {"fast": 10.0, "real": 90.0}
_LINGER = {"fast": 8.0, "real": 40.0}  # seconds, at most, for which faults go on after the last step
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """A scenario that was played: the figures of its line, and every problem found (none: it passed).

    `faults` counts by rule how often it fired; `drops` are uploads, deletions not counted.
    """

    seed: int
    engine: str
    seconds: float
    drops: int
    faults: dict[str, int]
    kills: dict[str, int]
    batches: int
    divided: int
    rejected: int
    replays: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class Played:
    """What a scenario did: what was sent, what was killed and how often, and when (UTC) it began."""

    since: datetime
    sent: tuple[Sent, ...]
    kills: dict[str, int]


def run(driver: Driver, scenario: Scenario, say: Say) -> Outcome:
    """Play, heal, check. Raises nothing of the scenario's own: a cloud that does not settle is a problem."""
    began = time.monotonic()
    played = play(driver, scenario, say)
    found, problems = Found(), []
    say("healing")
    try:
        driver.heal_and_settle(scenario.lasting, PATIENCE[scenario.engine])
    except NotSettledError as error:
        problems = [f"the healed cloud is not at rest: {error}"]
    else:
        say("checking")
        found = collect(driver, scenario, played.since)
        problems = find_problems(scenario, played.sent, found)
    return Outcome(
        seed=scenario.seed,
        engine=scenario.engine,
        seconds=round(time.monotonic() - began, 1),
        drops=len(played.sent),
        faults=driver.fired(),
        kills=played.kills,
        batches=len(found.batches),
        divided=sum(row["state"] == DIVIDED for row in found.batches),
        rejected=sum(row["state"] == REJECTED for row in final_rows(found)),
        replays=sum(bool(row["replay"]) for row in found.batches),
        problems=tuple(problems),
    )


def play(driver: Driver, scenario: Scenario, say: Say) -> Played:
    """Take the scenario's steps, under its faults; the cloud is left as it then is."""
    driver.begin(scenario.schedulers)
    since = datetime.now(UTC)
    driver.set_faults(scenario.faults)
    sent: list[Sent] = []
    kills: dict[str, int] = {}
    for number, step in enumerate(scenario.steps, start=1):
        say(f"step {number} of {len(scenario.steps)}: {type(step).__name__.lower()}")
        time.sleep(step.wait)
        _take(driver, scenario, step, sent, kills)
    # What was sent last has only begun its way: it suffers too.
    say("waiting")
    time.sleep(Random(scenario.seed).uniform(0, _LINGER[scenario.engine]))  # noqa: S311
    return Played(since, tuple(sent), kills)


def _take(driver: Driver, scenario: Scenario, step: Step, sent: list[Sent], kills: dict[str, int]) -> None:
    match step:
        case Put():
            stored = driver.put(step.name, step.content)
            _take_away(sent, step.name)
            sent.append(Sent(stored, step))
        case Delete():
            # It counts also where nothing was left to delete: an answer may have been lost.
            _take_away(sent, step.name)
            driver.delete(step.name)
        case Kill():
            if driver.kill(step.what):
                kills[step.what] = kills.get(step.what, 0) + 1
            time.sleep(step.down)
            driver.revive()
        case Replay():
            stored_first = _first_loaded(driver, sent, step.dataset, _PATIENCE_FOR_REPLAY[scenario.engine])
            if stored_first is not None:
                driver.replay(step.dataset, stored_first.identity)


def _take_away(sent: list[Sent], name: str) -> None:
    for place, file in enumerate(sent):
        if file.put.name == name:
            sent[place] = replace(file, gone=True)


def _first_loaded(driver: Driver, sent: Sequence[Sent], dataset: str, patience: float) -> Stored | None:
    """The first of the files that the ledger calls loaded; None when none is within `patience` seconds."""
    files = {file.stored.identity: file.stored for file in sent if file.dataset == dataset}
    deadline = time.monotonic() + patience
    while files and time.monotonic() < deadline:
        loaded = _loaded(driver, dataset)
        for identity, stored in files.items():
            if identity in loaded:
                return stored
        time.sleep(0.5)
    return None


def _loaded(driver: Driver, dataset: str) -> set[str]:
    sql = (
        "SELECT CONCAT(source_uri, '#', CAST(source_generation AS STRING)) AS identity FROM ops.files "
        f"WHERE dataset = '{dataset}' AND state = 'loaded'"
    )
    try:
        return {str(row["identity"]) for row in driver.query(sql)}
    except Exception:
        # The warehouse may be down, or may suffer a fault: it is asked again.
        return set()
