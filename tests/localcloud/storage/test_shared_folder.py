"""Objects and plain files are the same thing, whoever wrote them; and no name leads out of the folder."""

import os
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest, PreconditionFailed
from google.cloud import storage

from .conftest import StorageProcess


@pytest.fixture
def folder(cloud: StorageProcess, bucket: storage.Bucket) -> Path:
    return cloud.buckets / str(bucket.name)


def names(bucket: storage.Bucket) -> list[str]:
    return [blob.name for blob in bucket.list_blobs()]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_an_object_is_a_file_and_leaves_nothing_behind(bucket: storage.Bucket, folder: Path) -> None:
    blob = bucket.blob("a/b/ü.csv")
    blob.upload_from_string("content")
    assert (folder / "a/b/ü.csv").read_text() == "content"
    blob.delete()
    assert files(folder) == []


def test_a_file_is_an_object_from_the_first_look_on(bucket: storage.Bucket, folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/part-0.parquet").write_bytes(b"0123")
    found = bucket.get_blob("out/part-0.parquet")
    assert (found.size, found.metageneration, found.download_as_bytes()) == (4, 1, b"0123")
    (folder / "out/part-1.parquet").write_bytes(b"")
    assert names(bucket) == ["out/part-0.parquet", "out/part-1.parquet"]
    assert bucket.get_blob("out/part-0.parquet").generation == found.generation


def test_a_changed_file_is_a_new_generation(bucket: storage.Bucket, folder: Path) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string("old")
    seen = (folder / "a").stat().st_mtime_ns
    (folder / "a").write_text("new")
    # A moment later: within one tick of a file system's clock both would be of the same time.
    os.utime(folder / "a", ns=(seen + 20_000_000, seen + 20_000_000))
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("newer", if_generation_match=blob.generation)
    found = bucket.get_blob("a")
    assert found.generation > blob.generation
    assert found.download_as_bytes() == b"new"
    replacement = folder / "replacement"
    replacement.write_text("old")
    replacement.rename(folder / "a")
    assert bucket.get_blob("a").generation > found.generation
    assert names(bucket) == ["a"]


def test_a_removed_file_is_no_object(bucket: storage.Bucket, folder: Path) -> None:
    for name in ("a", "b/c"):
        bucket.blob(name).upload_from_string(name)
    (folder / "a").unlink()
    assert bucket.get_blob("a") is None
    (folder / "b/c").unlink()
    assert names(bucket) == []
    bucket.blob("a").upload_from_string("again", if_generation_match=0)
    assert names(bucket) == ["a"]


HOSTILE = [
    "../../evil",
    "a/../../evil",
    "/etc/evil",
    "a//b",
    "a/",
    "./a",
    "a/.",
    "x\0y",
    "d" * 300,
    ".storage/drafts/x",
]


def test_hostile_names_are_exact_objects_and_stay_inside(
    cloud: StorageProcess, bucket: storage.Bucket
) -> None:
    outside = {path for path in cloud.buckets.parent.iterdir() if path != cloud.buckets}
    for name in HOSTILE:
        bucket.blob(name).upload_from_string(f"content of {name}", if_generation_match=0)
    assert names(bucket) == sorted(HOSTILE)
    for name in HOSTILE:
        assert bucket.blob(name).download_as_bytes() == f"content of {name}".encode()
    assert {path for path in cloud.buckets.parent.iterdir() if path != cloud.buckets} == outside
    assert files(cloud.buckets / bucket.name) == [".storage", ".storage/drafts", ".storage/drafts/x"]
    for name in HOSTILE:
        bucket.blob(name).delete()
    assert names(bucket) == []
    bucket.delete()


@pytest.mark.parametrize("name", ["..", ".", "a\nb", "x" * 1025])
def test_names_that_cloud_storage_refuses(bucket: storage.Bucket, name: str) -> None:
    with pytest.raises(BadRequest):
        bucket.blob(name).upload_from_string("no")


def test_a_name_and_names_below_it_live_together(bucket: storage.Bucket, folder: Path) -> None:
    for name in ("a", "a/b", "c/d", "c"):
        bucket.blob(name).upload_from_string(name)
    assert names(bucket) == ["a", "a/b", "c", "c/d"]
    assert [bucket.blob(name).download_as_bytes() for name in names(bucket)] == [b"a", b"a/b", b"c", b"c/d"]
    bucket.blob("a").delete()
    bucket.blob("a/b").upload_from_string("now a file")
    assert (folder / "a/b").read_text() == "now a file"
    assert names(bucket) == ["a/b", "c", "c/d"]
    bucket.blob("a/b").delete()
    assert names(bucket) == ["c", "c/d"]


def test_symbolic_links_lead_nowhere(
    cloud: StorageProcess, bucket: storage.Bucket, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "secret")
    assert names(bucket) == []
    assert bucket.get_blob("link/secret") is None
    assert bucket.get_blob("file") is None
    bucket.blob("link/planted").upload_from_string("content")
    bucket.blob("file").upload_from_string("content")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "secret"
    assert names(bucket) == ["file", "link/planted"]


def test_names_on_disk_that_are_no_object_names_are_not_seen(bucket: storage.Bucket, folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))
    (folder / "line\nbreak").write_text("x")
    (folder / "good").write_text("x")
    assert names(bucket) == ["good"]


def test_work_files_are_never_objects(
    cloud: StorageProcess, client: storage.Client, bucket: storage.Bucket
) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=r"
    assert cloud.call("POST", path, b"{}").status == 200
    assert names(bucket) == []
    assert all(not found.name.startswith(".") for found in client.list_buckets())


def test_a_folder_filled_before_its_bucket_was_made(cloud: StorageProcess, client: storage.Client) -> None:
    (cloud.buckets / "filled-before").mkdir()
    (cloud.buckets / "filled-before/a").write_text("a")
    assert names(client.create_bucket("filled-before")) == ["a"]


def test_the_objects_of_a_listing_are_shown_as_one_text(
    cloud: StorageProcess, bucket: storage.Bucket, folder: Path
) -> None:
    """A file that a program wrote has no type: a browser would save it, and shows this."""
    jobs = folder / "clusters/of-a-cluster-that-is-gone/jobs"
    for job, parts in {"lf-1": ("<b>first</b>\n", "é\n"), "lf-10": ("another\n",)}.items():
        (jobs / job).mkdir(parents=True)
        for number, text in enumerate(parts):
            (jobs / job / f"driveroutput.{number:09}").write_text(text, encoding="utf-8")
    (jobs / "lf-1/driveroutput.empty").touch()
    address = f"/_landfall/text/{bucket.name}?matchGlob="
    shown = cloud.call("GET", f"{address}**/jobs/lf-1/driveroutput.*")
    assert (shown.status, shown.body.decode()) == (200, "<b>first</b>\né\n")
    assert shown.headers["content-type"] == "text/plain; charset=utf-8"
    assert shown.headers["x-content-type-options"] == "nosniff"
    missing = cloud.call("GET", f"{address}**/jobs/lf-2/driveroutput.*")
    assert (missing.status, missing.reason) == (404, "notFound")
    assert "found none" in missing.json["error"]["message"]
