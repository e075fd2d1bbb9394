"""The HTTP edge of the metadata server: requests to answers, nothing else."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from localcloud.metadata.airflow_token import AirflowTokens, TokenUnavailableError
from localcloud.metadata.tree import find_node, make_tree, render_json, render_text

ROOT = "/computeMetadata/v1/"
FLAVOR = ("Metadata-Flavor", "Google")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; every one also carries the header `Metadata-Flavor: Google`."""

    status: HTTPStatus
    body: str
    content_type: str = "application/text"


class MetadataServer(ThreadingHTTPServer):
    """Serves the metadata of a machine of `project`, with the tokens of a local Airflow, on loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, project: str, tokens: AirflowTokens) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._tree = make_tree(project)
        self._tokens = tokens

    def answer(self, target: str, headers: Message) -> Answer:
        """Answer GET of `target`, a path with a query."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        if path in ("/", "/healthz"):
            return Answer(HTTPStatus.OK, "computeMetadata/\n")
        if not (path + "/").startswith(ROOT):
            return Answer(HTTPStatus.NOT_FOUND, f"expected a path under {ROOT}, found {path}\n")
        # What keeps web pages and forged requests, which cannot set or drop these headers, from the token.
        if headers.get(FLAVOR[0]) != FLAVOR[1] or "X-Forwarded-For" in headers:
            expected = f"{FLAVOR[0]}: {FLAVOR[1]} and no X-Forwarded-For"
            return Answer(HTTPStatus.FORBIDDEN, f"expected the header {expected}\n")
        return self._answer_metadata(
            path, {name: values[-1] for name, values in parse_qs(parts.query).items()}
        )

    def _answer_metadata(self, path: str, query: Mapping[str, str]) -> Answer:
        relative = path.removeprefix(ROOT)
        folder, _, leaf = relative.rpartition("/")
        # Not leaves of the tree: recursive answers leave them out, as the real server does.
        if leaf == "token" and self._is_account(folder):
            return self._answer_token()
        node = find_node(self._tree, relative)
        if node is None:
            return Answer(HTTPStatus.NOT_FOUND, f"this local metadata server has no {path}\n")
        recursive = query.get("recursive", "").lower() == "true"
        if query.get("alt", "json" if recursive else "text") == "json":
            return Answer(HTTPStatus.OK, render_json(node), "application/json")
        return Answer(HTTPStatus.OK, render_text(node))

    def _is_account(self, folder: str) -> bool:
        parent, _, _ = folder.rpartition("/")
        return parent == "instance/service-accounts" and find_node(self._tree, folder) is not None

    def _answer_token(self) -> Answer:
        try:
            token = self._tokens.find_token()
        except TokenUnavailableError as error:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n")
        body = {
            "access_token": token.text,
            "expires_in": int(token.expires_at - time.time()),
            "token_type": "Bearer",
        }
        return Answer(HTTPStatus.OK, json.dumps(body), "application/json")


class _Handler(BaseHTTPRequestHandler):
    server: MetadataServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answer = self.server.answer(self.path, self.headers)
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header(*FLAVOR)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
