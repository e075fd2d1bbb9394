"""Addresses that an installation gives as templates. Pure."""

import re
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill(template: str, **values: str) -> str:
    """The address, each placeholder replaced by its value, percent-encoded; KeyError where one is missing.

    An object's `name` keeps its slashes.
    """
    return _PLACEHOLDER.sub(lambda found: _encode(found[1], values[found[1]]), template)


def _encode(name: str, value: str) -> str:
    return quote(value, safe="/" if name == "name" else "")
