"""What stops a batch. A file that cannot be read is not an error: it is a verdict in metrics.json."""

from __future__ import annotations


class JobError(Exception):
    """The batch cannot be turned; the message says what was expected, found, where and what to do."""


class ManifestError(JobError):
    """manifest.json is missing, malformed or of another batch."""


class PipelineError(JobError):
    """pipeline.json is missing, malformed or asks for what this job does not do."""


class ConservationError(JobError):
    """The rows read are not the rows accepted and rejected: nothing of the batch may be loaded."""


class TaskError(Exception):
    """A task could not be run; says where and by which type of error, and nothing of what a file holds."""
