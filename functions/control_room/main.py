"""control_room: what became of every file, for people who look rather than read.

The function must
- show nothing that its account, `reader`, may not see: trusted, marts and the ledger, never raw or originals;
- treat every value as a stranger's: escaped in pages, inert in exports, no script or style within a page;
- bound what a question to BigQuery may cost, ask once for what many look at, and page what may be long;
- answer GET and HEAD only: it changes nothing.

It should
- answer in the browser's language (English, Portuguese), in light and dark, on a phone, without JavaScript.

Decisions
- Pages are made here, on the server; only charts need a script, and each has its table beside it.
- Who may open it is decided before it is reached, by IAM: it is deployed without a public invoker.

Deployed as the folder and, beside it, the rendered catalogue. Environment: `room/settings.py`.
"""

import os

import flask
import functions_framework

from room.app import make_app
from room.place import connect
from room.settings import Settings

APP = make_app(connect(Settings.from_environment(os.environ)))


@functions_framework.http
def control_room(request: flask.Request) -> flask.Response:
    """Answer one request, whatever its path."""
    with APP.request_context(request.environ):
        return APP.full_dispatch_request()
