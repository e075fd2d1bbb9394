"""The application: pages, the language of a request, security headers, and what an error looks like."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import flask
from google.api_core.exceptions import GoogleAPICallError
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, NotFound

from room.formats import Formats
from room.pages import PAGES
from room.place import Room
from room.visible import visible
from room.warehouse import TooMuchError, WarehouseAwayError
from room.words import LANGUAGES, read_words

_FOLDER = Path(__file__).parent
# No script or style but the function's own files; nothing from or to another host.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # A search for a file's name stays here.
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_A_YEAR = "private, max-age=31536000, immutable"
_NAV = ("home", "batches", "files", "rejected", "report", "catalogue")


def make_app(room: Room) -> flask.Flask:
    """The control room over these edges, as a WSGI application."""
    # The framework has a route /static/ of its own.
    app = flask.Flask("room", root_path=str(_FOLDER), static_url_path="/assets")
    app.extensions["room"] = room
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters["visible"] = visible
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    languages = read_words()

    @app.before_request
    def choose_language() -> None:
        asked = flask.request.accept_languages.best_match(list(LANGUAGES), default="en")
        flask.g.words = languages[asked]
        flask.g.formats = Formats(flask.g.words.locale, room.clock)

    @app.context_processor
    def what_templates_need() -> dict[str, Any]:
        return {
            "t": flask.g.words.say,
            "has_words": flask.g.words.has,
            "f": flask.g.formats,
            "language": flask.g.words.locale.language,
            "links": room.links,
            "landing": room.settings.landing_bucket,
            "environment": room.settings.environment,
            "datasets": list(room.catalogue.datasets),
            "nav": _NAV,
            "asset": _asset,
        }

    @app.after_request
    def harden(response: flask.Response) -> flask.Response:
        response.headers.update(_HEADERS)
        static = flask.request.endpoint == "static" and response.status_code < 400
        response.headers["Cache-Control"] = _A_YEAR if static else "private, no-store"
        if not static:
            response.headers["Vary"] = "Accept-Language"
        return response

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    for page in PAGES:
        app.register_blueprint(page)
    _say_errors(app)
    return app


def _say_errors(app: flask.Flask) -> None:
    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Any:
        code = error.code or 500
        if 300 <= code < 400:
            return error
        return _show_error("not_found" if code == 404 else "refused", code, error.description or "")

    @app.errorhandler(WarehouseAwayError)
    def away(error: WarehouseAwayError) -> Any:
        app.logger.warning("BigQuery did not answer: %s", error)
        return _show_error("away", 503, "")

    @app.errorhandler(TooMuchError)
    def too_much(_: TooMuchError) -> Any:
        return _show_error("too_much", 400, "")

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Any:
        # What Google's clients say may quote a value; its kind and place are enough to find it.
        known = isinstance(error, GoogleAPICallError)
        app.logger.error(
            "%s at %s", type(error).__name__, flask.request.path, exc_info=None if known else error
        )
        return _show_error("failed", 500, "")


def _show_error(kind: str, code: int, detail: str) -> Any:
    # The framework's own sentence about an unknown address says nothing; a page's says what is not there.
    shown = "" if detail == NotFound.description else detail
    first = flask.request.path.split("/")[1]
    place = {"file": "files", "rejected.csv": "rejected", "report.csv": "report"}.get(first, first)
    known = place if place in _NAV else ""
    return flask.render_template("error.html", kind=kind, code=code, detail=shown, place=known), code


@cache
def _asset(name: str) -> str:
    """The address of a file of `static/`; another one when its content is another."""
    digest = hashlib.sha256((_FOLDER / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/assets/{name}?{digest}"
