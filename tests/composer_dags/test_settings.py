import json
from pathlib import Path

import pytest

from landfall_dags.pipeline import load_pipelines, parse_pipeline
from landfall_dags.settings import Settings
from tests.composer_dags.conftest import pipeline_document


def test_periods_have_defaults(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    assert (settings.batch_window_seconds, settings.run_grace_seconds) == (60, 5)
    assert settings.datasets_dir == Path("/nowhere")


def test_everything_that_is_wrong_is_said_at_once(environment: dict[str, str]) -> None:
    del environment["LANDFALL_PROJECT"]
    environment.update(
        LANDFALL_LAKE_BUCKET="", LANDFALL_BATCH_WINDOW_SECONDS="0", LANDFALL_RUN_GRACE_SECONDS="-1"
    )
    with pytest.raises(ValueError, match="incomplete") as raised:
        Settings.from_environment(environment)
    for name in (
        "LANDFALL_PROJECT is not set",
        "LANDFALL_LAKE_BUCKET is not set",
        "LANDFALL_BATCH_WINDOW_SECONDS must be a whole number of seconds, at least 1; found '0'",
        "LANDFALL_RUN_GRACE_SECONDS must be a whole number of seconds, at least 0; found '-1'",
    ):
        assert name in str(raised.value)


def test_a_token_key_is_one_version_of_a_secret(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment).token_key is None
    key = "projects/p/secrets/s/versions/3"
    assert Settings.from_environment(environment | {"LANDFALL_TOKEN_KEY": key}).token_key == key
    for wrong in ("projects/p/secrets/s/versions/latest", "projects/p/secrets/s", "s"):
        with pytest.raises(ValueError, match="LANDFALL_TOKEN_KEY must be projects/PROJECT/secrets"):
            Settings.from_environment(environment | {"LANDFALL_TOKEN_KEY": wrong})


def test_secrets_are_googles_unless_the_environment_says_where(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment).secrets_url == "https://secretmanager.googleapis.com"
    elsewhere = environment | {"LANDFALL_SECRETS_URL": "http://127.0.0.1:1234"}
    assert Settings.from_environment(elsewhere).secrets_url == "http://127.0.0.1:1234"


def write(folder: Path, dataset: str, text: str) -> Path:
    path = folder / dataset / "pipeline.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_every_rendered_pipeline_is_read_in_order_of_name(tmp_path: Path) -> None:
    for dataset in ("b", "a"):
        write(tmp_path, dataset, json.dumps(pipeline_document(dataset)))
    assert [pipeline.dag_id for pipeline in load_pipelines(tmp_path)] == ["ingest_a", "ingest_b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "expected version 2, found 1"),
        ({"raw": {}}, "expected the key 'table'; found none"),
        ({"compute": {"machine_type": "e2-standard-4"}}, "missing 3 required"),
        ({"dataset": "b"}, "expected dataset 'a', found 'b'"),
    ],
)
def test_a_wrong_pipeline_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write(tmp_path, "a", json.dumps(pipeline_document("a") | change))
    with pytest.raises(ValueError, match=message) as raised:
        load_pipelines(tmp_path)
    assert str(path) in str(raised.value)
    assert "make render" in str(raised.value)


def test_a_folder_without_pipelines_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LANDFALL_DATASETS_DIR"):
        load_pipelines(tmp_path)


def test_what_a_contract_asks_of_the_run_is_read_from_it() -> None:
    document = pipeline_document()
    plain = parse_pipeline(json.dumps(document), "here")
    assert (plain.splits, plain.evolves, plain.tokenises, plain.quality) == (True, False, False, ())
    column = {"name": "tax_id", "type": "STRING", "protection": {"method": "tokenise"}}
    asking = document | {
        "format": {"type": "csv", "encoding": "UTF-16", "unknown_columns": "evolve"},
        "columns": [*document["columns"], column],  # type: ignore[misc]
        "quality": [{"rule": "some_rows"}],
    }
    found = parse_pipeline(json.dumps(asking), "here")
    assert (found.splits, found.evolves, found.tokenises, found.quality) == (
        False,
        True,
        True,
        ("some_rows",),
    )
