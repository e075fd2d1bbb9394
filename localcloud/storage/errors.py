"""Failures as the JSON API answers them: a status, a reason and a sentence.

Source of statuses and reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from typing import Any


class ApiError(Exception):
    """A request that ends with `status`; `reason` is Google's machine-readable word for it."""

    status = 500
    reason = "backendError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def body(self) -> dict[str, Any]:
        """Return the error in the JSON form that Google's clients read."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


class NotModifiedError(ApiError):
    """A `…NotMatch` precondition did not hold; the answer has no body."""

    status, reason = 304, "notModified"


class InvalidError(ApiError):
    """The request is malformed, or its content is not what its checksum promised."""

    status, reason = 400, "invalid"


class NotFoundError(ApiError):
    """The bucket, the object, the generation or the upload session does not exist."""

    status, reason = 404, "notFound"


class ConflictError(ApiError):
    """The bucket exists already, or is not empty."""

    status, reason = 409, "conflict"


class PreconditionFailedError(ApiError):
    """A `…Match` precondition did not hold."""

    status, reason = 412, "conditionNotMet"


class RangeNotSatisfiableError(ApiError):
    """The asked range lies behind the object's last byte; `size` is the object's in bytes."""

    status, reason = 416, "requestedRangeNotSatisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The requested range cannot be satisfied: the object has {size} bytes.")
        self.size = size


class UnsupportedError(ApiError):
    """Cloud Storage offers this, the local one does not: refused rather than silently ignored."""

    status, reason = 501, "notImplemented"


def no_such_bucket() -> NotFoundError:
    """The API's answer for any operation on a missing bucket."""
    return NotFoundError("The specified bucket does not exist.")


def no_such_object(bucket: str, name: str) -> NotFoundError:
    """The API's answer for a missing object or a generation that is gone."""
    return NotFoundError(f"No such object: {bucket}/{name}")
