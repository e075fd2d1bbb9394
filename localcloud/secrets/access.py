"""What Secret Manager answers to `versions.access`. Pure but for the key files that it reads.

The shapes are those of https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access.
"""

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import google_crc32c

from localcloud.secrets.keys import list_versions, read_version

#: Google names a secret by its project's number, whatever the request called the project.
PROJECT_NUMBER = "1"
_ACCESS = re.compile(r"/v1/projects/([^/]+)/secrets/([^/]+)/versions/([^/:]+):access")
_BEARER = re.compile(r"Bearer +\S+", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A status and a JSON body."""

    status: HTTPStatus
    body: dict[str, Any]

    def render(self) -> bytes:
        return (json.dumps(self.body, indent=2) + "\n").encode()


def answer(target: str, authorization: str | None, project: str, keys: Path) -> Answer:
    """Answer GET of `target`, a path with a query; any bearer token will do, none will not."""
    path = unquote(urlsplit(target).path)
    if path == "/healthz":
        return Answer(HTTPStatus.OK, {"status": "ok"})
    if not _BEARER.fullmatch((authorization or "").strip()):
        return _error(
            HTTPStatus.UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request is missing required authentication credential. "
            "Expected OAuth 2 access token, found none.",
        )
    match = _ACCESS.fullmatch(path)
    if not match:
        expected = "/v1/projects/PROJECT/secrets/SECRET/versions/VERSION:access"
        return _error(HTTPStatus.NOT_FOUND, "NOT_FOUND", f"Expected a path {expected}, found {path}.")
    asked, secret, version = match.groups()
    if asked not in (project, PROJECT_NUMBER):
        resource = f"projects/{asked}/secrets/{secret}/versions/{version}"
        return _error(
            HTTPStatus.FORBIDDEN,
            "PERMISSION_DENIED",
            f"Permission 'secretmanager.versions.access' denied for resource '{resource}' "
            "(or it may not exist).",
        )
    return _access(keys, secret, version)


def _access(keys: Path, secret: str, version: str) -> Answer:
    name = f"projects/{PROJECT_NUMBER}/secrets/{secret}"
    versions = list_versions(keys, secret)
    if version != "latest" and not version.isdecimal():
        return _error(
            HTTPStatus.BAD_REQUEST,
            "INVALID_ARGUMENT",
            f"The provided Secret Version ID [{name}/versions/{version}] does not match the expected format: "
            "a number or latest.",
        )
    if not versions:
        return _error(HTTPStatus.NOT_FOUND, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
    number = versions[-1] if version == "latest" else int(version)
    if number not in versions:
        return _error(
            HTTPStatus.NOT_FOUND, "NOT_FOUND", f"Secret Version [{name}/versions/{version}] not found."
        )
    data = read_version(keys, secret, number)
    checksum = int.from_bytes(google_crc32c.Checksum(data).digest(), "big")  # type: ignore[no-untyped-call]
    payload = {"data": b64encode(data).decode(), "dataCrc32c": str(checksum)}
    return Answer(HTTPStatus.OK, {"name": f"{name}/versions/{number}", "payload": payload})


def _error(status: HTTPStatus, reason: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": int(status), "message": message, "status": reason}})
