import json
from pathlib import Path

import pytest

from landfall_dags.pipeline import load_pipelines
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
        ({"version": 2}, "expected version 1, found 2"),
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
