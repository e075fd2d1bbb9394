"""What Google's client hides: the resumable protocol, the errors' form, headers, broken promises."""

import base64
import hashlib
import os
import socket
from urllib.parse import urlsplit

import google_crc32c
import pytest
from google.cloud import storage

from .conftest import Answer, StorageProcess

GRANULE = 256 * 1024


def crc32c(content: bytes) -> str:
    checksum = google_crc32c.Checksum(content)  # type: ignore[no-untyped-call]
    return base64.b64encode(checksum.digest()).decode()  # type: ignore[no-untyped-call]


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class Upload:
    """A resumable upload, request by request."""

    def __init__(
        self, cloud: StorageProcess, bucket: storage.Bucket, name: str = "r", query: str = "", **metadata: str
    ):
        path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name={name}{query}"
        self.started = cloud.call("POST", path, metadata, {"X-Upload-Content-Type": "text/csv"})
        location = urlsplit(self.started.headers.get("location", ""))
        self._path = f"{location.path}?{location.query}"
        self._cloud = cloud

    def put(self, content_range: str, content: bytes = b"", **headers: str) -> Answer:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self._cloud.call("PUT", self._path, content, {"Content-Range": content_range, **named})

    def cancel(self) -> Answer:
        return self._cloud.call("DELETE", self._path)


