"""Errors as Google's APIs answer them."""

from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """A status, Google's word for it, and a message."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": int(self.status), "message": self.message, "status": self.reason}}


def invalid(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", message)


def not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")


def denied(permission: str, resource: str) -> ApiError:
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
    )


def unauthenticated() -> ApiError:
    return ApiError(
        HTTPStatus.UNAUTHORIZED,
        "UNAUTHENTICATED",
        "Request is missing required authentication credential. Expected OAuth 2 access token, found none.",
    )
