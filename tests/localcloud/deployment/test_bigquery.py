"""Questions to a BigQuery that is away."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from localcloud.deployment.bigquery import BigQuery
from localcloud.launcher.errors import CommandError
from localcloud.warehouse import connect


class Mute(BaseHTTPRequestHandler):
    """Takes a request and hangs up."""

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def test_no_answer_is_an_error_with_what_happened() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mute) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        client = connect(f"http://127.0.0.1:{server.server_port}", "landfall-test", "us-central1")
        with pytest.raises(CommandError, match=r"BigQuery gave no answer: .*Connection aborted"):
            list(BigQuery(client, patience=1).ask("SELECT 1"))
        server.shutdown()
