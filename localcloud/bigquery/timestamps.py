"""Correction "timestamps": a TIMESTAMP comes in the form that the client asked for.

BigQuery: seconds since 1970 as a float (``1.795222860123456E9``), or microseconds as an integer when the
request says ``formatOptions.useInt64Timestamp``; ``bq`` reads the one, google-cloud-bigquery the other.
bqemulator: always microseconds, so that ``bq`` prints "date out of range".
"""

from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import bqemulator.storage.arrow_bridge as arrow_bridge
import pyarrow as pa
from starlette.types import ASGIApp, Receive, Scope, Send

from localcloud.bigquery.seams import replace

OPTION = "formatOptions.useInt64Timestamp"

#: Whether the request in hand wants integers; routes whose body says so set it themselves.
wants_integers: ContextVar[bool] = ContextVar("wants_integers", default=False)


def apply() -> None:
    """Render timestamps by what the current request wants."""
    in_microseconds: Callable[..., Any] = arrow_bridge._fmt_bq_timestamp

    def render(value: Any, kind: pa.DataType, field: pa.Field | None) -> Any:
        text = in_microseconds(value, kind, field)
        return text if kind.tz is None or wants_integers.get() else seconds(int(text))

    replace(
        arrow_bridge,
        "_BQ_TYPE_FORMATTERS",
        ((pa.types.is_timestamp, render), *arrow_bridge._BQ_TYPE_FORMATTERS),
    )


def seconds(microseconds: int) -> str:
    """Write microseconds since 1970 as BigQuery writes seconds: exact, in scientific notation."""
    return f"{Decimal(microseconds).scaleb(-6).normalize():E}".replace("E+", "E")


class FormatOptions:
    """Read the option of a request's query string before any route runs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            options = parse_qs(scope["query_string"].decode("latin-1"))
            wants_integers.set(options.get(OPTION, ["false"])[-1].lower() == "true")
        await self._app(scope, receive, send)
