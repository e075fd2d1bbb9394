"""The user's own credentials, and an Airflow that takes them."""

import warnings
from typing import TYPE_CHECKING, Any

import google.auth
import requests
from google.auth.transport.requests import AuthorizedSession

from localcloud.launcher.web import WebError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_MOST_TEXT = 300


def find_credentials() -> "Credentials":
    """Application Default Credentials, wherever Google's libraries find them; raises GoogleAuthError."""
    with warnings.catch_warnings():
        # Of a quota project: BigQuery and Cloud Storage count requests against the project that they name.
        warnings.simplefilter("ignore", UserWarning)
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    found: Credentials = credentials
    return found


class GoogleSession:
    """Signs in to Composer's Airflow with Google credentials, through the user's proxy if there is one."""

    def __init__(self, credentials: "Credentials", timeout: float) -> None:
        # Airflow answers 403, not 401, to a token that it does not know: a new one is tried for both.
        self._session: requests.Session = AuthorizedSession(  # type: ignore[no-untyped-call]
            credentials, refresh_status_codes=(401, 403)
        )
        self._timeout = timeout

    def __call__(self, url: str, body: Any = None, method: str | None = None) -> bytes:
        """The body of a successful answer; raises WebError, and GoogleAuthError where there is no token."""
        try:
            answer = self._session.request(
                method or ("GET" if body is None else "POST"),
                url,
                json=body,
                timeout=self._timeout,
                # A redirect leads to a page for people to sign in on.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise WebError(f"{url} does not answer: {error}") from error
        if answer.status_code not in (200, 201, 204):
            raise WebError(
                f"{url} answered {answer.status_code}: {answer.text[:_MOST_TEXT]}", answer.status_code
            )
        content: bytes = answer.content
        return content
