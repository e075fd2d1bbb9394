"""The catalogue: what there is, what a column means, how a file must look, where rows come from."""

from typing import Any, cast

import flask

from room.catalogue_search import search
from room.contract_view import count_personal, example_moment, example_number, header_line
from room.flow import Flow, Place, flow_of_dataset, flow_of_mart, whole_flow
from room.lineage import Lineage
from room.lineage_picture import draw
from room.place import Room, formats, here, words
from room.seen import Seen, ends_of, full_name, last_runs, lay_over, undeclared
from room.warehouse import Row, WarehouseAwayError

PAGE = flask.Blueprint("catalogue", __name__)
_LONGEST_QUESTION = 200
_MOST_HITS = 100
_MOST_BESIDE = 20


@PAGE.record_once
def connect(state: Any) -> None:
    """Make the edge to the Data Lineage API, once for each application."""
    room = cast(Room, state.app.extensions["room"])
    state.app.extensions["lineage"] = Lineage(
        room.session, room.settings.lineage_url, room.settings.project, room.settings.region
    )


@PAGE.get("/catalogue")
def show_catalogue() -> str:
    """All datasets and marts, or what has the words of ?q=."""
    asked = flask.request.args.get("q", "").strip()[:_LONGEST_QUESTION]
    hits = search(here().catalogue, asked)
    return flask.render_template(
        "catalogue.html",
        asked=asked,
        hits=hits[:_MOST_HITS],
        more=len(hits) > _MOST_HITS,
        documents=here().catalogue.datasets,
        marts=here().catalogue.marts,
        count_personal=count_personal,
    )


@PAGE.get("/catalogue/<dataset>")
def show_dataset(dataset: str) -> str:
    """The contract of a dataset as a page."""
    document = here().catalogue.datasets.get(dataset)
    if document is None:
        flask.abort(404, words().say("catalogue.no_dataset", name=dataset))
    return flask.render_template(
        "catalogue_dataset.html",
        document=document,
        bucket=here().settings.landing_bucket,
        header_line=header_line(document),
        personal=count_personal(document),
        example_moment=example_moment,
        example_number=example_number,
        **_lineage(flow_of_dataset(here().catalogue, dataset)),
    )


@PAGE.get("/catalogue/marts/<mart>")
def show_mart(mart: str) -> str:
    """A mart: the question that it answers, its columns, what it reads."""
    document = here().catalogue.marts.get(mart)
    if document is None:
        flask.abort(404, words().say("catalogue.no_mart", name=mart))
    flow = flow_of_mart(here().catalogue, mart)
    (place,) = (place for place in flow.places if place.entry == mart and place.kind == "mart")
    sources = [step.source for step in flow.steps if step.target == place]
    return flask.render_template("catalogue_mart.html", mart=document, sources=sources, **_lineage(flow))


def _lineage(flow: Flow) -> dict[str, Any]:
    """What the template draws: the picture, its steps, and whether the Data Lineage API answered."""
    room, lineage = here(), cast(Lineage, flask.current_app.extensions["lineage"])
    whole = whole_flow(room.catalogue)
    project, bucket = room.settings.project, room.settings.landing_bucket
    names = {place: full_name(place, project, bucket) for place in (*whole.places, *flow.places)}
    links = lineage.search(ends_of(flow, names))
    seen = lay_over(flow, links, _last_runs() if links else [], names)
    notes = {one.step.target: _notes(one) for one in seen}

    def say(place: Place) -> tuple[str, list[str]]:
        return words().say(f"catalogue.place_{place.kind}"), notes.get(place, [])

    return {
        "picture": draw(flow, seen, say),
        "steps": seen,
        "beside": undeclared(whole, links, names)[:_MOST_BESIDE],
        "lineage_away": links is None,
    }


def _last_runs() -> list[Row]:
    try:
        return here().warehouse.ask(last_runs(here().clock()))
    except WarehouseAwayError:
        return []


def _notes(one: Seen) -> list[str]:
    """What the picture says below the name of a step's target."""
    if one.state == "unseen":
        return [words().say("catalogue.step_unseen")]
    if one.state != "seen":
        return []
    rows = one.run["row_count"] if one.run else None
    counted = (
        [] if rows is None else [words().say("catalogue.rows", count=rows, shown=formats().number(rows))]
    )
    return [formats().ago(one.last), *counted]
