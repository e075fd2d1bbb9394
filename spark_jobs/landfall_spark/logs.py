"""Structured log lines, one JSON object a line, as Cloud Logging reads them. Never a field's value."""

from __future__ import annotations

import json
import sys
import time


def start() -> None:
    """Write lines as they come, also into a file or a pipe."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def info(message: str, **labels: object) -> None:
    """Write a line of severity INFO with its labels."""
    _write("INFO", message, labels)


def error(message: str, **labels: object) -> None:
    """Write a line of severity ERROR with its labels."""
    _write("ERROR", message, labels)


def _write(severity: str, message: str, labels: dict[str, object]) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"severity": severity, "time": stamp, "message": message, **labels}, ensure_ascii=False))
