"""Correction "plain logs": one readable line an event, without colours, health checks left out."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import bqemulator.server as emulator
import structlog
from bqemulator.config import LogFormat, LogLevel

from localcloud.bigquery.seams import replace

QUIET_PATHS = frozenset({"/healthz", "/readyz"})


def apply() -> None:
    """Configure structlog and the standard library's logging for a log file that people read."""
    replace(emulator, "configure_logging", _configure)


def _configure(*, level: LogLevel, fmt: LogFormat) -> None:
    del level, fmt  # chosen here, not by the emulator's settings
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    structlog.configure(
        processors=[
            _drop_health_checks,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _drop_health_checks(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if event.get("path") in QUIET_PATHS:
        raise structlog.DropEvent
    return event


def _line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """``2026-11-21T01:26:02Z INFO http.request method=POST status=200``, then a traceback if there is one."""
    start = f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('event')}"
    traceback = event.pop("exception", None)
    words = " ".join([start, *(f"{name}={value}" for name, value in event.items())])
    return f"{words}\n{traceback}" if traceback else words
