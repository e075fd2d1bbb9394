"""Checksums of contents: computed here, compared with what the client sent."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import google_crc32c

from localcloud.storage.errors import InvalidError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Content:
    """A content's size in bytes and its checksums in Base64; `md5` is None for a composed object."""

    size: int
    crc32c: str
    md5: str | None


@dataclass(frozen=True)
class Promise:
    """The checksums, in Base64, that a client says its content has; None where it says nothing."""

    crc32c: str | None = None
    md5: str | None = None

    def verify(self, content: Content) -> None:
        """Raise InvalidError unless the content is what was promised."""
        pairs = (("CRC32C", self.crc32c, content.crc32c), ("MD5 hash", self.md5, content.md5))
        for kind, promised, found in pairs:
            if promised is not None and promised != found:
                raise InvalidError(
                    f'Provided {kind} "{promised}" doesn\'t match calculated {kind} "{found}". '
                    "Nothing was stored; send the content again."
                )


def measure(file: BinaryIO) -> Content:
    """Read a file from its current position to its end and return its size and checksums."""
    crc32c = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    md5, size = hashlib.md5(usedforsecurity=False), 0
    while chunk := file.read(CHUNK_BYTES):
        crc32c.update(chunk)  # type: ignore[no-untyped-call]
        md5.update(chunk)
        size += len(chunk)
    return Content(size, _base64(crc32c.digest()), _base64(md5.digest()))  # type: ignore[no-untyped-call]


def promised(metadata: Mapping[str, object], headers: Mapping[str, str]) -> Promise:
    """Collect promises from the metadata, `x-goog-hash` and `content-md5`; the metadata wins."""
    found: dict[str, str] = {}
    if "content-md5" in headers:
        found["md5"] = headers["content-md5"]
    for entry in headers.get("x-goog-hash", "").split(","):
        kind, _, value = entry.strip().partition("=")
        if value:
            found[kind] = value
    crc32c, md5 = metadata.get("crc32c"), metadata.get("md5Hash")
    return Promise(
        crc32c=crc32c if isinstance(crc32c, str) and crc32c else found.get("crc32c"),
        md5=md5 if isinstance(md5, str) and md5 else found.get("md5"),
    )


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
