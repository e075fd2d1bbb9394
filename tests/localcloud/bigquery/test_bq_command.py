"""The real ``bq`` command, with nothing but the environment that ``landfall env`` prints."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("bq") is None, reason="bq is not installed (it comes with the Google Cloud CLI)"
)

Bq = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bq(server: Any, tmp_path: Path) -> Bq:
    (tmp_path / "bigqueryrc").write_text(f"api = {server.endpoint}\nproject_id = landfall-test\n")
    (tmp_path / "access_token").write_text("local\n")
    environment = os.environ | {
        "BIGQUERYRC": str(tmp_path / "bigqueryrc"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "access_token"),
        "CLOUDSDK_CORE_PROJECT": "landfall-test",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
    }

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bq", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return command


@pytest.fixture
def filled(make: Any, run: Any) -> str:
    columns = [
        {"name": "cost", "type": "BIGNUMERIC", "precision": "38", "scale": "18", "mode": "REQUIRED"},
        {"name": "seen", "type": "TIMESTAMP"},
    ]
    table = str(make("t", columns))
    cost, seen = "BIGNUMERIC '405860.816111877671902'", "TIMESTAMP '2026-11-21 01:26:02 UTC'"
    run(f"INSERT INTO {table} VALUES ({cost}, {seen})")
    return table


def test_query(bq: Bq, filled: str) -> None:
    done = bq("query", "--use_legacy_sql=false", "--format=csv", f"SELECT cost, seen FROM {filled}")
    assert (done.returncode, done.stdout) == (0, "cost,seen\n405860.816111877671902,2026-11-21 01:26:02\n")


def test_show_and_ls(bq: Bq, filled: str) -> None:
    dataset, name = filled.split(".")
    shown = json.loads(bq("--format=json", "show", filled).stdout)
    assert (shown["numRows"], shown["schema"]["fields"][0]["precision"]) == ("1", "38")
    assert [
        table["tableReference"]["tableId"] for table in json.loads(bq("--format=json", "ls", dataset).stdout)
    ] == [name]
    assert dataset in bq("ls", "-n", "1000").stdout


def test_head(bq: Bq, filled: str) -> None:
    done = bq("--format=json", "head", "-n", "1", filled)
    assert json.loads(done.stdout) == [{"cost": "405860.816111877671902", "seen": "2026-11-21 01:26:02"}]


def test_an_error_is_the_users(bq: Bq) -> None:
    done = bq("query", "--use_legacy_sql=false", "SELEC 1")
    assert done.returncode != 0
    assert "Syntax error" in done.stdout
