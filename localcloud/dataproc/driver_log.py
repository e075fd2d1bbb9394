"""Finds, in a driver's output, the lines that say why it failed. Pure."""

import re

_LOG_LINE = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (TRACE|DEBUG|INFO|WARN|ERROR) ")
_NOISE = re.compile(r"\s+at |\s+\.\.\. \d+ more|WARNING: |Using Spark's default log4j|\s*$")
_TRACEBACK = "Traceback (most recent call last):"
_MOST_LINES = 5


def last_words(output: str) -> str:
    """The exception that ended a Python driver, else the last lines that are neither log nor stack."""
    lines = output.splitlines()
    tracebacks = [index for index, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK)]
    if tracebacks and (exception := _exception(lines[tracebacks[-1] + 1 :])):
        return "\n".join(exception)
    kept = [line for line in lines if not _LOG_LINE.match(line) and not _NOISE.match(line)]
    return "\n".join(kept[-_MOST_LINES:])


def _exception(lines: list[str]) -> list[str]:
    start = next((index for index, line in enumerate(lines) if line and not line[0].isspace()), len(lines))
    found = []
    for line in lines[start : start + _MOST_LINES]:
        if _LOG_LINE.match(line) or _NOISE.match(line):
            break
        found.append(line)
    return found
