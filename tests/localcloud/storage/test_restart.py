"""State survives the end of the process, also a sudden one."""

import http.client
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud.storage.checksums import Promise
from localcloud.storage.cloud import Cloud, Settings, open_cloud
from localcloud.storage.errors import NotFoundError
from localcloud.storage.folder import Folder
from localcloud.storage.objects import Source, Target
from localcloud.storage.preconditions import Preconditions

from .conftest import StorageProcess

NONE = Preconditions()


def test_killed_while_it_is_written_to(start_storage: Callable[..., StorageProcess]) -> None:
    process = start_storage()
    process.client().create_bucket("landing")
    stored: dict[str, tuple[str, str]] = {}
    twenty_stored, failed = threading.Event(), threading.Event()

    def write(worker: int) -> None:
        number = 0
        while not failed.is_set():
            name, number = f"{worker}/{number % 7}", number + 1
            try:
                answer = process.upload("landing", name, os.urandom(1000), content_type="text/csv").json
            except (OSError, http.client.HTTPException):
                failed.set()
                return
            stored[name] = (answer["generation"], answer["crc32c"])
            if number == 20:
                twenty_stored.set()

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    assert twenty_stored.wait(60)
    process.kill()
    for worker in workers:
        worker.join()
    process.start()
    bucket = process.client().bucket("landing")
    found = {blob.name: (str(blob.generation), blob.crc32c) for blob in bucket.list_blobs()}
    assert set(stored) <= set(found)
    for name, (generation, crc32c) in stored.items():
        # The last write of each worker may have been stored though its answer never came.
        assert int(found[name][0]) >= int(generation)
        assert found[name][0] != generation or found[name][1] == crc32c
        blob = bucket.get_blob(name)
        assert (blob.content_type, len(blob.download_as_bytes(checksum="crc32c"))) == ("text/csv", 1000)
    assert list((process.buckets / ".storage/drafts").iterdir()) == []
    newest = max(int(generation) for generation, _ in found.values())
    assert int(process.upload("landing", "later", b"x").json["generation"]) > newest


def test_everything_is_there_after_a_restart(start_storage: Callable[..., StorageProcess]) -> None:
    process = start_storage()
    bucket = process.client().create_bucket("landing")
    bucket.labels = {"k": "v"}
    bucket.patch()
    blob = bucket.blob("a/b.csv")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("content", content_type="text/csv")
    bucket.blob("../odd").upload_from_string("odd")
    path = "/upload/storage/v1/b/landing/o?uploadType=resumable&name=r"
    upload = process.call("POST", path, b"{}").headers["location"].removeprefix(process.url)
    content = os.urandom(512 * 1024)
    process.call("PUT", upload, content[:262144], {"Content-Range": "bytes 0-262143/*"})
    assert process.stop() in (0, -15)
    process.start()
    bucket = process.client().get_bucket("landing")
    found = bucket.get_blob("a/b.csv")
    assert (found.generation, found.metadata, bucket.labels) == (blob.generation, {"k": "v"}, {"k": "v"})
    assert bucket.blob("../odd").download_as_bytes() == b"odd"
    status = process.call("PUT", upload, headers={"Content-Range": "bytes */*"})
    assert (status.status, status.headers["range"]) == (308, "bytes=0-262143")
    process.call("PUT", upload, content[262144:], {"Content-Range": "bytes 262144-524287/524288"})
    assert bucket.blob("r").download_as_bytes() == content


class SuddenEnd(BaseException):
    """Stands for the end of the process at this very line."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(1, tmp_path / "buckets", tmp_path / "state.sqlite", "p", ())


def put(cloud: Cloud, name: str, content: bytes) -> None:
    draft = cloud.objects.new_draft()
    draft.write_bytes(content)
    attributes = {"contentType": "text/csv"}
    cloud.objects.put(Target("landing", name, NONE), draft, attributes, Promise())


@pytest.mark.parametrize("name", ["a/b", "../blob"])
@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_end_between_commit_and_rename(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, earlier: bytes | None
) -> None:
    cloud = open_cloud(settings)
    cloud.buckets.create("landing", {})
    if earlier:
        put(cloud, name, earlier)

    def end(*_: object, **__: object) -> None:
        raise SuddenEnd

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "publish", end)
        with pytest.raises(SuddenEnd):
            put(cloud, name, b"content")
    cloud.database.close()
    cloud = open_cloud(settings)
    stored, file = cloud.objects.open(Source("landing", name, None, NONE))
    with file:
        assert file.read() == b"content"
    assert (stored.attributes["contentType"], stored.content.size) == ("text/csv", 7)
    assert list((settings.buckets / ".storage/drafts").iterdir()) == []


def test_end_between_unlink_and_commit_has_deleted(settings: Settings) -> None:
    cloud = open_cloud(settings)
    cloud.buckets.create("landing", {})
    put(cloud, "a", b"content")
    (settings.buckets / "landing/a").unlink()
    cloud.database.close()
    cloud = open_cloud(settings)
    with pytest.raises(NotFoundError):
        cloud.objects.get(Source("landing", "a", None, NONE))


def test_generations_grow_though_the_clock_goes_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations: list[int] = []
    for moment in (2_000, 1_000, 3_000):
        monkeypatch.setattr("localcloud.storage.database.now_us", lambda moment=moment: moment)
        cloud = open_cloud(settings)
        if not generations:
            cloud.buckets.create("landing", {})
        put(cloud, "a", b"content")
        generations.append(cloud.objects.get(Source("landing", "a", None, NONE)).generation)
        cloud.database.close()
    assert generations == [2_000, 2_001, 3_000]


def test_a_blob_that_becomes_a_file_leaves_no_blob(settings: Settings) -> None:
    cloud = open_cloud(settings)
    cloud.buckets.create("landing", {})
    put(cloud, "a", b"a file in the way")
    put(cloud, "a/b", b"hence a blob")
    cloud.objects.delete(Source("landing", "a", None, NONE))
    assert len(list((settings.buckets / ".storage/blobs").iterdir())) == 1
    put(cloud, "a/b", b"now a file")
    assert (settings.buckets / "landing/a/b").read_bytes() == b"now a file"
    assert list((settings.buckets / ".storage/blobs").iterdir()) == []
    cloud.database.close()


def test_drafts_and_blobs_of_nobody_are_removed(settings: Settings) -> None:
    open_cloud(settings).database.close()
    hidden = settings.buckets / ".storage"
    (hidden / "drafts/stray").write_text("x")
    (hidden / "blobs/stray").write_text("x")
    open_cloud(settings).database.close()
    assert [path.name for path in hidden.rglob("*") if path.is_file()] == []
