"""What `landfall where` is asked for: a file by its content, its name, its generation, or its identity."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from localcloud.command.landing import Landed
from localcloud.deployment.bigquery import Value

_CHUNK_BYTES = 1 << 20
_GENERATION = re.compile(r"[0-9]{10,18}")
_IDENTITY = re.compile(r"(?P<name>.+)#(?P<generation>[0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True)
class Content:
    """What a file holds: its size in bytes, crc32c and md5 in base64, as the ledger has them."""

    size: int
    crc32c: str
    md5: str | None

    def is_of(self, file: Landed) -> bool:
        """Whether the file holds the same; an object without an md5 is told by its crc32c."""
        if file.size != self.size:
            return False
        if self.md5 and file.md5:
            return file.md5 == self.md5
        return file.crc32c == self.crc32c


@dataclass(frozen=True)
class Wanted:
    """What is asked for, each part None where it does not matter.

    `name` is an object's name, or how it ends, from a slash on; `bucket` is that of a gs:// URI, and then the
    name is whole. `part` is anywhere in an object's name, in whichever case.
    """

    given: str
    content: Content | None = None
    bucket: str | None = None
    name: str | None = None
    generation: int | None = None
    part: str | None = None

    def matches(self, file: Landed) -> bool:
        """Whether the file is one that is asked for."""
        if self.content is not None:
            return self.content.is_of(file)
        if self.part is not None:
            return self.part.lower() in file.name.lower()
        if self.generation is not None and file.generation != self.generation:
            return False
        if self.name is None:
            return True
        if self.bucket is not None:
            return file.uri == f"gs://{self.bucket}/{self.name}"
        return f"/{file.name}".endswith(f"/{self.name}")

    def condition(self) -> tuple[str, dict[str, Value]]:
        """The same of a row of ops.files: a condition, and its parameters."""
        if self.content is not None:
            return same_content(self.content)
        if self.part is not None:
            name = "LOWER(REGEXP_REPLACE(source_uri, r'^gs://[^/]+/', ''))"
            return f"STRPOS({name}, LOWER(@part)) > 0", {"part": self.part}
        parts: dict[str, Value] = {}
        conditions = []
        if self.generation is not None:
            parts["generation"] = self.generation
            conditions.append("source_generation = @generation")
        if self.name is not None and self.bucket is not None:
            parts["uri"] = f"gs://{self.bucket}/{self.name}"
            conditions.append("source_uri = @uri")
        elif self.name is not None:
            # Behind the slash of gs://, so that the bucket's name is no part of what matches.
            parts["ending"] = f"/{self.name}"
            conditions.append("ENDS_WITH(REGEXP_REPLACE(source_uri, r'^gs://[^/]+', ''), @ending)")
        return " AND ".join(conditions), parts


def same_content(content: Content) -> tuple[str, dict[str, Value]]:
    """A condition for rows of ops.files whose file holds the same, and its parameters."""
    parameters: dict[str, Value] = {"size": content.size, "crc32c": content.crc32c}
    if content.md5 is None:
        return "size = @size AND crc32c = @crc32c", parameters
    # The md5 of an object that was composed is not known.
    condition = "size = @size AND (md5 = @md5 OR (md5 IS NULL AND crc32c = @crc32c))"
    return condition, parameters | {"md5": content.md5}


def parse_names(given: str) -> list[Wanted]:
    """What a text that is no file here may mean, the likeliest first: what finds something counts."""
    if _GENERATION.fullmatch(given):
        return [Wanted(given, generation=int(given)), Wanted(given, name=given)]
    bucket = None
    name = given
    if given.startswith("gs://"):
        bucket, _, name = given.removeprefix("gs://").partition("/")
    # An object's name may itself end as an identity does.
    found = [Wanted(given, bucket=bucket, name=name)]
    if match := _IDENTITY.fullmatch(name):
        identity = Wanted(given, bucket=bucket, name=match["name"], generation=int(match["generation"]))
        found.insert(0, identity)
    return found


def read_content(path: Path) -> Content:
    """The content of a local file; raises OSError."""
    size, md5, crc32c = 0, hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            md5.update(chunk)
            crc32c = google_crc32c.extend(crc32c, chunk)
    return Content(size, _base64(crc32c.to_bytes(4, "big")), _base64(md5.digest()))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
