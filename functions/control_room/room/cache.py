"""Answers that are kept for some seconds, each asked for once however many wait for it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any


class Cache:
    """At most `most` answers, by key: what is too old goes first, then what was used longest ago.

    Of callers that ask for the same at once, one makes the answer and the others wait for it. An error is
    raised in all of them and not kept.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Future[Any]]] = OrderedDict()

    def get(self, key: Hashable, seconds: float, make: Callable[[], Any]) -> Any:
        """The answer for `key`, made by `make` and kept for `seconds` where none is."""
        future, mine = self._find(key, seconds)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._guard:
                    self._kept.pop(key, None)
                future.set_exception(error)
        return future.result()

    def _find(self, key: Hashable, seconds: float) -> tuple[Future[Any], bool]:
        now = self._clock()
        with self._guard:
            self._drop_old(now)
            if key in self._kept:
                _, future = self._kept[key]
                self._kept.move_to_end(key)
                return future, False
            future = Future()
            self._kept[key] = (now + seconds, future)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return future, True

    def _drop_old(self, now: float) -> None:
        old = [key for key, (until, future) in self._kept.items() if until <= now and future.done()]
        for key in old:
            del self._kept[key]
