"""Runs many scenarios in succession, remembers what passed, and keeps the evidence of what did not."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.driver import Driver
from tests.chaos.generator import make_scenario
from tests.chaos.memory import Memory
from tests.chaos.play import Outcome, run
from tests.chaos.progress import Progress
from tests.chaos.report import how_to_run, line
from tests.chaos.scenario import FAST, REAL

EVERY = 5  # of the mixed engine each fifth seed runs on the real chain
Drivers = Mapping[str, Callable[[], Driver]]


def engine_of(seed: int, engine: str) -> str:
    """The engine that a seed runs on, where `engine` is what was asked for: mixed, fast or real."""
    if engine != "mixed":
        return engine
    return REAL if seed % EVERY == 0 else FAST


def plan(first: int, count: int, engine: str) -> list[tuple[int, str]]:
    """The seeds with their engines, those of one engine together: one cloud runs at a time."""
    runs = [(seed, engine_of(seed, engine)) for seed in range(first, first + count)]
    return sorted(runs, key=lambda run: (run[1], run[0]))


def run_all(
    runs: Sequence[tuple[int, str]], drivers: Drivers, memory: Memory, evidence: Path, progress: Progress
) -> list[Outcome]:
    """Run what has not passed yet; all outcomes, also the remembered ones, in the order of `runs`."""
    passed = memory.passed()
    outcomes: dict[tuple[int, str], Outcome] = {}
    for engine in dict.fromkeys(engine for _, engine in runs):
        mine = [one for one in runs if one[1] == engine]
        outcomes |= {one: passed[one] for one in mine if one in passed}
        new = [one for one in mine if one not in passed]
        if len(new) < len(mine):
            progress.say(f"{len(mine) - len(new)} seeds of the {engine} chain passed before on these sources")
        if new:
            outcomes |= _run_engine(new, drivers[engine], memory, evidence, progress)
    return [outcomes[one] for one in runs]


def _run_engine(
    runs: Sequence[tuple[int, str]],
    make_driver: Callable[[], Driver],
    memory: Memory,
    evidence: Path,
    progress: Progress,
) -> dict[tuple[int, str], Outcome]:
    outcomes = {}
    driver = make_driver()
    progress.begin(f"starting the {driver.engine} cloud")
    try:
        driver.start()
        for number, (seed, engine) in enumerate(runs, start=1):
            progress.begin(f"[{number}/{len(runs)}] seed {seed} {engine}")
            outcome = _run_one(driver, seed, progress, evidence / f"{engine}-{seed}")
            outcomes[seed, engine] = outcome
            if outcome.passed:
                memory.add(outcome)
            elif number < len(runs):
                progress.begin(f"starting the {driver.engine} cloud anew")
                driver.stop()
                driver.start()
    finally:
        progress.begin(f"stopping the {driver.engine} cloud")
        driver.stop()
    return outcomes


def _run_one(driver: Driver, seed: int, progress: Progress, evidence: Path) -> Outcome:
    scenario = make_scenario(seed, driver.engine, kills=driver.kills)
    try:
        outcome = run(driver, scenario, progress.show)
    except Exception as error:
        # A scenario must not take the others with it; what happened is told, and kept.
        problem = f"the scenario could not be played: {type(error).__name__}: {error}"
        outcome = Outcome(seed, driver.engine, 0.0, 0, {}, {}, 0, 0, 0, 0, (problem,))
    progress.say(line(outcome))
    if not outcome.passed:
        _keep(driver, outcome, evidence)
        for problem in outcome.problems:
            progress.say(f"    {problem}")
        progress.say(f"    alone: {how_to_run(outcome)}\n    evidence: {evidence}")
    return outcome


def _keep(driver: Driver, outcome: Outcome, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome), indent=2) + "\n")
    scenario = make_scenario(outcome.seed, outcome.engine, kills=driver.kills)
    (folder / "scenario.txt").write_text("\n".join(map(str, scenario.steps)) + f"\n{scenario.faults}\n")
    try:
        driver.keep_evidence(folder)
    except OSError as error:
        (folder / "incomplete.txt").write_text(f"{error}\n")
