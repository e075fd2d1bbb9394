"""What an address asks for, held against what it may be; anything else ends the request with a sentence."""

import re
from collections.abc import Collection

import flask

_MOST_PAGES = 10_000


def text(name: str, most: int = 2048) -> str:
    """A text of so many characters at most; empty where it is not given."""
    value = flask.request.args.get(name, "")
    if len(value) > most:
        flask.abort(400, f"{name}: expected at most {most} characters, found {len(value)}.")
    return value


def one_of(name: str, known: Collection[str]) -> str:
    """One of these; empty where it is not given, 404 where there is none such."""
    value = flask.request.args.get(name, "").strip()
    if value and value not in known:
        flask.abort(404, f"{name}: there is none such here.")
    return value


def matching(name: str, pattern: str, expected: str) -> str:
    """A text in which the whole matches; empty where it is not given."""
    value = flask.request.args.get(name, "").strip()
    if value and not re.fullmatch(pattern, value):
        flask.abort(400, f"{name}: expected {expected}.")
    return value


def generation(name: str = "generation") -> int | None:
    """A generation of an object; None where it is not given."""
    value = matching(name, "[0-9]{1,19}", "a whole number, the generation of an object")
    if value and int(value) >= 2**63:
        flask.abort(400, f"{name}: expected a whole number below 2^63.")
    return int(value) if value else None


def page() -> int:
    """The number of the page, from 1."""
    value = matching("page", "[0-9]{1,5}", f"a number from 1 to {_MOST_PAGES}")
    number = int(value or 1)
    if not 1 <= number <= _MOST_PAGES:
        flask.abort(400, f"page: expected a number from 1 to {_MOST_PAGES}.")
    return number
