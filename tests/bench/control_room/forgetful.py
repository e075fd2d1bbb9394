"""The control room with caches that keep nothing: what each page costs when every question is asked."""

from concurrent.futures import Future
from typing import Any

from main import control_room

from room.cache import Cache

__all__ = ["control_room"]


def _forget(*_: object) -> tuple[Future[Any], bool]:
    return Future(), True


Cache._find = _forget  # type: ignore[method-assign]
