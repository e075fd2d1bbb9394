"""What stops a batch. A file that cannot be read is not an error: it is a verdict in metrics.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from landfall_spark.manifest import SourceFile


class JobError(Exception):
    """The batch cannot be turned; the message says what was expected, found, where and what to do."""


class ManifestError(JobError):
    """manifest.json is missing, malformed or of another batch."""


class PipelineError(JobError):
    """pipeline.json is missing, malformed or asks for what this job does not do."""


class SurroundingsError(JobError):
    """Something that the batch has no part in failed: storage that cannot be read, a key that is withheld."""


class FileError(JobError):
    """The batch cannot be turned, because of these files where they are known."""

    def __init__(self, message: str, files: Sequence[SourceFile] = ()) -> None:
        super().__init__(message)
        self.files = tuple(files)


class ConservationError(FileError):
    """The rows read are not the rows accepted and rejected: nothing of the batch may be loaded."""


class TaskError(Exception):
    """A task could not be run; says where and by which type of error, and nothing of what a file holds.

    `files` are those that it was at, where that is known; `is_outside` says that no file is to blame.
    """

    def __init__(self, message: str, files: Sequence[SourceFile] = (), is_outside: bool = False) -> None:
        super().__init__(message)
        self.files = tuple(files)
        self.is_outside = is_outside
