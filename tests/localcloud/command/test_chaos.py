"""`landfall chaos`, with tiny real processes in the place of the parts."""

import json
import re
import threading
from pathlib import Path

import pytest

from localcloud.cli import main
from localcloud.command import chaos
from localcloud.command.chaos import LogTail
from localcloud.command.chaos_view import describe
from localcloud.faults.reader import Faults
from localcloud.faults.scenarios import SCENARIOS, Kill, Scenario
from localcloud.launcher import process, up
from localcloud.launcher.errors import UsageError
from localcloud.launcher.place import Place
from localcloud.launcher.state import read_state

from .test_up import Watched, nothing_stays, place, programs  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("programs")

ERRORS = Scenario("Errors.", ({"id": "e", "part": "storage", "action": "error", "times": 2},))


@pytest.fixture(autouse=True)
def scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    killing = Scenario("Kills.", ERRORS.rules, (Kill("function", 0.1, 0.3),))
    monkeypatch.setattr(chaos, "SCENARIOS", {"errors": ERRORS, "killing": killing})
    monkeypatch.setattr(chaos, "require", lambda _: None)


def ask_while_it_lasts(place: Place) -> threading.Thread:  # noqa: F811
    """A part that reads the rules, and a request to it as soon as there are any."""

    def ask() -> None:
        faults, ended = Faults(place.faults), threading.Event()
        while faults.choose("storage", "GET", "/storage/v1/b/landing/o/x%20y?alt=media") is None:
            assert not ended.wait(0.02)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def test_without_a_name_the_scenarios_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaos, "SCENARIOS", SCENARIOS)
    assert main(["chaos"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[: len(SCENARIOS)]] == list(SCENARIOS)
    assert all(scenario.sentence in line for scenario, line in zip(SCENARIOS.values(), lines, strict=False))


def test_an_unknown_scenario_is_refused_with_those_that_there_are(place: Place) -> None:  # noqa: F811
    with pytest.raises(UsageError, match="'flood'; the scenarios are errors, killing"):
        chaos.chaos(place, "flood", 1, 60)
    with pytest.raises(UsageError, match="--seconds: expected more than 0, found 0"):
        chaos.chaos(place, "errors", 1, 0)
    assert not place.home.exists()


def test_a_scenario_brings_the_cloud_up_fails_for_its_time_and_is_taken_away(
    place: Place,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    asking = ask_while_it_lasts(place)
    assert chaos.chaos(place, "errors", 3, 3) == 0
    asking.join(5)
    assert not asking.is_alive()
    assert not place.faults.exists()
    assert up.is_up(place, faults=True)
    out = capsys.readouterr().out
    assert "errors (seed 3, 3 s): Errors." in out
    assert re.search(r"\d s  storage  error +GET landing/o/x y\n", out)
    assert "The faults are away. What was done:\n      1 × storage error\n" in out


def test_a_running_cloud_starts_again_as_one_that_can_fail(
    place: Place,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    up.bring_up(place, {}, Watched())
    assert chaos.chaos(place, "errors", 1, 0.3) == 0
    assert up.is_up(place, faults=True)
    out = capsys.readouterr().out
    assert "starts again, as one that can be made to fail; its data stays" in out
    assert "nothing: the pipeline had nothing to do" in out


def test_what_a_scenario_kills_runs_again_with_the_rules_still_in_place(
    place: Place,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    up.bring_up(place, {}, Watched(), faults=True)
    before = read_state(place.state).parts
    seen: list[bool] = []
    strike = chaos._strike

    def watched(*arguments: object) -> None:
        seen.append(place.faults.exists())
        strike(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(chaos, "_strike", watched)
    assert chaos.chaos(place, "killing", 1, 5) == 0
    after = read_state(place.state).parts
    assert {name for name in before if before[name] != after[name]} == {"function"}
    assert seen == [True, True]
    out = capsys.readouterr().out
    assert re.search(r"cloud    kill +function \(1 process\)\n", out)
    assert re.search(r"cloud    started +after", out)


def test_an_interrupted_scenario_is_taken_away_and_healed(
    place: Place,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        process.end_all(place.home, list(read_state(place.state).parts.values()), patience=0)
        raise KeyboardInterrupt

    monkeypatch.setattr(chaos, "_strike", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chaos.chaos(place, "killing", 1, 2)
    assert not place.faults.exists()
    assert up.is_up(place, faults=True)


def test_the_tail_of_a_log_begins_now_and_ends_with_the_last_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"n": 1}\n')
    tail = LogTail(log)
    assert tail.read() == []
    with log.open("a") as handle:
        handle.write('{"n": 2}\n{"n": 3}\n{"n"')
        handle.flush()
        assert tail.read() == [{"n": 2}, {"n": 3}]
        handle.write(": 4}\n")
        handle.flush()
        assert tail.read() == [{"n": 4}]
    assert LogTail(tmp_path / "absent").read() == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            {"method": "GET", "path": "/download/storage/v1/b/lake/o/a%2Fb.json?alt=media"},
            "GET lake/o/a/b.json",
        ),
        ({"method": "POST", "path": "/bigquery/v2/projects/p/jobs?x=1"}, "POST jobs"),
        (
            {"method": "GetJob", "path": "google.cloud.dataproc.v1.JobController/GetJob"},
            "JobController/GetJob",
        ),
        ({"method": "POST", "path": "landing/prices/a.csv"}, "POST landing/prices/a.csv"),
        ({"process": 12}, "process 12"),
        ({"process": None}, "nobody: the client is gone, or no part"),
        ({"struck": [1, 2]}, "1, 2"),
        ({"error": "rules[0]: id: expected text, found ''"}, "rules[0]: id: expected text, found ''"),
    ],
)
def test_a_line_is_told_in_a_few_words(line: dict[str, object], words: str) -> None:
    assert describe(json.loads(json.dumps(line))) == words
