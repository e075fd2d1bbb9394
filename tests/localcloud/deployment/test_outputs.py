"""The file of an environment: what is taken from it, and what is said of one that is absent or wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from localcloud.deployment.outputs import parse_outputs, read_outputs
from localcloud.launcher.errors import CommandError, UsageError
from tests.localcloud.deployment.local_outputs import local_outputs, write_outputs

URL = "https://airflow.example.com"


def test_an_environment_is_what_terraform_says_of_it(tmp_path: Path) -> None:
    write_outputs(tmp_path, local_outputs(f"{URL}/", environment="dev"))
    outputs = read_outputs(tmp_path, "dev")
    assert (outputs.environment, outputs.project, outputs.airflow_url) == ("dev", "landfall-local", URL)
    assert outputs.buckets["landing"] == "landfall-local-landing"
    assert outputs.datasets[0] == "bank_statement"


def test_composer_may_be_away() -> None:
    outputs = parse_outputs(json.dumps(local_outputs("", function="")))
    assert (outputs.airflow_url, outputs.function) == (None, "")


@pytest.mark.parametrize("name", ["", "d", "DEV", "../dev", "de v", "averylongname", "dev.json"])
def test_what_names_no_environment_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--env: expected the name of an environment"):
        read_outputs(tmp_path, name)


def test_an_absent_file_is_said_with_those_that_are_there_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        read_outputs(tmp_path, "dev")
    assert str(caught.value) == (
        f"{tmp_path}/environments/dev.json: expected the outputs of the environment dev, found no file. "
        "`make outputs ENV=dev` writes it for one that is deployed; `make deploy ENV=dev` deploys it "
        "(docs/deploy.md)."
    )
    write_outputs(tmp_path, local_outputs(URL, environment="stg"))
    with pytest.raises(
        CommandError, match=re.escape("found no file. Known here: stg. `make outputs ENV=dev`")
    ):
        read_outputs(tmp_path, "dev")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected the JSON of `terraform output -json`, found none"),
        (b"\xff", "expected the outputs of Terraform, found 'utf-8' codec"),
        (b"[]", "expected an object of outputs, found list"),
        (b"{}", "environment: expected a text, found nothing; project: expected a text, found nothing"),
    ],
)
def test_a_file_of_something_else_is_said_with_the_remedy(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = write_outputs(tmp_path, local_outputs(URL, environment="dev"))
    path.write_bytes(content)
    with pytest.raises(CommandError) as caught:
        read_outputs(tmp_path, "dev")
    assert str(caught.value).startswith(f"{path}: {message}")
    assert str(caught.value).endswith("`make outputs ENV=dev` writes it anew.")


def test_the_outputs_of_another_environment_are_refused(tmp_path: Path) -> None:
    path = write_outputs(tmp_path, local_outputs(URL, environment="prod"))
    path.rename(path.with_stem("dev"))
    with pytest.raises(CommandError, match="expected the environment dev, found prod"):
        read_outputs(tmp_path, "dev")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("project", 7, "project: expected a text, found 7"),
        ("project", "", 'project: expected a text, found ""'),
        ("function", None, "function: expected a text, found nothing"),
        ("datasets", "price_quote", 'datasets: expected a list of names, found "price_quote"'),
        ("datasets", [1], "datasets: expected a list of names, found [1]"),
        ("buckets", [], "buckets: expected a bucket's name by purpose, found []"),
        ("airflow_url", "airflow", 'airflow_url: expected an https address, or none, found "airflow"'),
        # A token would go there in clear.
        ("airflow_url", "http://airflow.example.com", "airflow_url: expected an https address"),
        ("airflow_url", "https://", "airflow_url: expected an https address"),
        ("control_room_url", "control-room", "control_room_url: expected an https address"),
        ("links", [], "links: expected an address by kind, found []"),
        ("links", {"run": 7}, "links.run: expected an https address, found 7"),
        ("links", {"run": "javascript:alert()"}, "links.run: expected an https address"),
    ],
)
def test_each_wrong_output_is_named(name: str, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_outputs(json.dumps(local_outputs(URL) | {name: {"value": value}}))


def test_all_that_is_wrong_is_said_at_once() -> None:
    outputs = local_outputs(URL, buckets={"landing": "landfall-dev-landing", "lake": 1})
    del outputs["region"]
    with pytest.raises(ValueError, match="region: ") as caught:
        parse_outputs(json.dumps(outputs))
    wrong = [problem.partition(":")[0] for problem in str(caught.value).split("; ")]
    assert wrong == ["region", *(f"buckets.{purpose}" for purpose in
                                 ("archive", "rejected", "lake", "code", "staging"))]  # fmt: skip
