"""The command as a user runs it, with no cloud up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def landfall(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "localcloud.cli", *arguments],
        env={**os.environ, "LANDFALL_HOME": str(home)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "usage: landfall"),
        (["fly"], 2, "invalid choice: 'fly'"),
        (["query"], 2, "SQL"),
        (["logs", "kitchen"], 2, "no part 'kitchen'; the parts are storage, bigquery"),
        (["logs", "storage"], 1, "landfall up"),
        (["env"], 1, "is down. Start it with `landfall up`"),
        (["query", "SELECT 1"], 1, "is down. Start it with `landfall up`"),
        (["drop", "absent.csv", "--dataset", "nope"], 2, "no dataset 'nope'"),
    ],
)
def test_an_error_is_one_paragraph_and_its_code(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = landfall(tmp_path, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_reset_asks_and_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    refused = landfall(foreign, "reset", "--yes")
    assert refused.returncode == 2
    assert "holds no local cloud" in refused.stderr
    assert (foreign / "thesis.txt").exists()

    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").touch()
    unasked = landfall(home, "reset")
    assert unasked.returncode == 2
    assert "landfall reset --yes" in unasked.stderr
    assert landfall(home, "reset", "--yes").returncode == 0
    assert not home.exists()


def test_down_and_reset_of_nothing_are_harmless(tmp_path: Path) -> None:
    assert landfall(tmp_path / "absent", "down").returncode == 0
    assert landfall(tmp_path / "absent", "reset", "--yes").returncode == 0
    assert not (tmp_path / "absent").exists()
