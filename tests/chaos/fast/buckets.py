"""The objects of the local Cloud Storage, as a sender and as the checks see them."""

import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TIMEOUT_SECONDS, _PATIENCE_SECONDS, _PAUSE_SECONDS = 30.0, 30.0, 0.1


class Buckets:
    """Calls to the storage at `url`, each repeated while it answers with an error that may pass."""

    def __init__(self, url: str) -> None:
        self._url = url

    def upload(self, bucket: str, name: str, content: bytes) -> dict[str, Any]:
        """Write an object and return its metadata."""
        query = urlencode({"uploadType": "media", "name": name})
        path = f"/upload/storage/v1/b/{bucket}/o?{query}"
        made: dict[str, Any] = json.loads(self._call("POST", path, content) or b"")
        return made

    def delete(self, bucket: str, name: str) -> bool:
        """Delete an object; False when there was none."""
        return self._call("DELETE", _path(bucket, name)) is not None

    def read(self, bucket: str, name: str) -> bytes | None:
        """What an object holds; None when there is none."""
        return self._call("GET", f"{_path(bucket, name)}?alt=media")

    def names(self, bucket: str) -> list[str]:
        """The names of all objects, sorted."""
        names: list[str] = []
        token = ""
        while True:
            query = urlencode({"fields": "items(name),nextPageToken", "pageToken": token})
            page = json.loads(self._call("GET", f"/storage/v1/b/{bucket}/o?{query}") or b"{}")
            names += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken", "")
            if not token:
                return sorted(names)

    def _call(self, method: str, path: str, content: bytes | None = None) -> bytes | None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            request = urllib.request.Request(self._url + path, data=content, method=method)  # noqa: S310 loopback
            try:
                with _DIRECT.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                    body: bytes = answer.read()
                    return body
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if (error.code not in (408, 429) and error.code < 500) or time.monotonic() > deadline:
                    raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)


def _path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
