"""The list of batches, and the page of one: its steps on an axis of time, why it ended so, and its files."""

import flask

from room import arguments
from room.batch import (
    BATCH_ID,
    STATES,
    first_landed,
    is_open_state,
    link_kind,
    merge_open,
    open_batch,
    open_files,
    split_ids,
    still_open,
    tell_replay,
)
from room.batches_questions import PAGE_SIZE, find_batch, find_relatives, list_batches, list_files
from room.place import here, words
from room.timeline import draw_timeline

PAGE = flask.Blueprint("batches", __name__)


@PAGE.get("/batches")
def show_batches() -> str:
    """All batches, newest first; `dataset` and `state` filter, `page` counts from 1."""
    room, page = here(), arguments.page()
    dataset = arguments.one_of("dataset", room.catalogue.datasets)
    state = arguments.one_of("state", STATES)
    looking = room.pending.begin()
    now = room.clock()
    rows = [] if is_open_state(state) else room.warehouse.ask(list_batches(dataset, state, page))
    waiting = looking.result()
    return flask.render_template(
        "batches.html",
        batches=merge_open(rows[:PAGE_SIZE], waiting.open_batches, dataset, state, page, now),
        more=len(rows) > PAGE_SIZE,
        is_away=waiting.is_away,
        progress=waiting.progress,
        states=STATES,
        chosen={"dataset": dataset, "state": state},
        page_number=page,
    )


@PAGE.get("/batches/<dataset>/<batch_id>")
def show_batch(dataset: str, batch_id: str) -> str:
    """One batch; `page` counts through its files."""
    room, page = here(), arguments.page()
    now = room.clock()
    if dataset not in room.catalogue.datasets or not BATCH_ID.fullmatch(batch_id):
        flask.abort(404, _unknown(dataset, batch_id))
    looking = room.pending.begin()
    its_row, its_files = find_batch(dataset, batch_id), list_files(dataset, batch_id, page)
    found, relatives, files = room.warehouse.ask_all(its_row, find_relatives(dataset, batch_id), its_files)
    waiting = looking.result()
    if not found and waiting.find(dataset, batch_id) is None:
        # It may have ended since the ledger was asked.
        found, files = (list(room.warehouse.stream(one)) for one in (its_row, its_files))
    row = next(iter(found), None)
    opened = still_open(waiting.find(dataset, batch_id), row)
    batch = row or (open_batch(opened, now) if opened else None)
    if batch is None:
        flask.abort(404, _unknown(dataset, batch_id))
    if opened and not files:
        files = open_files(opened, now)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE + 1]
    return flask.render_template(
        "batch.html",
        batch=batch,
        state=opened.state(now) if opened else batch["state"],
        opened=opened,
        progress=waiting.progress.get(batch_id),
        timeline=draw_timeline(batch["steps"], batch["recorded_at"]),
        why=split_ids(batch["detail"] or ""),
        relatives=relatives,
        replay=tell_replay(batch["replay"]),
        link_kind=link_kind,
        files=files[:PAGE_SIZE],
        first_landed_at=first_landed(files) if page == 1 and len(files) <= PAGE_SIZE else None,
        more=len(files) > PAGE_SIZE,
        page_number=page,
    )


def _unknown(dataset: str, batch_id: str) -> str:
    return words().say("batches.unknown", id=batch_id[:40], dataset=dataset[:80])
