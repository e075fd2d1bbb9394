"""Correction "one thread": two requests never share one DuckDB result.

BigQuery: requests do not see each other's results.
bqemulator: plain ``def`` routes (tables.get, tabledata.list, readyz) run in worker threads on the connection
that the event loop is using, so that one of them can fetch the rows of the other's statement.
"""

from collections.abc import Callable
from typing import Any

import fastapi.dependencies.utils
import fastapi.routing

from localcloud.bigquery.seams import replace


def apply() -> None:
    """Run every route on the event loop, where execute and fetch are never interleaved."""
    replace(fastapi.routing, "run_in_threadpool", _call_here)
    replace(fastapi.dependencies.utils, "run_in_threadpool", _call_here)


async def _call_here(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)
