"""The rules of a part: its file may come, change and go at any time."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from localcloud.faults.reader import Faults, log_of, write_rules
from localcloud.faults.rules import RulesError


def document(action: str, **more: object) -> str:
    return json.dumps({"rules": [{"id": "r", "part": "storage", "action": action, **more}]})


def logged(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_of(file).read_text().splitlines()]


def action(faults: Faults) -> str | None:
    rule = faults.choose("storage", "GET", "/a")
    return rule.action if rule else None


def test_a_file_that_comes_changes_and_goes_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    faults = Faults(file)
    assert action(faults) is None
    write_rules(file, document("error"))
    assert action(faults) == "error"
    write_rules(file, document("delay"))
    assert action(faults) == "delay"
    file.unlink()
    assert action(faults) is None
    assert action(Faults(None)) is None


def test_what_fires_is_logged_with_what_it_fired_on(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    write_rules(file, document("error", times=1))
    faults = Faults(file)
    assert [action(faults), action(faults)] == ["error", None]
    (line,) = logged(file)
    assert line.pop("time").endswith("+00:00")
    assert line == {"part": "storage", "rule": "r", "action": "error", "method": "GET", "path": "/a"}


def test_a_damaged_file_stops_no_part_and_is_told_of_once(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('{"rules": [{"id": "r"}]}')
    faults = Faults(file)
    assert [action(faults), action(faults)] == [None, None]
    (line,) = logged(file)
    assert line["action"] == "refused"
    assert "rules[0]: part: expected one of" in line["error"]


def test_a_damaged_document_never_replaces_one_that_is_obeyed(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    write_rules(file, document("error"))
    with pytest.raises(RulesError):
        write_rules(file, document("eror"))
    assert action(Faults(file)) == "error"
    assert {path.name for path in tmp_path.iterdir()} == {"faults.json", "faults.log"}


def test_times_hold_over_threads(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    write_rules(file, document("error", times=50))
    faults = Faults(file)
    threads = [threading.Thread(target=lambda: [action(faults) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logged(file)) == 50
