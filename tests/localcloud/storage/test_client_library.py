"""What `google-cloud-storage` does with a bucket, done to the local one."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    MethodNotImplemented,
    NotFound,
    NotModified,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
)
from google.cloud import storage
from google.cloud.storage import transfer_manager

MEGABYTE = 1 << 20


def test_bucket_lives_from_creation_to_deletion(client: storage.Client) -> None:
    bucket = client.bucket("life-of-a-bucket")
    assert not bucket.exists()
    bucket.labels = {"team": "data"}
    bucket.create(location="us-central1")
    assert (bucket.location, bucket.location_type, bucket.storage_class) == (
        "us-central1",
        "region",
        "STANDARD",
    )
    bucket.labels = {**bucket.labels, "stage": "dev"}
    bucket.patch(if_metageneration_match=1)
    assert client.get_bucket(bucket.name).labels == {"team": "data", "stage": "dev"}
    assert bucket.metageneration == 2
    with pytest.raises(PreconditionFailed):
        bucket.patch(if_metageneration_match=1)
    with pytest.raises(Conflict, match="already own"):
        client.create_bucket(bucket.name)
    bucket.blob("a").upload_from_string("a")
    with pytest.raises(Conflict, match="not empty"):
        bucket.delete()
    bucket.delete(force=True)
    assert not bucket.exists()
    with pytest.raises(NotFound):
        bucket.blob("a").upload_from_string("a")


def test_buckets_are_listed_in_pages(client: storage.Client) -> None:
    names = [f"page-of-buckets-{number}" for number in range(5)]
    for name in names:
        client.create_bucket(name)
    found = client.list_buckets(prefix="page-of-", page_size=2)
    assert [bucket.name for bucket in found] == names


def test_versioning_is_refused_not_ignored(client: storage.Client) -> None:
    bucket = client.bucket("versioned")
    bucket.versioning_enabled = True
    with pytest.raises(MethodNotImplemented, match="versioning"):
        bucket.create(retry=None)


@pytest.mark.parametrize("size", [0, 5, 256 * 1024, MEGABYTE + 1, 3 * MEGABYTE])
@pytest.mark.parametrize("chunk_size", [None, MEGABYTE])
def test_content_comes_back(bucket: storage.Bucket, size: int, chunk_size: int | None) -> None:
    content = os.urandom(size)
    blob = bucket.blob("folder/content.bin", chunk_size=chunk_size)
    blob.upload_from_string(content, content_type="application/x-test", checksum="crc32c")
    found = bucket.get_blob("folder/content.bin")
    assert found.download_as_bytes(checksum="crc32c") == found.download_as_bytes(checksum="md5") == content
    assert (found.size, found.content_type, found.generation) == (size, "application/x-test", blob.generation)


def test_upload_of_unknown_length(bucket: storage.Bucket) -> None:
    content = os.urandom(2 * MEGABYTE + 3)
    with bucket.blob("stream").open("wb", chunk_size=MEGABYTE) as stream:
        stream.write(content)
    assert bucket.blob("stream").download_as_bytes() == content


@pytest.mark.parametrize("chunk_size", [None, 256 * 1024])
def test_resumable_upload_with_checksum(bucket: storage.Bucket, chunk_size: int | None) -> None:
    content = os.urandom(9 * MEGABYTE)  # more than the client sends in one request
    blob = bucket.blob("large", chunk_size=chunk_size)
    blob.metadata = {"source": "test"}
    blob.upload_from_file(io.BytesIO(content), checksum="md5", if_generation_match=0)
    found = bucket.get_blob("large")
    assert (found.metadata, found.md5_hash) == ({"source": "test"}, blob.md5_hash)
    assert found.download_as_bytes() == content


def test_parts_of_an_object(bucket: storage.Bucket) -> None:
    blob = bucket.blob("digits")
    blob.upload_from_string("0123456789")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=7) == b"789"
    assert blob.download_as_bytes(start=-2) == b"89"
    with pytest.raises(RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)


def test_parallel_download(bucket: storage.Bucket, tmp_path: os.PathLike[str]) -> None:
    content = os.urandom(3 * MEGABYTE)
    blob = bucket.blob("sliced")
    blob.upload_from_string(content)
    target = os.path.join(tmp_path, "sliced")  # noqa: PTH118 - the library wants text
    transfer_manager.download_chunks_concurrently(
        blob, target, chunk_size=MEGABYTE, worker_type=transfer_manager.THREAD, max_workers=2
    )
    with open(target, "rb") as file:  # noqa: PTH123 - see above
        assert file.read() == content


def test_gzip_content_is_kept_as_it_is(bucket: storage.Bucket) -> None:
    import gzip

    packed = gzip.compress(b"a,b\n1,2\n")
    blob = bucket.blob("packed.csv")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="text/csv")
    assert blob.download_as_bytes(raw_download=True) == packed
    assert blob.download_as_bytes() == b"a,b\n1,2\n"


def test_generations_grow_and_the_overwritten_is_gone(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    generations = []
    for content in "123":
        blob.upload_from_string(content)
        generations.append(blob.generation)
    assert generations == sorted(set(generations))
    created = blob.time_created.timestamp()
    assert created <= generations[2] / 1_000_000 < created + 0.001
    assert abs(created - time.time()) < 60
    assert bucket.blob("a", generation=generations[2]).download_as_bytes() == b"3"
    with pytest.raises(NotFound):
        bucket.blob("a", generation=generations[0]).download_as_bytes()
    with pytest.raises(NotFound):
        bucket.delete_blob("a", generation=generations[0])
    bucket.delete_blob("a", generation=generations[2])
    assert bucket.get_blob("a") is None


def test_preconditions_of_reads(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string("a")
    assert blob.download_as_bytes(if_generation_match=blob.generation, if_metageneration_match=1) == b"a"
    with pytest.raises(PreconditionFailed):
        blob.reload(if_generation_match=1)
    with pytest.raises(PreconditionFailed):
        blob.reload(if_metageneration_match=2)
    with pytest.raises(NotModified):
        blob.reload(if_generation_not_match=blob.generation)
    with pytest.raises(NotModified):
        blob.reload(if_metageneration_not_match=1)
    with pytest.raises(NotModified):
        blob.download_as_bytes(if_etag_not_match=blob.etag)
    with pytest.raises(PreconditionFailed):
        blob.download_as_bytes(if_etag_match="other")
    with pytest.raises(NotFound):
        bucket.blob("none").reload(if_generation_match=0)


def test_preconditions_of_writes(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("no", if_generation_match=5)
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("no", if_metageneration_match=1)
    with pytest.raises(NotModified):
        blob.upload_from_string("no", if_generation_not_match=0)
    assert bucket.get_blob("a") is None
    blob.upload_from_string("yes", if_generation_match=0)
    for size in (1, 9 * MEGABYTE):  # in one request, and resumable
        with pytest.raises(PreconditionFailed):
            blob.upload_from_string("x" * size, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    with pytest.raises(NotModified):
        blob.delete(if_metageneration_not_match=1)
    assert bucket.blob("a").download_as_bytes() == b"yes"
    blob.delete(if_generation_match=blob.generation)
    assert bucket.get_blob("a") is None


def test_of_many_creators_one_wins(bucket: storage.Bucket) -> None:
    def create(number: int) -> int | None:
        try:
            bucket.blob("journal").upload_from_string(str(number), if_generation_match=0)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(12) as pool:
        winners = [number for number in pool.map(create, range(24)) if number is not None]
    assert bucket.blob("journal").download_as_bytes() == str(winners[0]).encode()
    assert len(winners) == 1


def test_metadata_is_patched_and_counted(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"keep": "1", "drop": "2"}
    blob.upload_from_string("a", content_type="text/csv")
    blob.metadata = {"drop": None, "new": "3"}
    blob.cache_control = "no-store"
    blob.patch(if_metageneration_match=1)
    found = bucket.get_blob("a")
    assert found.metadata == {"keep": "1", "new": "3"}
    assert (found.cache_control, found.content_type, found.metageneration) == ("no-store", "text/csv", 2)
    assert found.generation == blob.generation
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)
    found.metadata = {"only": "4"}
    found.update()
    assert bucket.get_blob("a").metadata == {"only": "4"}


def test_copy_by_generation(client: storage.Client, bucket: storage.Bucket) -> None:
    archive = client.create_bucket(f"{bucket.name}-archive")
    blob = bucket.blob("in/ä b.csv")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("first", content_type="text/csv")
    copy = bucket.copy_blob(
        blob, archive, "2026/ä b.csv", source_generation=blob.generation, if_generation_match=0
    )
    assert (copy.crc32c, copy.md5_hash, copy.metadata) == (blob.crc32c, blob.md5_hash, {"k": "v"})
    assert (copy.content_type, copy.download_as_bytes()) == ("text/csv", b"first")
    assert copy.generation > blob.generation
    with pytest.raises(PreconditionFailed):
        bucket.copy_blob(blob, archive, "2026/ä b.csv", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.copy_blob(blob, archive, "x", if_source_generation_match=1)
    with pytest.raises(NotFound):
        bucket.copy_blob(blob, archive, "x", source_generation=1)
    assert archive.get_blob("x") is None


def test_rewrite_by_generation(bucket: storage.Bucket) -> None:
    source, target = bucket.blob("source"), bucket.blob("target")
    source.upload_from_string("content", content_type="text/csv")
    assert target.rewrite(source, if_generation_match=0) == (None, 7, 7)
    assert bucket.get_blob("target").content_type == "text/csv"
    with pytest.raises(PreconditionFailed):
        target.rewrite(source, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("other").rewrite(source, if_source_metageneration_match=2)
    with pytest.raises(NotModified):
        bucket.blob("other").rewrite(source, if_source_generation_not_match=source.generation)
    stale = bucket.blob("source", generation=source.generation)
    source.upload_from_string("newer")
    with pytest.raises(NotFound):
        bucket.blob("other").rewrite(stale)
    changed = bucket.blob("changed")
    changed.content_type = "text/plain"
    changed.rewrite(source)
    assert bucket.get_blob("changed").content_type == "text/plain"


def test_compose(bucket: storage.Bucket) -> None:
    parts = [bucket.blob(f"part-{number}") for number in range(3)]
    for number, part in enumerate(parts):
        part.upload_from_string(f"{number}\n")
    whole = bucket.blob("whole")
    whole.content_type = "text/csv"
    whole.compose(
        parts, if_generation_match=0, if_source_generation_match=[part.generation for part in parts]
    )
    found = bucket.get_blob("whole")
    assert (found.md5_hash, found.component_count, found.content_type) == (None, 3, "text/csv")
    assert found.download_as_bytes() == b"0\n1\n2\n"
    copied = bucket.copy_blob(found, bucket, "copy of whole")
    assert (copied.md5_hash, copied.crc32c) == (None, found.crc32c)
    with pytest.raises(PreconditionFailed):
        bucket.blob("other").compose(parts[:1], if_source_generation_match=[1])
    with pytest.raises(NotFound):
        bucket.blob("other").compose([bucket.blob("none")])
    with pytest.raises(BadRequest):
        bucket.blob("other").compose(parts * 11)
    assert bucket.get_blob("other") is None


def test_listing(bucket: storage.Bucket) -> None:
    names = ["a/1.csv", "a/2.csv", "a/b/3.csv", "a.txt", "ab", "c/", "c/4", "é", "z"]
    for name in names:
        bucket.blob(name).upload_from_string(name)
    listed = sorted(names)

    def found(**how: object) -> list[str]:
        return [blob.name for blob in bucket.list_blobs(**how)]

    assert found() == found(page_size=2) == listed
    assert found(max_results=3) == listed[:3]
    assert found(prefix="a/") == ["a/1.csv", "a/2.csv", "a/b/3.csv"]
    assert found(start_offset="a/2.csv", end_offset="c/") == ["a/2.csv", "a/b/3.csv", "ab"]
    assert found(match_glob="**.csv") == ["a/1.csv", "a/2.csv", "a/b/3.csv"]
    assert found(prefix="none") == []
    for page_size in (1, 2, 100):
        folders = bucket.list_blobs(delimiter="/", page_size=page_size)
        assert [blob.name for blob in folders] == ["a.txt", "ab", "z", "é"]
        assert folders.prefixes == {"a/", "c/"}
    trailing = bucket.list_blobs(delimiter="/", include_trailing_delimiter=True)
    assert [blob.name for blob in trailing] == ["a.txt", "ab", "c/", "z", "é"]
    inner = bucket.list_blobs(prefix="a/", delimiter="/")
    assert ([blob.name for blob in inner], inner.prefixes) == (["a/1.csv", "a/2.csv"], {"a/b/"})


def test_batch(client: storage.Client, bucket: storage.Bucket) -> None:
    for name in ("a", "b/ä", "c"):
        bucket.blob(name).upload_from_string(name)
    with client.batch():
        bucket.delete_blob("a")
        bucket.delete_blob("b/ä")
        blob = bucket.blob("c")
        blob.metadata = {"k": "ü"}
        blob.patch()
    assert [blob.name for blob in bucket.list_blobs()] == ["c"]
    assert bucket.get_blob("c").metadata == {"k": "ü"}
    with pytest.raises(NotFound), client.batch():
        bucket.delete_blob("none")


def test_everybody_may_do_everything(bucket: storage.Bucket) -> None:
    permissions = ["storage.objects.get", "storage.objects.create"]
    assert bucket.test_iam_permissions(permissions) == permissions
    assert list(bucket.get_iam_policy().bindings) == []
