"""Airflow's REST API, as far as the function uses it. The only module that touches the network."""

from collections.abc import Callable
from threading import Lock

import google.auth
import requests
from errors import TerminalError, TransientError, is_transient_status
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from window import Run

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
REQUEST_TIMEOUT_SECONDS = 15.0
# Airflow keeps notes of this length and PostgreSQL refuses longer ones.
_MOST_NOTE_CHARACTERS = 1000


def make_authorized_session() -> requests.Session:
    """Make a session that signs in as the function's own service account."""
    credentials, _ = google.auth.default(scopes=SCOPES)
    # Airflow answers 403, not 401, to a token that it does not know: a new one is tried for both.
    return AuthorizedSession(credentials, refresh_status_codes=(401, 403))  # type: ignore[no-untyped-call]


class AirflowApi:
    """Asks the Airflow at `url` (without `/api/v2`) for runs, in one session of all threads."""

    def __init__(
        self,
        url: str,
        make_session: Callable[[], requests.Session] = make_authorized_session,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._make_session = make_session
        self._timeout_seconds = timeout_seconds
        self._session: requests.Session | None = None
        self._lock = Lock()

    def create_run(self, run: Run, note: str) -> bool:
        """Make sure that `run` exists: True when this call created it, False when it was there.

        Raises `TransientError` where asking again may help, else `TerminalError`.
        """
        url = f"{self._url}/api/v2/dags/{run.dag_id}/dagRuns"
        body = {
            # Required, and null: the run stands for what is pending, not for an interval of time.
            "logical_date": None,
            "dag_run_id": run.run_id,
            "run_after": run.run_after.isoformat(),
            "note": _printable(note)[:_MOST_NOTE_CHARACTERS],
        }
        try:
            # A redirect would turn the POST into a GET of a login page, answered with 200.
            answer = self._find_session().post(
                url, json=body, timeout=self._timeout_seconds, allow_redirects=False
            )
        # Timeouts, connections and tokens are trouble on the way, never a word about the run itself.
        except (requests.RequestException, GoogleAuthError) as error:
            raise TransientError(
                f"Expected an answer to POST {url} for run {run.run_id}, "
                f"found {type(error).__name__}: {error}; "
                "check that Airflow runs and that the function's account may sign in."
            ) from error
        if answer.status_code == requests.codes.conflict:
            return False
        if answer.status_code == requests.codes.ok and _run_id_of(answer) == run.run_id:
            return True
        raise _error_of(answer, url, run)

    def _find_session(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                self._session = self._make_session()
            return self._session


def _printable(text: str) -> str:
    # An object's name may hold control characters; a database column may not.
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _run_id_of(answer: requests.Response) -> object:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return None
    return body.get("dag_run_id") if isinstance(body, dict) else None


def _error_of(answer: requests.Response, url: str, run: Run) -> Exception:
    found = f"{answer.status_code} {answer.reason}: {answer.text[:300]!r}"
    message = f"Expected 200 or 409 of POST {url} for run {run.run_id}, found {found}; "
    if answer.status_code == requests.codes.ok:
        return TransientError(message + "this is not Airflow's API: check LANDFALL_AIRFLOW_URL.")
    if is_transient_status(answer.status_code):
        return TransientError(
            message + f"check that DAG {run.dag_id} is deployed without import errors, that the function's "
            "account has an Airflow role, and LANDFALL_AIRFLOW_URL."
        )
    return TerminalError(
        message
        + "Airflow refuses the request itself: check that its version has API v2 as this function uses it. "
        "The object stays pending in the landing bucket, where the sweep finds it."
    )
