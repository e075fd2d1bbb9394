"""What the API answers: resources of the graph in Google's form, page by page. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from localcloud.lineage.errors import invalid, not_found
from localcloud.lineage.graph import Graph, LineageEvent, Link, Process, Run, Span
from localcloud.lineage.names import identifier

MOST_ON_A_PAGE = 100
MOST_LINKS = 100
T = TypeVar("T")


class Place:
    """The names of everything in one project and location; Google answers with the project's number."""

    def __init__(self, number: str, location: str) -> None:
        self.parent = f"projects/{number}/locations/{location}"

    def link(self, link_id: str) -> str:
        return f"{self.parent}/links/{link_id}"

    def process(self, process_id: str) -> str:
        return f"{self.parent}/processes/{process_id}"


def search_links(graph: Graph, place: Place, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `searchLinks`: the links from one source, or into one target."""
    _know(body, "source", "target", "pageSize", "pageToken")
    criteria = [name for name in ("source", "target") if name in body]
    if len(criteria) != 1:
        raise invalid(f"Expected exactly one of source and target, found {len(criteria)}.")
    (side,) = criteria
    wanted = _qualified(body[side], side)
    found = [link for link in graph.links.values() if getattr(link, side) == wanted]
    page, token = _page(found, body, 10, identifier("links", side, wanted))
    return _filled({"links": [_link(place, link) for link in page], "nextPageToken": token})


def link_processes(graph: Graph, place: Place, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `batchSearchLinkProcesses`: which processes made the links, each with its links."""
    _know(body, "links", "pageSize", "pageToken")
    names = body.get("links")
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_LINKS:
        raise invalid(f"Expected 1 to {MOST_LINKS} names of links.")
    links = [link for link in graph.links.values() if place.link(link.link_id) in set(map(str, names))]
    processes = sorted({process for link in links for process in link.processes})
    page, token = _page(processes, body, 50, identifier("processes", *map(str, names)))
    answers = [
        {
            "process": place.process(process),
            "links": [
                {"link": place.link(link.link_id), **_times(link.processes[process])}
                for link in links
                if process in link.processes
            ],
        }
        for process in page
    ]
    return _filled({"processLinks": answers, "nextPageToken": token})


def resource(graph: Graph, place: Place, ids: Sequence[str], query: Mapping[str, Any]) -> dict[str, Any]:
    """Answer GET of what lies below a location: `ids` are the words and ids of its path, in turn.

    After a word alone comes the list of it, after a word and an id the one of that id.
    """
    process_id, run_id, event_id = [*ids[1::2], None, None, None][:3]
    if process_id is None:
        newest = list(reversed(graph.processes.values()))
        return _listed("processes", newest, query, lambda one: _process(place, one))
    process = _find(graph.processes, process_id)
    if len(ids) == 2:
        return _process(place, process)
    if run_id is None:
        runs = sorted(process.runs.values(), key=lambda run: run.span.start, reverse=True)
        return _listed("runs", runs, query, lambda one: _run(place, process, one))
    run = _find(process.runs, run_id)
    if len(ids) == 4:
        return _run(place, process, run)
    if event_id is None:
        events = list(run.events.values())
        return _listed("lineageEvents", events, query, lambda one: _event(place, process, run, one))
    return _event(place, process, run, _find(run.events, event_id))


def _link(place: Place, link: Link) -> dict[str, Any]:
    return {"name": place.link(link.link_id), **_ends(link.source, link.target), **_times(link.span)}


def _process(place: Place, process: Process) -> dict[str, Any]:
    return {
        "name": place.process(process.process_id),
        "displayName": process.display_name,
        "origin": {"sourceType": "CUSTOM"},
    }


def _run(place: Place, process: Process, run: Run) -> dict[str, Any]:
    times = _times(run.span)
    if run.state == "STARTED":
        del times["endTime"]
    name = f"{place.process(process.process_id)}/runs/{run.run_id}"
    return {"name": name, "displayName": run.display_name, "state": run.state, **times}


def _event(place: Place, process: Process, run: Run, event: LineageEvent) -> dict[str, Any]:
    name = f"{place.process(process.process_id)}/runs/{run.run_id}/lineageEvents/{event.event_id}"
    return {"name": name, "links": [_ends(*pair) for pair in event.pairs], **_times(event.span)}


def _ends(source: str, target: str) -> dict[str, Any]:
    return {"source": {"fullyQualifiedName": source}, "target": {"fullyQualifiedName": target}}


def _times(span: Span) -> dict[str, str]:
    return {"startTime": _time(span.start), "endTime": _time(span.end)}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _find(found: Mapping[str, T], key: str) -> T:
    if key not in found:
        raise not_found()
    return found[key]


def _listed(
    name: str, found: Sequence[T], query: Mapping[str, Any], render: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    _know(query, "pageSize", "pageToken")
    page, token = _page(found, query, 50, identifier(name))
    return _filled({name: [render(one) for one in page], "nextPageToken": token})


def _page(found: Sequence[T], given: Mapping[str, Any], usual: int, asked: str) -> tuple[Sequence[T], str]:
    """A page, and the token of the next; a token is only good for what it was given for."""
    try:
        size = int(given.get("pageSize") or usual)
        token = str(given.get("pageToken") or f"{asked}-0")
        begun, _, start = token.rpartition("-")
        first = int(start)
    except (TypeError, ValueError):
        raise invalid("Request contains an invalid argument: pageSize or pageToken.") from None
    if size < 0 or first < 0 or begun != asked:
        raise invalid("Request contains an invalid argument: pageSize or pageToken.")
    last = first + min(size, MOST_ON_A_PAGE)
    return found[first:last], f"{asked}-{last}" if last < len(found) else ""


def _filled(answer: dict[str, Any]) -> dict[str, Any]:
    """Google leaves out what is empty."""
    return {name: value for name, value in answer.items() if value}


def _know(given: Mapping[str, Any], *names: str) -> None:
    for name in given:
        if name not in names:
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')


def _qualified(reference: Any, side: str) -> str:
    name = reference.get("fullyQualifiedName") if isinstance(reference, dict) else None
    if not isinstance(name, str) or not name:
        raise invalid(f"Expected {side}.fullyQualifiedName to be set.")
    return name
