"""The one way in which corrections take hold of bqemulator."""

from typing import Any


class MissingSeamError(Exception):
    """The installed bqemulator has no such name, so a correction would silently do nothing."""


def replace(owner: Any, name: str, value: object) -> None:
    """Put ``value`` in the place of ``owner.name``; ``MissingSeamError`` if there is nothing to replace."""
    if not hasattr(owner, name):
        where = getattr(owner, "__name__", repr(owner))
        raise MissingSeamError(
            f"expected {where}.{name} as in bqemulator 1.4.0, found none; install the locked requirements"
        )
    setattr(owner, name, value)
