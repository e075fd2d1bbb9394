"""The runs that Airflow has confirmed to this instance: a burst asks once per window, not once per file."""

from collections import OrderedDict
from threading import Lock


class KnownRuns:
    """A bounded set of run ids, safe for threads; the longest known is forgotten first.

    Only the id of a run that exists is added, and an id names one window of one dataset for ever: asking for
    it again could only be answered with 409. Forgetting one costs a request, nothing else.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, run_id: str) -> bool:
        with self._lock:
            return run_id in self._ids

    def add(self, run_id: str) -> None:
        """Remember a run that Airflow confirmed."""
        with self._lock:
            self._ids[run_id] = None
            while len(self._ids) > self._capacity:
                self._ids.popitem(last=False)
