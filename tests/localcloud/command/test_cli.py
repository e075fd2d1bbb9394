"""The command as a user runs it, with no cloud up."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.cli import _parser, main
from localcloud.launcher.home import OURS, check_home, make_home
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.process import MARK, end_all


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
        (["rejects"], 2, "DATASET"),
        (
            ["rejects", "nope"],
            2,
            "no dataset 'nope'; the datasets are bank_statement, bill_of_materials, comp_boss",
        ),
        (["rejects", "comp_boss", "--csv", "rows.txt"], 2, "rows.txt: expected a name ending in .csv"),
        (["rejects", "comp_boss"], 1, "is down. Start it with `landfall up`"),
        (["rejects", "comp_boss", "--csv", "a.csv", "--json"], 2, "not allowed with argument --csv"),
        (["where"], 2, "FILE"),
        (["where", "a.csv"], 1, "is down. Start it with `landfall up`"),
        (["tail", "nope"], 2, "no dataset 'nope'"),
        (["tail"], 1, "is down. Start it with `landfall up`"),
        (["replay"], 2, "BATCH|FILE"),
        (["replay", "a.csv"], 1, "is down. Start it with `landfall up`"),
        (["logs", "kitchen"], 2, "no part 'kitchen'; the parts are storage, bigquery"),
        (["logs", "storage"], 1, "landfall up"),
        (["env"], 1, "is down. Start it with `landfall up`"),
        (["query", "SELECT 1"], 1, "is down. Start it with `landfall up`"),
        (["drop", "absent.csv", "--dataset", "nope"], 2, "no dataset 'nope'"),
        (["--env", "dev", "status"], 1, "`make deploy ENV=dev` deploys it"),
        (["--env", "../dev", "status"], 2, "--env: expected the name of an environment"),
        (["--env", "dev", "up"], 2, "`landfall up` is for the local cloud alone: `make deploy ENV=dev`"),
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


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's, with names that a local cloud uses too."""
    folder = tmp_path / "foreign"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "diary.txt").write_text("years of life")
    (folder / "thesis.txt").write_text("years of work")
    yield folder
    end_all(folder, patience=0)


def content(folder: Path) -> dict[str, bytes | None]:
    paths = folder.rglob("*")
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize("state", [None, '{"version": 4, "terraform_version": "1.9"}', "not JSON"])
def test_a_foreign_folder_is_never_touched(foreign: Path, state: str | None) -> None:
    if state:
        (foreign / "state.json").write_text(state)
    before = content(foreign)
    assert landfall(foreign, "down").stdout.startswith("Nothing runs: ")
    for arguments in (["up"], ["reset", "--yes"]):
        refused = landfall(foreign, *arguments)
        assert refused.returncode == 2
        assert "holds no local cloud" in refused.stderr
    assert content(foreign) == before


def make_cloud(home: Path) -> Path:
    """A state folder with something of every part in it."""
    make_home(Place(ROOT, home))
    for name in OURS:
        path = home / name
        if "." not in name and name != "lock":
            (path / "inner").mkdir(parents=True, exist_ok=True)
            (path / "inner" / "data").touch()
        elif not path.exists():
            path.touch()
    return home


def test_environments_are_no_cloud_and_stay_where_they_are(tmp_path: Path) -> None:
    environments = tmp_path / "home" / "environments"
    environments.mkdir(parents=True)
    (environments / "dev.json").write_text("{}")
    check_home(Place(ROOT, tmp_path / "home"))
    assert landfall(tmp_path / "home", "reset", "--yes").stdout.startswith("Nothing to delete: ")
    home = make_cloud(tmp_path / "home")
    assert landfall(home, "reset", "--yes").returncode == 0
    assert content(home) == {"environments": None, "environments/dev.json": b"{}"}


@pytest.mark.parametrize("damaged", [False, True])
def test_reset_asks_then_deletes_the_cloud(tmp_path: Path, damaged: bool) -> None:
    home = make_cloud(tmp_path / "home")
    if damaged:
        (home / "state.json").write_text("{")
    before = content(home)
    unasked = landfall(home, "reset")
    assert unasked.returncode == 2
    assert "landfall reset --yes" in unasked.stderr
    assert content(home) == before
    assert landfall(home, "reset", "--yes").returncode == 0
    assert not home.exists()


def test_reset_deletes_only_what_is_ours(tmp_path: Path) -> None:
    home = make_cloud(tmp_path / "home")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "mine").write_text("mine")
    (home / "bigquery" / "inner" / "data").unlink()
    (home / "bigquery" / "inner").rmdir()
    (home / "bigquery").rmdir()
    (home / "bigquery").symlink_to(tmp_path / "disk")
    (home / "notes.txt").write_text("mine")
    done = landfall(home, "reset", "--yes")
    assert done.returncode == 0
    assert "the folder stays, since it holds other files" in done.stdout
    assert content(home) == {"notes.txt": b"mine"}
    assert content(tmp_path / "disk") == {"mine": b"mine"}


@pytest.mark.parametrize("arguments", [["up"], ["status"], ["doctor"], ["env"]])
@pytest.mark.parametrize("below", ["", "/below"])
def test_a_home_that_is_a_file_is_said_with_the_remedy(
    tmp_path: Path, arguments: list[str], below: str
) -> None:
    (tmp_path / "file").touch()
    done = landfall(Path(f"{tmp_path}/file{below}"), *arguments)
    assert done.returncode == 2
    assert done.stderr == (
        "landfall: LANDFALL_HOME: expected a folder that this user may write, "
        f"found {tmp_path}/file{below} (a file lies there); name another one.\n"
    )


def test_down_and_reset_of_nothing_are_harmless(tmp_path: Path) -> None:
    assert landfall(tmp_path / "absent", "down").returncode == 0
    assert landfall(tmp_path / "absent", "reset", "--yes").returncode == 0
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("arguments", [["down"], ["reset", "--yes"]])
def test_what_outlived_its_folder_is_ended(tmp_path: Path, arguments: list[str]) -> None:
    environment = {**os.environ, MARK: str(tmp_path / "absent")}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env=environment) as part:
        assert landfall(tmp_path / "absent", *arguments).returncode == 0
        assert part.wait(30) < 0
    assert not (tmp_path / "absent").exists()


def test_the_readme_has_every_command_and_the_exit_codes() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = [line.split(" | ")[0] for line in readme.splitlines() if line.startswith("| `landfall ")]
    documented = [name for row in rows for name in re.findall(r"`landfall (\w+)", row)]
    (commands,) = (one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction))
    assert sorted(documented) == sorted(commands.choices)

    def codes(text: str) -> dict[str, str]:
        (listed,) = re.findall(r"Exit codes: ([^.]+)\.", text)
        return dict(one.split(" ", 1) for one in listed.split(", "))

    told, meant = codes(readme), codes(main.__doc__ or "")
    assert {"0", "1", "2"} <= told.keys() <= meant.keys()
    assert all(words.startswith(meant[code]) for code, words in told.items())
