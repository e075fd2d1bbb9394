"""The rules of a running part: read again whenever their file changes; what they did is written beside it."""

import json
import logging
import os
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from localcloud.faults.rules import REQUESTS, Counts, Rule, Rules, RulesError, decide, parse_rules

_log = logging.getLogger("uvicorn.error")


class Faults:
    """The rules in `file`, for one process. Safe for threads; an absent file, or None, means no faults.

    What fires is appended to the `.log` beside the file, a JSON object a line: time, part, rule, action,
    method, path. A document that is none counts as no rules, and is told of in both logs, once.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._rules = Rules()
        self._counts = Counts()

    def choose(self, part: str, method: str, path: str, among: Collection[str] = REQUESTS) -> Rule | None:
        """The rule that this request suffers now, already written to the log; None for most."""
        if self._file is None:
            return None
        with self._guard:
            self._refresh(self._file)
            rule = decide(self._rules, self._counts, part, method, path, among)
        if rule is not None:
            self.note(part, rule.id, rule.action, method=method, path=path)
        return rule

    def note(self, part: str, rule: str, action: str, **more: object) -> None:
        """Append a line to the log of faults."""
        if self._file is None:
            return
        line = {"time": datetime.now(UTC).isoformat(), "part": part, "rule": rule, "action": action, **more}
        # One write to a file opened for appending: lines of several processes do not mix.
        with log_of(self._file).open("ab", buffering=0) as log:
            log.write(json.dumps(line).encode() + b"\n")

    def _refresh(self, file: Path) -> None:
        try:
            found = file.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return
            rules = parse_rules(file.read_bytes())
        except FileNotFoundError:
            seen, rules = None, Rules()
        except RulesError as error:
            rules = Rules()
            _log.error("%s: %s; no faults until it is mended", file, error)
            self.note("rules", "", "refused", error=str(error))
        self._counts = self._counts.carry_over(self._rules, rules)
        self._seen, self._rules = seen, rules


def log_of(file: Path) -> Path:
    """Where what the rules in `file` did is written."""
    return file.with_suffix(".log")


def write_rules(file: Path, text: str) -> None:
    """Put a document of rules in place, at once and only if it is one. Raises RulesError."""
    parse_rules(text)
    draft = file.with_suffix(f".{os.getpid()}.new")
    draft.write_text(text)
    draft.replace(file)
