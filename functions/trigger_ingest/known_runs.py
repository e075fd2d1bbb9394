"""The runs that Airflow has confirmed to this instance: a burst asks once per window, not once per file."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from errors import TransientError


class KnownRuns:
    """A bounded set of run ids, safe for threads; the longest known is forgotten first.

    Only the id of a run that exists is added, and an id names one window of one dataset for ever: asking for
    it again could only be answered with 409. Forgetting one costs a request, nothing else.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._asked: dict[str, Future[None]] = {}
        self._lock = Lock()

    def ensure(self, run_id: str, create: Callable[[], bool]) -> bool:
        """Make sure that a run exists: True when this call's `create` created it, False when it was there.

        Threads that want the same run at the same time make one request: the others wait for its answer. A
        `TransientError` of it becomes their own, for asking a server in trouble once each would only hold up
        every thread. Any other error is about the request of the one event; those who waited ask themselves.
        """
        while True:
            with self._lock:
                if run_id in self._ids:
                    return False
                asked = self._asked.get(run_id)
                if asked is None:
                    mine = self._asked[run_id] = Future()
            if asked is None:
                return self._ask(run_id, mine, create)
            failure = asked.exception()
            if isinstance(failure, TransientError):
                # An exception of its own: two threads that raise the same one mix up its traceback.
                raise TransientError(str(failure))

    def _ask(self, run_id: str, asked: Future[None], create: Callable[[], bool]) -> bool:
        try:
            created = create()
        except BaseException as error:
            with self._lock:
                del self._asked[run_id]
            asked.set_exception(error)
            raise
        with self._lock:
            del self._asked[run_id]
            self._ids[run_id] = None
            while len(self._ids) > self._capacity:
                self._ids.popitem(last=False)
        asked.set_result(None)
        return created
