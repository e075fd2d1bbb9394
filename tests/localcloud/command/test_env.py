import platform
import shlex
import subprocess
from pathlib import Path

import pytest

from localcloud.deployment.local import make_exports, render_local_exports
from localcloud.launcher.cloud import SERVERS, Cloud
from localcloud.launcher.environment import make_environment
from localcloud.launcher.gcloud import write_client_files
from localcloud.launcher.place import Place
from localcloud.launcher.process import MARK


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    place = Place(tmp_path / "it's a checkout", tmp_path / "state with $HOME & spaces")
    return Cloud(place, {server: 20000 + index for index, server in enumerate(SERVERS)})


def test_a_shell_reads_every_export_as_it_is_meant(cloud: Cloud) -> None:
    exports = make_exports(cloud, token="a'b")
    script = render_local_exports(exports) + "\nenv -0"
    clean = {"PATH": "/usr/bin:/bin", "GOOGLE_APPLICATION_CREDENTIALS": "/mine.json"}
    done = subprocess.run(["sh", "-c", script], env=clean, capture_output=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert {name: found[name] for name in exports} == exports
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in found


def test_every_line_is_one_export(cloud: Cloud) -> None:
    for line in render_local_exports(make_exports(cloud, "t")).splitlines():
        words = shlex.split(line)
        assert len(words) == 2
        assert words[0] in ("export", "unset")


def test_loopback_joins_what_the_shell_keeps_from_its_proxy(cloud: Cloud) -> None:
    script = render_local_exports(make_exports(cloud, "t")) + '\necho "$no_proxy $NO_PROXY"'
    clean = {"PATH": "/usr/bin:/bin", "no_proxy": "corp.example"}
    done = subprocess.run(["sh", "-c", script], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout == "corp.example,127.0.0.1,localhost 127.0.0.1,localhost\n"


def test_what_a_user_starts_after_it_is_not_marked_as_a_part(cloud: Cloud) -> None:
    assert MARK not in make_exports(cloud, "t")


def test_the_files_that_bq_needs_are_written(cloud: Cloud) -> None:
    write_client_files(cloud)
    exports = make_exports(cloud, "t")
    assert f"api = {cloud.url('bigquery')}\n" in Path(exports["BIGQUERYRC"]).read_text()
    assert Path(exports["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read_text()


def test_nothing_of_the_user_reaches_a_part_but_the_harmless(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    outside = {
        "PATH": "/usr/bin",
        "HOME": "/me",
        "LC_ALL": "C.UTF-8",
        "JAVA_HOME": "/java",
        "GOOGLE_APPLICATION_CREDENTIALS": "/me/key.json",
        "AIRFLOW__CORE__EXECUTOR": "x",
        "SPARK_HOME": "/spark",
        "PYTHONPATH": "/mine",
        "HTTPS_PROXY": "http://proxy",
        "CLOUDSDK_CONFIG": "/me/gcloud",
        "LANDFALL_LANDING_BUCKET": "real-bucket",
    }
    environment = make_environment(cloud, outside)
    assert environment["PATH"].endswith(":/usr/bin")
    assert (environment["HOME"], environment["LC_ALL"], environment["JAVA_HOME"]) == (
        "/me",
        "C.UTF-8",
        "/java",
    )
    assert not {
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AIRFLOW__CORE__EXECUTOR",
        "SPARK_HOME",
        "PYTHONPATH",
        "HTTPS_PROXY",
    } & set(environment)
    assert environment["CLOUDSDK_CONFIG"] == str(cloud.place.gcloud)
    assert environment["LANDFALL_LANDING_BUCKET"] == "landfall-local-landing"
    assert "OBJC_DISABLE_INITIALIZE_FORK_SAFETY" not in environment
    assert environment[MARK] == environment["LANDFALL_HOME"] == str(cloud.place.home)


def test_on_macos_a_part_may_fork(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert make_environment(cloud, {})["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] == "YES"
