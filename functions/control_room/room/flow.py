"""How rows come about, as the catalogue declares it: places, and the steps that lead from one to the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from room.catalogue import Catalogue


@dataclass(frozen=True)
class Place:
    """Where rows are: `name` is that of a table, or of a folder of landing with a slash at its end.

    `kind` is files, raw, live, rejected, trusted, mart, or ledger for any other table. `entry` is the dataset
    or mart that the catalogue has it under, empty for the ledger.
    """

    name: str
    kind: str
    entry: str = ""


@dataclass(frozen=True)
class Step:
    """What leads from one place to another: `task` of the source's DAG, empty where the target is a view."""

    source: Place
    target: Place
    task: str = ""


@dataclass(frozen=True)
class Flow:
    """Places, sources before what is made of them within a kind, and the steps between them."""

    places: tuple[Place, ...]
    steps: tuple[Step, ...]


def flow_of_dataset(catalogue: Catalogue, dataset: str) -> Flow:
    """From the dataset's files to all that is made of them."""
    steps = list(_declared(catalogue))
    files = next(
        step.source for step in steps if step.source.kind == "files" and step.source.entry == dataset
    )
    return _flow(files, _reached(files, steps, _follows), steps)


def flow_of_mart(catalogue: Catalogue, mart: str) -> Flow:
    """From the files that the mart comes from to what reads it."""
    steps = list(_declared(catalogue))
    here = Place(str(catalogue.marts[mart]["table"]), "mart", mart)
    chosen = _reached(here, steps, _leads) | _reached(here, steps, _follows)
    return _flow(here, chosen, steps)


def whole_flow(catalogue: Catalogue) -> Flow:
    """All that the catalogue declares."""
    steps = tuple(_declared(catalogue))
    return Flow(tuple(dict.fromkeys(place for step in steps for place in (step.source, step.target))), steps)


def _declared(catalogue: Catalogue) -> Iterator[Step]:
    """Every step of the catalogue; the view of raw's rows that count only where a mart reads it."""
    tables: dict[str, Place] = {}
    read = {str(table) for mart in catalogue.marts.values() for table in mart["reads"]}
    for name, document in catalogue.datasets.items():
        files = Place(str(document["source"]["path"]), "files", name)
        at = {kind: Place(str(table), kind, name) for kind, table in document["tables"].items()}
        tables |= {place.name: place for place in at.values()}
        yield Step(files, at["raw"], "load_raw")
        yield Step(files, at["rejected"], "load_rejected")
        yield Step(at["raw"], at["trusted"], "call_trusted")
        if at["live"].name in read:
            yield Step(at["raw"], at["live"])
    tables |= {
        str(mart["table"]): Place(str(mart["table"]), "mart", name) for name, mart in catalogue.marts.items()
    }
    for mart in catalogue.marts.values():
        for table in mart["reads"]:
            yield Step(tables.get(table) or Place(str(table), "ledger"), tables[str(mart["table"])])


def _reached(start: Place, steps: list[Step], joins: Callable[[Step, Place], Place | None]) -> set[Step]:
    """The steps that are met from `start`, each followed once."""
    met: set[Step] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for step in steps:
            there = joins(step, here)
            if there and step not in met:
                met.add(step)
                waiting.append(there)
    return met


def _follows(step: Step, here: Place) -> Place | None:
    return step.target if step.source == here else None


def _leads(step: Step, here: Place) -> Place | None:
    return step.source if step.target == here else None


def _flow(here: Place, chosen: set[Step], steps: list[Step]) -> Flow:
    ordered = tuple(step for step in steps if step in chosen)
    places = dict.fromkeys(place for step in ordered for place in (step.source, step.target))
    return Flow(tuple(places) or (here,), ordered)
