"""The HTTP edge of the local Secret Manager: requests to answers, nothing else."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from localcloud.secrets.access import answer


class SecretServer(ThreadingHTTPServer):
    """Serves the secrets of `project` in the folder `keys`, on loopback; a new key file counts at once."""

    daemon_threads = True

    def __init__(self, port: int, project: str, keys: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.project = project
        self.keys = keys


class _Handler(BaseHTTPRequestHandler):
    server: SecretServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given = answer(self.path, self.headers.get("Authorization"), self.server.project, self.server.keys)
        body = given.render()
        self.send_response(given.status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
