from pathlib import Path

import pytest

from localcloud.command import doctor
from localcloud.launcher.errors import CommandError
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import Running, State, write_state

JAVA_8 = 'java version "1.8.0_401"\nJava(TM) SE Runtime Environment\n'
JAVA_11 = 'openjdk version "11.0.25" 2024-10-15\n'
JAVA_17 = 'openjdk version "17.0.15" 2025-04-15\n'
JAVA_21 = 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21" 2023-09-19\n'


@pytest.mark.parametrize(
    ("output", "state", "found"),
    [
        (None, "missing", "none"),
        ("Unable to locate a Java Runtime.", "missing", "Unable to locate a Java Runtime."),
        (JAVA_8, "missing", "Java 1"),
        (JAVA_11, "missing", "Java 11"),
        (JAVA_17, "ok", "Java 17"),
        (JAVA_21, "ok", "Java 21"),
    ],
)
def test_java_has_to_be_17_or_newer(output: str | None, state: str, found: str) -> None:
    finding = doctor.check_java(output)
    assert (finding.state, finding.found) == (state, found)
    assert "openjdk-17-jre-headless` (Debian 13: openjdk-21-jre-headless" in finding.remedy


def test_a_java_home_without_java_is_to_be_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (finding,) = (one for one in doctor.check_machine(Place(ROOT, tmp_path)) if one.subject == "Java")
    assert finding.state == "missing"
    assert finding.remedy == f"JAVA_HOME={tmp_path} holds no java: unset it or correct it."


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "missing"), ((3, 11), "ok"), ((3, 12), "ok"), ((3, 13), "missing")]
)
def test_python_has_to_be_one_of_the_locked(version: tuple[int, int], state: str) -> None:
    assert doctor.check_python(version).state == state


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# made by make lock\n"
        "rich==15.0.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via landfall\n"
        "grpcio==1.80.0 \\\n    --hash=sha256:22\n"
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:33\n"
    )
    installed = {"rich": "15.0.0", "grpcio": "1.80.0"}
    assert doctor.check_packages(lock, installed.get).found == "2 as locked"
    finding = doctor.check_packages(lock, {"rich": "14.0.0"}.get)
    assert finding.state == "missing"
    assert finding.found == "2 of 2 differ: rich 14.0.0, grpcio absent"
    assert "make install" in finding.remedy


def test_the_lock_of_the_project_is_understood() -> None:
    lock = Path(doctor.__file__).parents[2] / "requirements.txt"
    names = {requirement.name for requirement in doctor.read_lock(lock)}
    assert {"apache-airflow", "pyspark", "rich", "psutil"} <= names


def test_memory_and_disk(tmp_path: Path) -> None:
    assert doctor.check_memory(1.5).state == "missing"
    assert doctor.check_memory(16).state == "ok"
    assert "GiB free" in doctor.check_disk(tmp_path / "not" / "yet").found


@pytest.mark.parametrize(("limit", "found"), [("max\n", 100), ("40\n", 40), ("900\n", 100), (None, 100)])
def test_a_containers_limit_counts_where_it_is_less(tmp_path: Path, limit: str | None, found: int) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert doctor.read_memory(100, tmp_path / "memory.max") == found


def test_only_what_is_required_is_called_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "check_machine", lambda _: [doctor.check_memory(64)])
    assert doctor.doctor(Place(ROOT, tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("64.0 GiB (needed: 4 GiB)")
    assert not [line for line in lines[1:] if "needed:" in line]
    assert any(line.endswith("down; `landfall up` starts them") for line in lines)


def test_google_clients_are_optional() -> None:
    findings = doctor.check_tools({"gcloud": "/bin/gcloud"}.get)
    assert [finding.state for finding in findings] == ["ok", "absent"]


def test_loopback_works_here() -> None:
    assert doctor.check_loopback().state == "ok"


def test_a_dead_part_is_missing_only_while_others_run(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path)
    assert [finding.state for finding in doctor.check_parts(place)] == ["ok"]
    write_state(place.state, State(parts={"storage": Running(1, 1.0)}))
    assert [finding.state for finding in doctor.check_parts(place)] == ["ok"]


def test_what_is_missing_stops_up_with_every_remedy() -> None:
    findings = [doctor.check_java(None), doctor.check_python((3, 9)), doctor.check_memory(64)]
    with pytest.raises(CommandError) as caught:
        doctor.require(findings)
    message = str(caught.value)
    assert "Java: needed 17" in message
    assert "Python: needed 3.11" in message
    assert "Memory" not in message
