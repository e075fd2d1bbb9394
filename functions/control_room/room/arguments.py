"""What an address asks for, held against what it may be; anything else ends the request with a sentence."""

import re
from collections.abc import Collection

import flask

from room.place import formats, words

_SHOWN = 80  # of what was asked for, in a message


def text(name: str, most: int = 2048) -> str:
    """A text of so many characters at most; empty where it is not given."""
    value = flask.request.args.get(name, "")
    if len(value) > most:
        flask.abort(400, words().say("common.too_long", name=name, most=formats().number(most)))
    return value


def one_of(name: str, known: Collection[str]) -> str:
    """One of these; empty where it is not given, 404 where there is none such."""
    value = flask.request.args.get(name, "").strip()
    if value and value not in known:
        found, expected = value[:_SHOWN], ", ".join(known)
        flask.abort(404, words().say("common.none_such", name=name, found=found, expected=expected))
    return value


def matching(name: str, pattern: str, expected: str) -> str:
    """A text in which the whole matches; empty where it is not given. `expected` is the key of its words."""
    value = flask.request.args.get(name, "").strip()
    if value and not re.fullmatch(pattern, value):
        flask.abort(400, words().say(expected, name=name))
    return value


def generation(name: str = "generation") -> int | None:
    """A generation of an object; None where it is not given."""
    value = matching(name, "[0-9]{1,19}", "common.bad_generation")
    if value and int(value) >= 2**63:
        flask.abort(400, words().say("common.bad_generation", name=name))
    return int(value) if value else None


def page() -> int:
    """The number of the page, from 1."""
    value = matching("page", "[1-9][0-9]{0,3}|10000", "common.bad_page")
    return int(value or 1)
