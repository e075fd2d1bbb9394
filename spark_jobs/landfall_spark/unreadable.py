"""Find the file that made a scan fail, so that it is rejected and the others are not."""

from __future__ import annotations

from typing import Any

from landfall_spark.inspection import UNREADABLE, Refusal
from landfall_spark.manifest import SourceFile
from landfall_spark.storage import Storage

_READ_FAILURE = "FAILED_READ_FILE"
_TOO_MANY_FIELDS = "java.lang.ArrayIndexOutOfBoundsException"


def find_unreadable(
    problem: Exception, files: dict[str, SourceFile], storage: Storage
) -> tuple[str, Refusal] | None:
    """Return path and refusal of the file that made Spark raise `problem`; None: its content did not.

    Decided by Spark's error condition, the class of its cause, and by reading a compressed file once more:
    an outage of the storage fails that reading too, with an error of its own, and rejects nothing.
    """
    causes = _causes(problem)
    path = next((path for cause in causes if (path := _path_of(cause)) in files), None)
    if path is None:
        return None
    if any(cause.getClass().getName() == _TOO_MANY_FIELDS for cause in causes):
        return path, Refusal(
            UNREADABLE, "expected records of the contract's width, found one of over 100000 fields"
        )
    if not storage.is_intact(files[path].archive_uri):
        return path, Refusal(
            UNREADABLE, "expected a whole gzip file, found one that is damaged or ends too early"
        )
    return None


def _causes(problem: Exception) -> list[Any]:
    causes, cause = [], getattr(problem, "java_exception", None) or getattr(problem, "_origin", None)
    while cause is not None:
        causes.append(cause)
        cause = cause.getCause()
    return causes


def _path_of(cause: Any) -> str | None:
    if cause.getClass().getName() != "org.apache.spark.SparkException":
        return None
    if not str(cause.getCondition()).startswith(_READ_FAILURE):
        return None
    path = cause.getMessageParameters().get("path")
    return None if path is None else str(path)
