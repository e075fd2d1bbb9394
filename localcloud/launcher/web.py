"""HTTP to the parts: JSON in and out, never through a proxy."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WebError(Exception):
    """No answer, or an answer that is not a success; `status` is None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def fetch(
    url: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    method: str | None = None,
    timeout: float = 5,
) -> bytes:
    """The body of a successful answer; `body` is sent as JSON. Raises WebError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))  # noqa: S310 loopback
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with _DIRECT.open(request, timeout=timeout) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode(errors="replace")
        raise WebError(f"{url} answered {error.code}: {text}", error.code) from error
    except (OSError, ValueError) as error:
        raise WebError(f"{url} does not answer: {error}") from error


def fetch_json(url: str, headers: Mapping[str, str] | None = None, timeout: float = 5) -> Any:
    """The JSON of a successful answer; raises WebError."""
    content = fetch(url, headers, timeout=timeout)
    try:
        return json.loads(content)
    except ValueError as error:
        raise WebError(f"{url}: expected JSON, found {content[:80]!r}") from error


def answers(url: str, timeout: float = 1) -> bool:
    """Whether a GET succeeds."""
    try:
        fetch(url, timeout=timeout)
    except WebError:
        return False
    return True
