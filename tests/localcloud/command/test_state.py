from pathlib import Path

import pytest

from localcloud.launcher.errors import CommandError
from localcloud.launcher.place import ROOT, find_place
from localcloud.launcher.state import Running, State, locked, read_state, write_state


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    for faults, starting in ((False, False), (True, False), (False, True)):
        state = State({"storage": 20001}, {"storage": Running(123, 456.5)}, faults, starting)
        write_state(tmp_path / "state.json", state)
        assert read_state(tmp_path / "state.json") == state


def test_a_state_of_a_version_that_could_not_be_made_to_fail_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 1, "ports": {"storage": 20001}, "parts": {}}')
    assert read_state(tmp_path / "state.json") == State(ports={"storage": 20001})


def test_without_a_file_the_state_is_empty(tmp_path: Path) -> None:
    assert read_state(tmp_path / "state.json") == State()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 0}', '{"version": 1, "ports": 3, "parts": {}}']
)
def test_a_state_that_makes_no_sense_is_said_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(CommandError, match=r"state\.json.*landfall reset --yes"):
        read_state(tmp_path / "state.json")


def test_only_one_command_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(CommandError, match="is at work on"):
        locked(tmp_path / "lock").__enter__()
    with locked(tmp_path / "lock"):
        pass


def test_the_state_folder_is_the_one_named_or_the_checkouts() -> None:
    assert find_place({}).home == ROOT / ".landfall"
    assert find_place({"LANDFALL_HOME": "/some where"}).home == Path("/some where")
    assert find_place({"LANDFALL_HOME": "below"}).home == Path.cwd() / "below"


def test_other_datasets_than_the_checkouts_may_be_named(tmp_path: Path) -> None:
    assert find_place({}).datasets == ROOT / "bigquery" / "datasets"
    named = find_place({"LANDFALL_DATASETS_DIR": f"{tmp_path}/x/../rendered"})
    assert (named.datasets, named.home) == (tmp_path / "rendered", ROOT / ".landfall")


def test_one_folder_under_two_spellings_is_one_place(tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(tmp_path / "home")
    spellings = ("home", "other", "x/../home")
    assert {find_place({"LANDFALL_HOME": f"{tmp_path}/{spelling}"}).home for spelling in spellings} == {
        (tmp_path / "home").resolve()
    }
