"""The suite remembers what passed, goes on where it was interrupted, and says how to run what failed."""

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.driver import Stored
from tests.chaos.found import Found
from tests.chaos.generator import make_scenario
from tests.chaos.ideal import IdealDriver
from tests.chaos.memory import Memory, fingerprint
from tests.chaos.play import Outcome
from tests.chaos.progress import Progress
from tests.chaos.report import summary
from tests.chaos.scenario import FAST, REAL
from tests.chaos.suite import engine_of, plan, run_all


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def _run(folder: Path, driver: IdealDriver, count: int, sources: str = "a") -> tuple[list[Outcome], str]:
    said = io.StringIO()
    memory = Memory(folder / "passed.jsonl", sources)
    outcomes = run_all(
        plan(1, count, FAST), {FAST: lambda: driver}, memory, folder / "evidence", Progress(said)
    )
    return outcomes, said.getvalue()


def test_each_seed_is_a_line(tmp_path: Path) -> None:
    driver = IdealDriver()
    outcomes, said = _run(tmp_path, driver, 3)
    assert [outcome.problems for outcome in outcomes] == [(), (), ()]
    assert [line.split(" · ")[-1] for line in said.splitlines()] == ["passed"] * 3
    drops = len(make_scenario(1, FAST, kills=driver.kills).puts)
    assert said.splitlines()[0].startswith("seed 1    fast") and f" {drops} drops" in said.splitlines()[0]
    assert not driver.is_up


def test_what_passed_is_not_run_again_until_the_sources_change(tmp_path: Path) -> None:
    first, _ = _run(tmp_path, IdealDriver(), 2)
    idle = IdealDriver()
    again, said = _run(tmp_path, idle, 2)
    assert again == first and idle.starts == 0
    assert said == "2 seeds of the fast chain passed before on these sources\n"
    busy = IdealDriver()
    _run(tmp_path, busy, 3)
    assert busy.starts == 1
    changed = IdealDriver()
    _run(tmp_path, changed, 2, sources="b")
    assert changed.starts == 1


def test_what_is_forgotten_is_run_again(tmp_path: Path) -> None:
    _run(tmp_path, IdealDriver(), 2)
    memory = Memory(tmp_path / "passed.jsonl", "a")
    memory.forget([(1, FAST), (9, FAST)])
    assert set(memory.passed()) == {(2, FAST)}


def _lose_a_file(seed: int, found: Found) -> Found:
    lost = next(row for row in found.files if row["state"] == "loaded")
    return replace(found, files=[row for row in found.files if row is not lost]) if seed == 2 else found


def test_a_seed_that_fails_is_told_kept_and_does_not_stop_the_others(tmp_path: Path) -> None:
    driver = IdealDriver(_lose_a_file)
    outcomes, said = _run(tmp_path, driver, 3)
    assert [outcome.passed for outcome in outcomes] == [True, False, True]
    assert "expected one row in ops.files" in said
    assert "alone: python -m tests.chaos --seed 2 --count 1 --engine fast --again" in said
    assert (tmp_path / "evidence" / "fast-2" / "log").read_text() == "what explains it\n"
    assert "Put(" in (tmp_path / "evidence" / "fast-2" / "scenario.txt").read_text()
    # What a failure leaves must not fail the next one; and it is run again next time.
    assert driver.starts == 2
    healthy = IdealDriver()
    outcomes, _ = _run(tmp_path, healthy, 3)
    assert [outcome.passed for outcome in outcomes] == [True, True, True]


def test_a_cloud_that_breaks_under_a_scenario_fails_that_seed_alone(tmp_path: Path) -> None:
    class Breaking(IdealDriver):
        def put(self, name: str, content: bytes) -> Stored:
            if name.partition("/")[2].startswith("s1-"):
                raise ConnectionError("the storage does not answer")
            return super().put(name, content)

    outcomes, said = _run(tmp_path, Breaking(), 2)
    assert [outcome.passed for outcome in outcomes] == [False, True]
    assert "the scenario could not be played: ConnectionError: the storage does not answer" in said


def test_each_fifth_seed_runs_on_the_real_chain() -> None:
    runs = plan(1, 100, "mixed")
    assert sum(engine == REAL for _, engine in runs) == 20
    assert sorted(seed for seed, _ in runs) == list(range(1, 101))
    assert [engine_of(10, engine) for engine in ("mixed", FAST, REAL)] == [REAL, FAST, REAL]


def test_the_sources_decide_whether_a_result_still_counts(tmp_path: Path) -> None:
    source = tmp_path / "composer_dags" / "ingest.py"
    source.parent.mkdir()
    source.write_text("one = 1\n")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    source.with_suffix(".log").write_text("a log is no source")
    assert fingerprint(tmp_path) == before
    source.write_text("one = 2\n")
    assert fingerprint(tmp_path) != before


def test_the_summary_counts_what_ran_and_what_struck() -> None:
    faults = {rule["id"]: 2 for rule in make_scenario(7, FAST).faults["rules"][:1]}
    fast = Outcome(7, FAST, 9.6, 4, faults, {"task": 1}, 3, 1, 2, 1, ())
    real = Outcome(5, REAL, 81.0, 6, {}, {"task": 1}, 5, 0, 0, 0, ("a problem",))
    engines, faulty = summary([fast, real]).strip().split("\n\n")
    assert engines.splitlines()[2:] == [
        "| fast | 1 | 1 | 4 | 2 | 1 | 3 | 1 | 1 | 2 | 10 | 10 |",
        "| real | 1 | 0 | 6 | 0 | 1 | 5 | 0 | 0 | 0 | 81 | 81 |",
        "| both | 2 | 1 | 10 | 2 | 2 | 8 | 1 | 1 | 2 | 45 | 81 |",
    ]
    rule = make_scenario(7, FAST).faults["rules"][0]
    assert faulty.splitlines()[2:] == [
        "| process | SIGKILL of task | 2 | 2 |",
        f"| {rule['part']} | {rule['action']} | 2 | 1 |",
    ]


def test_a_terminal_sees_a_line_that_moves_and_a_pipe_only_finished_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = Progress(stream)
        progress.begin("[1/2] seed 7 fast")
        progress.show("step 1 of 3: put")
        progress.say("seed 7 passed")
    assert "\r\033[K[1/2] seed 7 fast … 0 s step 1 of 3: put" in terminal.getvalue()
    assert pipe.getvalue() == "seed 7 passed\n"
