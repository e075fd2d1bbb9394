"""Lets Airflow's api-server live with SQLite, which has one writer at a time.

The audit log of a request is committed on the event loop itself. When another request's thread holds the
write lock, the loop waits for the lock and the thread waits for the loop to let it commit: both stand still
until the lock's time-out, and the scheduler with them. So requests that write take turns. A database server,
as Composer has one, needs nothing of this.
"""

import asyncio
from typing import Any

from airflow.plugins_manager import AirflowPlugin

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OneWriterAtATime:
    """ASGI middleware: a request whose method may write waits until the one before it is wholly done."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, in its turn."""
        if scope["type"] != "http" or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        async with self._turn:
            await self._app(scope, receive, send)


class OneWriterPlugin(AirflowPlugin):
    """Registers the middleware with the api-server."""

    name = "one_writer_at_a_time"
    fastapi_root_middlewares = [{"name": name, "middleware": OneWriterAtATime}]  # noqa: RUF012 (Airflow's interface)
