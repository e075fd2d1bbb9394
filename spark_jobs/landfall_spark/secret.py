"""Fetch the token key from Secret Manager."""

from __future__ import annotations

import base64
import binascii

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession

from landfall_spark.errors import SurroundingsError
from landfall_spark.token_key import TokenKey

DEFAULT_URL = "https://secretmanager.googleapis.com"
# The length of SHA-256's output; a shorter key is easier to guess than the hash is to break.
MIN_BYTES = 32
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_SECONDS = 60


def fetch_key(resource: str, secrets_url: str = DEFAULT_URL) -> TokenKey:
    """Return the key that the secret version `resource` holds; SurroundingsError if none is usable."""
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        answer = session.get(f"{secrets_url.rstrip('/')}/v1/{resource}:access", timeout=_TIMEOUT_SECONDS)
    except (google.auth.exceptions.GoogleAuthError, requests.RequestException) as problem:
        raise _complain(resource, type(problem).__name__) from None
    if answer.status_code != requests.codes.ok:
        raise _complain(resource, f"HTTP {answer.status_code}")
    try:
        content = base64.b64decode(answer.json()["payload"]["data"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise _complain(resource, "an answer without payload.data") from None
    if len(content) < MIN_BYTES:
        raise _complain(resource, f"one of {len(content)} bytes")
    return TokenKey(resource, content)


def _complain(resource: str, found: str) -> SurroundingsError:
    return SurroundingsError(
        f"{resource}: expected a token key of at least {MIN_BYTES} random bytes, found {found}; see that the "
        "version is enabled and that the job's account may read it (roles/secretmanager.secretAccessor)"
    )
