"""What a poisoned file does to the job that reads it: it fails every time, and says so or cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.dataproc.spark import gs_properties
from localcloud.faults.reader import write_rules
from localcloud.launcher.process import MARK
from localcloud.metadata.server import MetadataServer
from tests.chaos.faults import poison
from tests.chaos.test_attempts import AnyToken
from tests.chaos.test_fast_spark import CASE, STAND_IN
from tests.localcloud.storage.conftest import StorageProcess
from tests.spark_jobs.batches import ARCHIVE, LAKE, Batch, Place, stage
from tests.spark_jobs.submission import UNIT

SOUND, BAD = "17-abc-sound.csv", "17-abc-bad.csv"


class InStorage(Place):
    """Names objects by `gs://`; their content lies in the storage part's folder."""

    def uri(self, bucket: str, name: str) -> str:
        return f"gs://{bucket}/{name}"

    def path(self, uri: str) -> Path:
        return self.root / uri.removeprefix("gs://")


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageProcess]:
    monkeypatch.setenv(MARK, str(tmp_path))
    part = StorageProcess(tmp_path, flags=("--faults", str(tmp_path / "faults.json"))).start()
    for bucket in (ARCHIVE, LAKE):
        part.client().create_bucket(bucket)
    metadata = MetadataServer(0, "p", AnyToken(""))
    threading.Thread(target=metadata.serve_forever).start()
    monkeypatch.setenv("GCE_METADATA_ROOT", f"127.0.0.1:{metadata.server_port}")
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", part.url)
    monkeypatch.setenv("GOOGLE_GCLOUD_ADC_PATH_OVERRIDE", str(tmp_path / "no_credentials.json"))
    yield part
    part.stop()
    metadata.shutdown()
    metadata.server_close()


@pytest.mark.parametrize("deadly", [False, True])
def test_poisoned_file_fails_every_job_and_its_absence_none(
    storage: StorageProcess, tmp_path: Path, deadly: bool
) -> None:
    batch = _stage(storage)
    write_rules(tmp_path / "faults.json", json.dumps({"rules": [poison("orders/bad.csv", deadly)]}))
    for number in range(2):
        code, output = _run(batch, f"job-{number}")
        assert code == (-signal.SIGKILL if deadly else 1), output
        failure = batch.place.path(f"{batch.output}/job-{number}/failure.json")
        if deadly:
            assert not failure.exists()
        else:
            report = json.loads(failure.read_text())
            assert report["fault"] == "batch"
            assert [file["uri"] for file in report["files"]] == [f"gs://landing/orders/{BAD}"]
    (tmp_path / "faults.json").unlink()
    code, output = _run(batch, "job-2")
    assert code == 0, output


def _stage(storage: StorageProcess) -> Batch:
    pipeline = json.loads((CASE / "pipeline.json").read_text())
    files = dict.fromkeys((SOUND, BAD), b"code,day,n\na,2026-11-21,1\n")
    batch = stage(InStorage(None, storage.buckets), pipeline, files, "poison")  # type: ignore[arg-type]
    folder, _, _ = batch.output.rpartition("/")
    return Batch(batch.place, batch.manifest, batch.pipeline, folder)


def _run(batch: Batch, job_id: str) -> tuple[int, str]:
    properties = gs_properties(batch.place.root, [LAKE])
    done = subprocess.run(
        [
            *(sys.executable, str(STAND_IN), "--py-files", str(UNIT)),
            *(word for name, value in properties.items() for word in ("--conf", f"{name}={value}")),
            str(UNIT / "csv_to_parquet.py"),
            *("--manifest", batch.manifest, "--pipeline", batch.pipeline),
            *("--output", f"{batch.output}/{job_id}"),
        ],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
