"""The one module that touches Hadoop's FileSystem: any scheme that the session knows will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from landfall_spark.errors import JobError


@dataclass(frozen=True)
class Head:
    """The beginning of a file: `path` is its name as Spark reports it, `size` its whole length in bytes."""

    path: str
    size: int
    content: bytes


class Storage:
    """Files by URI."""

    def __init__(self, session: SparkSession) -> None:
        # PySpark has no public way to Hadoop's FileSystem; these two have been its way since Spark 1.
        self._jvm: Any = session._jvm
        self._configuration: Any = session._jsc.hadoopConfiguration()

    def read_text(self, uri: str, error: type[JobError]) -> str:
        """Return a whole UTF-8 file; `error` is raised where there is none."""
        try:
            with _Closing(self._file_system(uri).open(self._path(uri))) as stream:
                return bytes(stream.readAllBytes()).decode("utf-8")
        except (Py4JJavaError, UnicodeDecodeError) as problem:
            raise error(
                f"{uri}: expected a UTF-8 file, found none that can be read ({_name(problem)})"
            ) from problem

    def read_head(self, uri: str, length: int) -> Head:
        """Return at most the first `length` bytes of a file; JobError where there is none."""
        try:
            status = self._file_system(uri).getFileStatus(self._path(uri))
            with _Closing(self._file_system(uri).open(self._path(uri))) as stream:
                content = bytes(stream.readNBytes(length))
            return Head(status.getPath().toUri().toString(), int(status.getLen()), content)
        except Py4JJavaError as problem:
            raise JobError(
                f"{uri}: expected the archived file, found none that can be read ({_name(problem)}); "
                "see that the archive holds it and that the job's account may read it"
            ) from problem

    def is_intact(self, uri: str) -> bool:
        """Tell whether a compressed file can be decompressed to its end; true for a file without a codec."""
        path = self._path(uri)
        codec = self._jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(self._configuration).getCodec(
            path
        )
        nowhere = self._jvm.java.io.OutputStream.nullOutputStream()
        with _Closing(self._file_system(uri).open(path)) as stream:
            stream.transferTo(nowhere)
        if codec is None:
            return True
        try:
            with _Closing(codec.createInputStream(self._file_system(uri).open(path))) as stream:
                stream.transferTo(nowhere)
        except Py4JJavaError:
            return False
        return True

    def write_text(self, uri: str, text: str) -> None:
        """Write a whole UTF-8 file, replacing what was there."""
        with _Closing(self._file_system(uri).create(self._path(uri), True)) as stream:
            stream.write(bytearray(text.encode("utf-8")))

    def delete(self, uri: str) -> None:
        """Delete a file or a folder with all in it; nothing there is fine."""
        self._file_system(uri).delete(self._path(uri), True)

    def _path(self, uri: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(uri)

    def _file_system(self, uri: str) -> Any:
        return self._path(uri).getFileSystem(self._configuration)


class _Closing:
    """Close a Java stream. Failing to close a written one is an error, so it is not swallowed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> Any:
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _name(problem: Exception) -> str:
    java = getattr(problem, "java_exception", None)
    return str(java.getClass().getSimpleName()) if java is not None else type(problem).__name__
