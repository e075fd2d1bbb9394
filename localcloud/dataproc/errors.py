"""The errors that the API gives, each with Google's status code and a message in Google's words."""

from collections.abc import Sequence

import grpc


class ApiError(Exception):
    """An error that the caller receives: a gRPC status code and its message."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def invalid_argument(problems: list[str]) -> ApiError:
    """The request is wrong whatever the state; several problems are listed together, as Dataproc does."""
    return ApiError(grpc.StatusCode.INVALID_ARGUMENT, _listed(problems))


def not_found(resource: str) -> ApiError:
    """The resource (for example `Cluster projects/p/regions/r/clusters/c`) does not exist."""
    return ApiError(grpc.StatusCode.NOT_FOUND, f"Not found: {resource}")


def already_exists(action: str, resource: str) -> ApiError:
    """The name or id is taken."""
    return ApiError(grpc.StatusCode.ALREADY_EXISTS, f"Already exists: Failed to {action}: {resource}")


def failed_precondition(*problems: str) -> ApiError:
    """The request is right, but not in the present state."""
    return ApiError(grpc.StatusCode.FAILED_PRECONDITION, _listed(problems))


def permission_denied() -> ApiError:
    """Another project than the one that is served: Google does not say whether it exists."""
    return ApiError(grpc.StatusCode.PERMISSION_DENIED, "Not authorized to requested resource.")


def unimplemented(what: str) -> ApiError:
    """The real API does it, the local one does not."""
    return ApiError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"{what} is not part of the local Dataproc: localcloud/dataproc/README.md lists what is.",
    )


def _listed(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n".join(["Multiple validation errors:", *(f" - {problem}" for problem in problems)])
