"""`gcloud storage`, the real command, against the local Cloud Storage."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import storage

from .conftest import StorageProcess

Gcloud = Callable[..., str]

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")


@pytest.fixture
def gcloud(cloud: StorageProcess, tmp_path: Path) -> Gcloud:
    """Runs `gcloud storage`, pointed at the local storage by its environment alone."""
    environment = {
        **os.environ,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{cloud.url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "true",
    }

    def run(*arguments: str) -> str:
        command = ["gcloud", "storage", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_files_go_in_are_listed_read_moved_and_removed(
    gcloud: Gcloud, bucket: storage.Bucket, tmp_path: Path
) -> None:
    source, root = tmp_path / "a.csv", f"gs://{bucket.name}"
    source.write_text("a,b\n1,2\n")
    gcloud("cp", str(source), f"{root}/price_quote/a.csv")
    assert gcloud("ls", "-r", f"{root}/**").split() == [f"{root}/price_quote/a.csv"]
    assert gcloud("cat", f"{root}/price_quote/a.csv") == "a,b\n1,2\n"
    gcloud("mv", f"{root}/price_quote/a.csv", f"{root}/moved/b.csv")
    assert [blob.name for blob in bucket.list_blobs()] == ["moved/b.csv"]
    gcloud("rm", "-r", root)
    assert not bucket.exists()


def test_large_files_go_in_by_resumable_upload(
    gcloud: Gcloud, bucket: storage.Bucket, tmp_path: Path
) -> None:
    content = os.urandom(9 << 20)
    (tmp_path / "large").write_bytes(content)
    gcloud("cp", str(tmp_path / "large"), f"gs://{bucket.name}/plain")
    gcloud("cp", "-J", str(tmp_path / "large"), f"gs://{bucket.name}/zipped-in-flight")
    assert bucket.blob("plain").download_as_bytes() == content
    assert bucket.blob("zipped-in-flight").download_as_bytes() == content
