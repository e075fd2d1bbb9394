"""As much of Secret Manager, Eventarc and Pub/Sub as terraform/scripts/ asks for, over HTTP, in process."""

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TRIGGER = "projects/landfall-dev/locations/us-central1/triggers/trigger-ingest"
SUBSCRIPTION = "projects/landfall-dev/subscriptions/eventarc-us-central1-trigger-ingest-sub-123"
SECRET = "projects/landfall-dev/secrets/token-key"


@dataclass
class Google:
    """What is there, and what it becomes.

    `states` are those of the secret's versions, oldest first; `keys` what was put into them. The trigger has
    no subscription for the first `looks_before` looks. A path in `refused` is answered with 403.
    """

    states: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    looks_before: int = 0
    bindings: list[dict[str, Any]] = field(default_factory=list)
    dead_letter_policy: dict[str, Any] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    writes: int = 0

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request, or None where there is no such thing."""
        self.writes += method != "GET"
        asked = (method, *path.partition(":")[::2])
        if asked == ("GET", f"{SECRET}/versions", ""):
            return {"versions": [_version(n, state) for n, state in enumerate(self.states, 1)][::-1]}
        if asked == ("POST", SECRET, "addVersion"):
            self.keys.append(base64.urlsafe_b64decode(body["payload"]["data"]))
            self.states.append("ENABLED")
            return _version(len(self.states), "ENABLED") | {"clientSpecifiedPayloadChecksum": True}
        if asked == ("GET", TRIGGER, ""):
            self.looks_before -= 1
            pubsub = {"subscription": SUBSCRIPTION} if self.looks_before < 0 else {}
            return {"name": TRIGGER, "transport": {"pubsub": pubsub}}
        if asked == ("GET", SUBSCRIPTION, "getIamPolicy"):
            return {"etag": "ACAB", "bindings": self.bindings}
        if asked == ("POST", SUBSCRIPTION, "setIamPolicy"):
            self.bindings = body["policy"]["bindings"]
            return {"etag": "ACAC", "bindings": self.bindings}
        if asked == ("PATCH", SUBSCRIPTION, "") and body["updateMask"] == "deadLetterPolicy":
            self.dead_letter_policy = body["subscription"]["deadLetterPolicy"]
            return {"name": SUBSCRIPTION, "deadLetterPolicy": self.dead_letter_policy}
        return None


def _version(number: int, state: str) -> dict[str, Any]:
    return {"name": f"{SECRET}/versions/{number}", "state": state}


class Server(ThreadingHTTPServer):
    """Serves `google` on a free port of the loopback."""

    def __init__(self, google: Google) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.google = google
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1/")
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        refused = path in self.server.google.refused
        with self.server.lock:
            found = None if refused else self.server.google.answer(self.command, path, body)
        status = 403 if refused else 404 if found is None else 200
        error = {"error": {"code": status, "message": path, "status": "PERMISSION_DENIED"}}
        content = json.dumps(found if status == 200 else error).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PATCH = do_GET  # noqa: N815 the names are those of http.server

    def log_message(self, format: str, *arguments: object) -> None:
        pass