def test_resumable_upload_tells_how_far_it_is(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    content = os.urandom(2 * GRANULE + 10)
    upload = Upload(cloud, bucket)
    assert upload.started.status == 200
    status = upload.put("bytes */*")
    assert (status.status, status.headers.get("range")) == (308, None)
    chunk = upload.put(f"bytes 0-{GRANULE - 1}/*", content[:GRANULE])
    assert (chunk.status, chunk.headers["range"]) == (308, f"bytes=0-{GRANULE - 1}")
    assert upload.put("bytes */*").headers["range"] == f"bytes=0-{GRANULE - 1}"
    assert bucket.get_blob("r") is None
    last = upload.put(f"bytes {GRANULE}-{len(content) - 1}/{len(content)}", content[GRANULE:])
    assert (last.status, last.json["crc32c"], last.json["contentType"]) == (200, crc32c(content), "text/csv")
    assert upload.put("bytes */*").json == last.json
    assert bucket.blob("r").download_as_bytes() == content


def test_resumable_upload_in_which_chunks_overlap(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    content = os.urandom(3 * GRANULE)
    upload = Upload(cloud, bucket)
    upload.put(f"bytes 0-{2 * GRANULE - 1}/*", content[: 2 * GRANULE])
    last = upload.put(f"bytes {GRANULE}-{3 * GRANULE - 1}/{3 * GRANULE}", content[GRANULE:])
    assert (last.status, last.json["md5Hash"]) == (200, md5(content))


def test_resumable_upload_keeps_whole_granules(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    content = os.urandom(2 * GRANULE)
    upload = Upload(cloud, bucket)
    odd = upload.put(f"bytes 0-{GRANULE + 4}/*", content[: GRANULE + 5])
    assert odd.headers["range"] == f"bytes=0-{GRANULE - 1}"
    assert upload.put("bytes 0-9/*", content[:10]).status == 400
    gap = upload.put(f"bytes {GRANULE + 5}-{2 * GRANULE - 1}/{2 * GRANULE}", content[GRANULE + 5 :])
    assert (gap.status, gap.reason) == (400, "invalid")
    last = upload.put(f"bytes {GRANULE}-{2 * GRANULE - 1}/{2 * GRANULE}", content[GRANULE:])
    assert (last.status, last.json["crc32c"]) == (200, crc32c(content))


def test_resumable_upload_finished_by_its_length_alone(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    upload, content = Upload(cloud, bucket), os.urandom(GRANULE)
    assert upload.put(f"bytes 0-{GRANULE - 1}/*", content).status == 308
    assert upload.put(f"bytes */{GRANULE}").json["size"] == str(GRANULE)
    empty = Upload(cloud, bucket, "empty")
    assert empty.put("bytes */0").json["size"] == "0"


def test_resumable_upload_cancelled(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    upload = Upload(cloud, bucket)
    upload.put(f"bytes 0-{GRANULE - 1}/*", bytes(GRANULE))
    assert upload.cancel().status == 499
    assert upload.put("bytes */*").status == 404
    assert bucket.get_blob("r") is None


def test_resumable_upload_checks_its_conditions_at_both_ends(
    cloud: StorageProcess, bucket: storage.Bucket
) -> None:
    upload = Upload(cloud, bucket, query="&ifGenerationMatch=0")
    bucket.blob("r").upload_from_string("earlier")
    assert Upload(cloud, bucket, query="&ifGenerationMatch=0").started.status == 412
    last = upload.put("bytes 0-4/5", b"later")
    assert (last.status, last.reason) == (412, "conditionNotMet")
    assert bucket.blob("r").download_as_bytes() == b"earlier"


def test_content_that_breaks_its_promise_is_not_stored(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    wrong = crc32c(b"something else")
    for header in (f"crc32c={wrong}", f"md5={md5(b'else')}", f"crc32c={crc32c(b'abc')},md5={md5(b'else')}"):
        answer = cloud.upload(bucket.name, "a", b"abc", x_goog_hash=header)
        assert (answer.status, answer.reason) == (400, "invalid")
    assert Upload(cloud, bucket, crc32c=wrong).put("bytes 0-2/3", b"abc").status == 400
    assert Upload(cloud, bucket).put("bytes 0-2/3", b"abc", x_goog_hash=f"crc32c={wrong}").status == 400
    body = b'--B\r\n\r\n{"name": "a", "md5Hash": "AAAA"}\r\n--B\r\n\r\nabc\r\n--B--'
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    assert cloud.call("POST", path, body, {"Content-Type": "multipart/related; boundary=B"}).status == 400
    assert list(bucket.list_blobs()) == []
    right = cloud.upload(bucket.name, "a", b"abc", x_goog_hash=f"crc32c={crc32c(b'abc')},md5={md5(b'abc')}")
    assert right.status == 200


def test_half_an_upload_is_nothing(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    head = f"POST /upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=half HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", cloud.port)) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nabc".encode())
    assert cloud.upload(bucket.name, "whole", b"abc").status == 200
    assert [blob.name for blob in bucket.list_blobs()] == ["whole"]


def test_download_headers(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    stored = cloud.upload(bucket.name, "a/b", b"0123456789", content_type="text/csv").json
    whole = cloud.call("GET", f"/download/storage/v1/b/{bucket.name}/o/a%2Fb?alt=media")
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, b"0123456789", "text/csv")
    assert whole.headers["x-goog-hash"] == f"crc32c={stored['crc32c']},md5={stored['md5Hash']}"
    assert whole.headers["x-goog-generation"] == stored["generation"]
    assert whole.headers["x-goog-metageneration"] == "1"
    assert whole.headers["x-goog-stored-content-length"] == "10"
    path = f"/storage/v1/b/{bucket.name}/o/a%2Fb?alt=media"
    part = cloud.call("GET", path, headers={"Range": "bytes=2-3"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"23", "bytes 2-3/10")
    behind = cloud.call("GET", path, headers={"Range": "bytes=10-"})
    assert (behind.status, behind.headers["content-range"]) == (416, "bytes */10")


def test_attributes_cannot_write_headers(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string("a")
    blob.content_type = "text/ü\r\nx-evil: 1"
    blob.patch()
    answer = cloud.call("GET", f"/storage/v1/b/{bucket.name}/o/a?alt=media")
    assert (answer.status, answer.body) == (200, b"a")
    assert "x-evil" not in answer.headers


def test_errors_are_googles(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    def reason(method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        answer = cloud.call(method, path, body)
        return answer.status, answer.reason

    here = f"/storage/v1/b/{bucket.name}"
    assert reason("GET", "/storage/v1/b/nowhere/o") == (404, "notFound")
    assert reason("GET", f"{here}/o/none") == (404, "notFound")
    assert reason("GET", f"{here}/o/none?ifGenerationMatch=x") == (400, "invalid")
    assert reason("GET", f"{here}/o?pageToken=%3F") == (400, "invalid")
    assert reason("GET", f"{here}/o?maxResults=-1") == (400, "invalid")
    assert reason("GET", f"{here}/unknown") == (404, "notFound")
    assert reason("POST", "/storage/v1/b", b"{}") == (400, "invalid")
    assert reason("POST", "/storage/v1/b", b'{"name": "../evil"}') == (400, "invalid")
    assert reason("POST", "/storage/v1/b", b"[") == (400, "invalid")
    assert reason("PATCH", here, b'{"versioning": {"enabled": true}}') == (501, "notImplemented")
    assert reason("POST", f"/upload{here}/o?uploadType=other") == (400, "invalid")
    assert reason("POST", f"/upload{here}/o?uploadType=media") == (400, "invalid")
    assert reason("PUT", f"/upload{here}/o?uploadType=resumable&upload_id=none") == (404, "notFound")
    assert cloud.call("DELETE", "/healthz").status == 405


def test_not_modified_has_no_body(cloud: StorageProcess, bucket: storage.Bucket) -> None:
    generation = cloud.upload(bucket.name, "a", b"a").json["generation"]
    answer = cloud.call("GET", f"/storage/v1/b/{bucket.name}/o/a?ifGenerationNotMatch={generation}")
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize("query", ["&fields=items(name)&projection=full&prettyPrint=false", "&versions=true"])
def test_parameters_that_change_nothing_are_tolerated(
    cloud: StorageProcess, bucket: storage.Bucket, query: str
) -> None:
    cloud.upload(bucket.name, "a", b"a")
    answer = cloud.call("GET", f"/storage/v1/b/{bucket.name}/o?alt=json{query}")
    assert [item["name"] for item in answer.json["items"]] == ["a"]
