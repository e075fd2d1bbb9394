"""The access token that the metadata server hands out: the local Airflow's."""

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass


class TokenUnavailableError(Exception):
    """The local Airflow gives no token now; the message says why and what to do."""


@dataclass(frozen=True)
class Token:
    """A bearer token and its end, in seconds since the epoch."""

    text: str
    expires_at: float


class AirflowTokens:
    """Fetches tokens of the Airflow at `url`, whose `simple_auth_manager_all_admins` lets everyone in.

    A token is handed out again for `REUSE_SECONDS` only: an Airflow that was started anew refuses older ones,
    and a client that is refused must find a good one when it asks again.
    """

    REUSE_SECONDS = 60.0
    TIMEOUT_SECONDS = 10.0

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/auth/token"
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._fetched_at = 0.0

    def find_token(self) -> Token:
        """Find a token that is valid now, or raise `TokenUnavailableError`. Safe for threads."""
        with self._lock:
            now = time.time()
            stale_at = self._fetched_at + self.REUSE_SECONDS
            if self._token is None or now >= min(stale_at, self._token.expires_at - self.REUSE_SECONDS):
                self._token, self._fetched_at = self._fetch(), now
            return self._token

    def _fetch(self) -> Token:
        try:
            request = urllib.request.Request(self._url, headers={"Accept": "application/json"})  # noqa: S310 - our own http URL
            # No proxy: the address is this machine's.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=self.TIMEOUT_SECONDS) as answer:
                text = json.load(answer)["access_token"]
            return Token(text, read_expiry(text))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TokenUnavailableError(
                f"expected a token from GET {self._url}, found {type(error).__name__}: {error}; "
                f"wait until Airflow is up, or look at its log"
            ) from error


def read_expiry(token: str) -> float:
    """Read the `exp` claim of a JSON Web Token, in seconds since the epoch; ValueError without one."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError(f"expected a JSON Web Token of three parts, found {len(parts)}")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    if not isinstance(expiry, int | float):
        raise ValueError("expected the claim exp in the JSON Web Token, found none")
    return float(expiry)
