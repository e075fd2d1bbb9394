"""The one module that touches files: by URI, over pyarrow's file systems (`gs://`, `file://` in tests)."""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs

from landfall_spark.errors import JobError, SurroundingsError

# A request each: large enough to be few, small enough to be held by every worker at once.
CHUNK_BYTES = 4 * 1024 * 1024
# An outage that lasts longer fails the task, which Spark then gives to another worker.
_RETRY_SECONDS = 120


@dataclass(frozen=True)
class Head:
    """The beginning of a file: `size` is its whole length in bytes."""

    size: int
    content: bytes


def read_text(uri: str, error: type[JobError]) -> str:
    """Return a whole UTF-8 file; `error` is raised where there is none.

    SurroundingsError: it may be there, but cannot be read now.
    """
    try:
        with open_input(uri) as source:
            return bytes(source.read()).decode("utf-8")
    except (OSError, pa.ArrowException, UnicodeDecodeError) as problem:
        kind, name = SurroundingsError if is_outage(problem) else error, type(problem).__name__
        raise kind(f"{uri}: expected a UTF-8 file, found none that can be read ({name})") from None


def read_head(uri: str, length: int) -> Head:
    """Return at most the first `length` bytes of a file; JobError where there is none.

    SurroundingsError: it may be there, but cannot be read now.
    """
    try:
        with open_input(uri) as source:
            return Head(source.size(), bytes(source.read(length)))
    except (OSError, pa.ArrowException) as problem:
        kind = SurroundingsError if is_outage(problem) else JobError
        raise kind(
            f"{uri}: expected the archived file, found none that can be read ({type(problem).__name__}); "
            "see that the archive holds it and that the job's account may read it"
        ) from None


def read_range(uri: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield the bytes from `start` to `stop` (None: the end) in chunks; OSError where they cannot be read."""
    with open_input(uri) as source:
        stop = source.size() if stop is None else stop
        source.seek(start)
        while start < stop:
            chunk = bytes(source.read(min(CHUNK_BYTES, stop - start)))
            if not chunk:
                raise OSError(f"{uri}: expected {stop} bytes, found an end at {start}")
            start += len(chunk)
            yield chunk


def write_text(uri: str, text: str) -> None:
    """Write a whole UTF-8 file, replacing what was there: a reader sees the old one or the new one."""
    system, path = _locate(uri)
    _make_parent(system, path)
    # An object appears when its upload is complete; a local file has to be moved into its place.
    draft = path if isinstance(system, fs.GcsFileSystem) else f"{path}.{uuid.uuid4().hex}"
    with system.open_output_stream(draft) as target:
        target.write(text.encode("utf-8"))
    if draft != path:
        system.move(draft, path)


def is_outage(problem: BaseException) -> bool:
    """Whether an error is the storage's own, and would be the same for any other file."""
    return isinstance(problem, OSError) and not isinstance(problem, FileNotFoundError)


@contextlib.contextmanager
def open_input(uri: str) -> Iterator[pa.NativeFile]:
    """Open a file for reading at any place; OSError where that fails, there and later."""
    system, path = _locate(uri)
    try:
        with system.open_input_file(path) as source:
            yield source
    except (pa.ArrowException, UnicodeError):
        raise
    except ValueError:
        # A read that fails closes the file, and all that pyarrow says from then on is that it is closed.
        raise OSError(f"{uri}: expected its bytes, found that the storage gave none") from None


def open_output(uri: str) -> pa.NativeFile:
    """Open a file for writing, replacing what was there."""
    system, path = _locate(uri)
    _make_parent(system, path)
    return system.open_output_stream(path)


def open_dataset(uri: str) -> ds.Dataset:
    """Open a folder of Parquet files, of which at least one is there, as one table."""
    system, path = _locate(uri)
    return ds.dataset(path, format="parquet", filesystem=system)


def list_names(uri: str) -> list[str]:
    """Return the names of the files in a folder, sorted; none where there is no folder."""
    system, path = _locate(uri)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == fs.FileType.File)


def delete(uri: str) -> None:
    """Delete a file, or a folder with all in it; nothing there is fine."""
    system, path = _locate(uri)
    kind = system.get_file_info(path).type
    # Another attempt may have deleted it in the meantime.
    with contextlib.suppress(FileNotFoundError):
        if kind == fs.FileType.File:
            system.delete_file(path)
        elif kind == fs.FileType.Directory:
            system.delete_dir(path)


def _make_parent(system: fs.FileSystem, path: str) -> None:
    # A folder in a bucket is only a part of names.
    if not isinstance(system, fs.GcsFileSystem):
        system.create_dir(os.path.dirname(path), recursive=True)  # noqa: PTH120 - a path within `system`


def _locate(uri: str) -> tuple[fs.FileSystem, str]:
    # Only scheme and bucket are read as a URI: an object's name may hold `%`, `#` and `?` as they are.
    scheme, _, rest = uri.partition("://")
    if not rest:
        raise JobError(f"{uri}: expected a URI such as gs://bucket/name, found none")
    if rest.startswith("/"):
        return _file_system(f"{scheme}:///"), rest
    bucket, _, _ = rest.partition("/")
    return _file_system(f"{scheme}://{quote(bucket)}?retry_limit_seconds={_RETRY_SECONDS}"), rest.rstrip("/")


@functools.cache
def _file_system(uri: str) -> fs.FileSystem:
    try:
        return fs.FileSystem.from_uri(uri)[0]
    except pa.ArrowException as problem:
        raise JobError(
            f"{uri}: expected a scheme such as gs, found one without a file system ({problem})"
        ) from None
