"""Processes, runs, lineage events and links, as Dataplex makes them of OpenLineage's run events. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.lineage.names import identifier, qualified

STATES = {"COMPLETE": "COMPLETED", "FAIL": "FAILED", "ABORT": "ABORTED"}


@dataclass
class Span:
    """From the start of the first to the end of the last of what is counted."""

    start: datetime
    end: datetime

    def add(self, moment: datetime) -> None:
        self.start, self.end = min(self.start, moment), max(self.end, moment)


@dataclass
class LineageEvent:
    """What one run moved, as pairs of fully qualified names: (source, target)."""

    event_id: str
    pairs: tuple[tuple[str, str], ...]
    span: Span


@dataclass
class Run:
    """A run of a process; it has an end once it has a final state."""

    run_id: str
    display_name: str
    state: str
    span: Span
    events: dict[str, LineageEvent] = field(default_factory=dict)


@dataclass
class Process:
    """A job of OpenLineage's."""

    process_id: str
    display_name: str
    runs: dict[str, Run] = field(default_factory=dict)


@dataclass
class Link:
    """A source, a target, and when which processes moved something between them."""

    link_id: str
    source: str
    target: str
    span: Span
    processes: dict[str, Span] = field(default_factory=dict)


class Graph:
    """Everything that the events so far say, by id."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.links: dict[str, Link] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take a run event in; what is none, such as a dataset's event, is left out, as by Google's API."""
        try:
            namespace, name = str(event["job"]["namespace"]), str(event["job"]["name"])
            run_id = str(event["run"]["runId"])
            moment = datetime.fromisoformat(event["eventTime"]).astimezone(UTC)
            pairs = tuple(
                (qualified(one["namespace"], one["name"]), qualified(other["namespace"], other["name"]))
                for one in event.get("inputs") or ()
                for other in event.get("outputs") or ()
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        process = self._process(namespace, name)
        known = _run(process, run_id, moment)
        known.span.add(moment)
        # Events may come late: a final state stays.
        known.state = STATES.get(str(event.get("eventType")), known.state)
        if pairs:
            self._move(process, known, pairs, moment)

    def _process(self, namespace: str, name: str) -> Process:
        process_id = identifier(namespace, name)
        return self.processes.setdefault(process_id, Process(process_id, f"{namespace}:{name}"))

    def _move(self, process: Process, run: Run, pairs: tuple[tuple[str, str], ...], moment: datetime) -> None:
        event_id = identifier(process.process_id, run.run_id, *(name for pair in pairs for name in pair))
        event = run.events.setdefault(event_id, LineageEvent(event_id, pairs, Span(moment, moment)))
        event.span.add(moment)
        for source, target in pairs:
            link_id = identifier(source, target)
            link = self.links.setdefault(link_id, Link(link_id, source, target, Span(moment, moment)))
            for span in (link.span, link.processes.setdefault(process.process_id, Span(moment, moment))):
                span.add(moment)


def _run(process: Process, run_id: str, moment: datetime) -> Run:
    key = identifier(run_id)
    return process.runs.setdefault(key, Run(key, run_id, "STARTED", Span(moment, moment)))
