"""The one module that hands events to Airflow's OpenLineage provider: in time or not at all."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_log = logging.getLogger(__name__)

# A batch that is recorded waits no longer for its lineage to be told; what is not told by then is lost.
MOST_SECONDS = 5.0


def emit(build: Callable[[str], Iterable[Any]]) -> None:
    """Emit the events that are built, given the namespace of the jobs. Never fails, nor takes long.

    Nothing happens where OpenLineage has no place to send to.
    """
    # A thread, not the caller: whoever receives the events may not answer, and a call of his cannot be ended.
    thread = threading.Thread(target=_emit, args=(build,), name="lineage", daemon=True)
    thread.start()
    thread.join(MOST_SECONDS)
    if thread.is_alive():
        _log.warning("lineage: not told within %s s. The batch is complete without it.", MOST_SECONDS)


def _emit(build: Callable[[str], Iterable[Any]]) -> None:
    try:
        from airflow.providers.openlineage import conf

        if conf.is_disabled():
            return
        # What it imports takes a second where nothing of it has been imported.
        from airflow.providers.openlineage.api.core import emit

        begun = time.monotonic()
        events = list(build(conf.namespace()))
        for event in events:
            emit(event)
        _log.info("lineage: handed over %s events in %.2f s", len(events), time.monotonic() - begun)
    except Exception as error:  # whatever it is: the batch went well
        _log.warning("lineage: not told, for %r. The batch is complete without it.", error)
