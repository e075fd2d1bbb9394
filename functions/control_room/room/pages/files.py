"""Where is my file: a search over the ledger and over what is not in it yet, and the story of one file."""

from typing import Any

import flask

from room import arguments
from room.files_questions import (
    PAGE_ROWS,
    RECENT_DAYS,
    list_files,
    list_readings,
    list_twins,
)
from room.journal import Landed, OpenBatch
from room.pending import Waiting
from room.place import here, words
from room.search import Sought, is_meant, read_search, resembles
from room.story import tell, tell_open, tell_pending

PAGE = flask.Blueprint("files", __name__)
_LEDGER = ("loaded", "rejected", "superseded")
_LIVE = ("pending", "running", "waiting", "failed", "ignored")
STATES = (*_LEDGER, *_LIVE)
_MOST_LIVE = 50


@PAGE.get("/files")
def show_files() -> Any:
    """Files by name, content or generation, newest first; the only one that is meant tells its story."""
    room = here()
    typed, page = arguments.text("q"), arguments.page()
    dataset = arguments.one_of("dataset", room.catalogue.datasets)
    state = arguments.one_of("state", STATES)
    sought = read_search(typed)
    looking = here().pending.begin()
    files = []
    if state not in _LIVE:
        question = list_files(sought, dataset, state, room.settings.landing_bucket, room.clock(), page)
        files = room.warehouse.ask(question)
    waiting = looking.result()
    live = [] if state in _LEDGER or page > 1 else _list_live(waiting, files, sought, dataset, state)
    if sought and page == 1 and not (dataset or state):
        meant = {(file["source_uri"], file["source_generation"]) for file in files if file["is_exact"]}
        meant |= {row["key"] for row in live if row["is_exact"]}
        if len(meant) == 1:
            uri, generation = meant.pop()
            story = flask.url_for("files.show_file", uri=uri, generation=generation)
            return flask.redirect(story, 303)
    chosen = {"q": typed, "dataset": dataset, "state": state}
    return flask.render_template(
        "files.html",
        q=typed,
        dataset=dataset,
        state=state,
        states=[(one, words().say(f"common.state_{one}")) for one in STATES],
        dataset_pairs=[(one, one) for one in room.catalogue.datasets],
        files=files[:PAGE_ROWS],
        more=len(files) > PAGE_ROWS,
        live=live[:_MOST_LIVE],
        more_live=len(live) > _MOST_LIVE,
        away=waiting.is_away,
        page_number=page,
        recent_days=RECENT_DAYS,
        searched=sought is not None,
        arguments={name: value for name, value in chosen.items() if value},
    )


@PAGE.get("/file")
def show_file() -> str:
    """What became of one file, step by step."""
    uri, generation = arguments.text("uri"), arguments.generation()
    if not uri.startswith("gs://") or generation is None:
        flask.abort(400, words().say("files.bad_address"))
    looking, question = here().pending.begin(), list_readings(uri, generation)
    readings, twins = here().warehouse.ask_all(question, list_twins(uri, generation))
    waiting = looking.result()
    opened = _find_opened(waiting, uri, generation, readings)
    landed = opened and _landed_in(opened, uri, generation)
    landed = landed or _find_landed(waiting, uri, generation)
    if landed is None and not readings:
        # It may have ended since the ledger was asked.
        readings = list(here().warehouse.stream(question))
    if readings:
        return _show_story(readings, twins, opened)
    if landed is None:
        flask.abort(404, words().say("files.unknown", file=f"{uri}#{generation}"))
    return _show_live(landed, opened, waiting)


def _show_story(readings: list[dict[str, Any]], twins: list[dict[str, Any]], opened: OpenBatch | None) -> str:
    newest = readings[0]
    tables = here().catalogue.datasets.get(newest["dataset"], {}).get("tables", {})
    return flask.render_template(
        "file.html",
        story=tell(newest),
        readings=readings,
        same_content=[twin for twin in twins if twin["is_same_content"]],
        same_name=[twin for twin in twins if twin["is_same_name"]],
        opened=opened,
        trusted=tables.get("trusted"),
    )


def _show_live(landed: Landed, opened: OpenBatch | None, waiting: Waiting) -> str:
    if opened is not None:
        progress = waiting.progress.get(opened.batch_id)
        state = opened.state(here().clock())
        came = None if opened.replay else landed.created_at
        steps = tell_open(came, opened.claimed_at, progress.phase if progress else None)
    else:
        state = "ignored" if landed in waiting.ignored else "pending"
        steps = tell_pending(landed.created_at)
    dataset = opened.dataset if opened else landed.name.partition("/")[0]
    return flask.render_template(
        "file_live.html",
        landed=landed,
        opened=opened,
        state=state,
        steps=steps,
        dataset=dataset,
        contract=here().catalogue.datasets.get(dataset),
    )


def _list_live(
    waiting: Waiting, known: list[dict[str, Any]], sought: Sought | None, dataset: str, state: str
) -> list[dict[str, Any]]:
    """The files that are not in the ledger yet, as rows of the list, newest first; `known` are in it."""
    found: list[tuple[Landed, str, OpenBatch | None]] = []
    found += [(file, "pending", None) for file in waiting.pending]
    found += [(file, "ignored", None) for file in waiting.ignored]
    now = here().clock()
    found += [(file, batch.state(now), batch) for batch in waiting.open_batches for file in batch.files]
    rows = [_live_row(file, its_state, batch, sought) for file, its_state, batch in found]
    ended = {(file["source_uri"], file["source_generation"], file["batch_id"]) for file in known}
    kept = [
        row
        for row in rows
        if row["is_found"]
        and (*row["key"], row["batch_id"]) not in ended
        and dataset in ("", row["dataset"])
        and state in ("", row["state"])
    ]
    return sorted(kept, key=lambda row: (row["since"], row["key"]), reverse=True)


def _live_row(file: Landed, state: str, batch: OpenBatch | None, sought: Sought | None) -> dict[str, Any]:
    what = (file.uri, file.generation, (file.crc32c, file.md5))
    batch_id = batch.batch_id if batch else None
    return {
        "key": file.key,
        "state": state,
        "batch_id": batch_id,
        "dataset": batch.dataset if batch else file.name.partition("/")[0],
        "since": file.created_at,
        "size": file.size,
        "is_exact": sought is not None and is_meant(sought, *what),
        "is_found": sought is None or resembles(sought, *what, batch_id),
    }


def _landed_in(batch: OpenBatch, uri: str, generation: int) -> Landed | None:
    return next((file for file in batch.files if file.key == (uri, generation)), None)


def _find_opened(
    waiting: Waiting, uri: str, generation: int, readings: list[dict[str, Any]]
) -> OpenBatch | None:
    """The open batch that reads the file; one that has read it stays in the journal for a moment."""
    ended = {reading["batch_id"] for reading in readings}
    reading_it = (batch for batch in waiting.open_batches if _landed_in(batch, uri, generation))
    return next((batch for batch in reading_it if batch.batch_id not in ended), None)


def _find_landed(waiting: Waiting, uri: str, generation: int) -> Landed | None:
    return next(
        (file for file in (*waiting.pending, *waiting.ignored) if file.key == (uri, generation)), None
    )
