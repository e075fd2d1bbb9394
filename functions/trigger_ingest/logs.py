"""Log entries as Cloud Logging understands them: one JSON object a line on standard output.

The special fields are those of https://cloud.google.com/logging/docs/structured-logging. An entry names
objects and never holds any of their content.
"""

import json
import re
import sys
import threading
from collections.abc import Mapping

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/.*)?")
_WRITING = threading.Lock()


def find_trace(project: str, *, traceparent: object, cloud_trace_context: object) -> str | None:
    """Name the trace of a request, `projects/<project>/traces/<id>`, from whichever header is well formed."""
    for pattern, value in ((_TRACEPARENT, traceparent), (_CLOUD_TRACE, cloud_trace_context)):
        if isinstance(value, str) and (match := pattern.fullmatch(value.strip().lower())):
            return f"projects/{project}/traces/{match[1]}"
    return None


def render_entry(severity: str, message: str, labels: Mapping[str, str], trace: str | None) -> str:
    """Render one entry as a line of JSON, without the line's end."""
    entry: dict[str, object] = {
        "severity": severity,
        "message": message,
        "logging.googleapis.com/labels": dict(labels),
    }
    if trace is not None:
        entry["logging.googleapis.com/trace"] = trace
    return json.dumps(entry)


def write_entry(severity: str, message: str, labels: Mapping[str, str], trace: str | None) -> None:
    """Write one entry in one piece, whichever threads write too; when it returns, the entry is out."""
    line = render_entry(severity, message, labels, trace) + "\n"
    with _WRITING:  # without, a thread could carry another's line away and write it after the answer
        sys.stdout.write(line)
        sys.stdout.flush()
