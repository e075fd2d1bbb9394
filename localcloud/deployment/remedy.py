"""What a user can do about an error of Google's APIs; told by type and status."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError

from localcloud.deployment.words import describe, list_reasons
from localcloud.launcher.errors import CommandError
from localcloud.launcher.web import WebError

_SIGN_IN = "`gcloud auth application-default login` gives you credentials."
#: The variables of Terraform whose members may do what a command does.
_MEMBERS = {
    "drop": "`droppers` (who may not replace a file that still lies there), with --wait also `operators`",
    "query": "`readers`, for raw and ops `operators`, for what a contract restricts its `role_members`",
    "rejects": "`operators`, with --csv also `original_readers`",
}
_DENIALS = {"accessDenied", "forbidden", "insufficientPermissions"}


@contextmanager
def explained(command: str, environment: str) -> Iterator[None]:
    """Turn errors of Google's clients into CommandError, and add the remedy to every error that has one."""
    try:
        yield
    except CommandError as error:
        if error.__cause__ is None:
            raise
        remedies = find_remedy(error.__cause__, command, environment), _find_emulator(environment)
        raise CommandError(_join(str(error), *remedies)) from error
    except (GoogleAPIError, GoogleAuthError, requests.RequestException, WebError) as error:
        said = describe(error) if isinstance(error, GoogleAPICallError) else str(error)
        remedies = find_remedy(error, command, environment), _find_emulator(environment)
        raise CommandError(_join(said, *remedies)) from error


def is_final(error: BaseException) -> bool:
    """Whether asking again cannot help: who asks has no credentials, or not the right."""
    cause = error.__cause__ if isinstance(error, CommandError) else error
    return _is_unknown(cause) or _is_denied(cause)


def find_remedy(cause: BaseException, command: str, environment: str) -> str:
    """A sentence for an error that has a remedy, else nothing."""
    if _is_unknown(cause):
        return _SIGN_IN
    if _is_denied(cause):
        members = _MEMBERS.get(command, "`operators`")
        return (
            f"Your account lacks a right. Expected it among {members} in "
            f"terraform/envs/{environment}.tfvars: docs/security.md says what each may do, and `make deploy` "
            "grants it."
        )
    # A statement of the user's may name what never was.
    if isinstance(cause, NotFound) and command != "query":
        return (
            f"Where {environment} was made anew, `make outputs ENV={environment}` says where it is now; "
            f"where something is missing in it, `make deploy ENV={environment}` makes it."
        )
    return ""


def _is_unknown(cause: BaseException | None) -> bool:
    if isinstance(cause, RefreshError):
        return not cause.retryable
    return isinstance(cause, DefaultCredentialsError | Unauthorized)


def _is_denied(cause: BaseException | None) -> bool:
    if isinstance(cause, WebError):
        return cause.status in (401, 403)
    # BigQuery answers 403 to a spent quota too.
    return isinstance(cause, Forbidden) and list_reasons(cause) <= _DENIALS


def _find_emulator(environment: str) -> str:
    """What to say of a shell in which Google's libraries speak to something else, else nothing."""
    for name in ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
        if address := os.environ.get(name):
            return (
                f"This shell takes {address} for Google ({name}); "
                f'`eval "$(landfall --env {environment} env)"` brings it back.'
            )
    return ""


def _join(said: str, *more: str) -> str:
    return " ".join([f"{said.rstrip('. ')}.", *filter(None, more)])
